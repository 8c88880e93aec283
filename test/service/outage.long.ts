import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MODES, openStoreProxy } from '../receiver/store-proxy.ts'
import { createDataDir, startService, until } from '../support/service.ts'
import { startTestEngine, type TestEngine } from '../support/store.ts'
import { expectExactlyOnce } from './exactly-once.ts'
import { enginePid } from './kill.ts'
import { COLLECTOR, IMPATIENT, pause, startLoad } from './span-load.ts'

const AWAY_MS = 30_000
const data = createDataDir()
let server: TestEngine

beforeAll(async () => {
  server = await startTestEngine()
})
afterAll(async () => {
  await server?.stop()
  data.remove()
})

/** Load with the Collector's patience, 30 s of trouble in its midst; nothing may be lost or counted twice. */
async function through(
  start: () => Promise<Awaited<ReturnType<typeof startService>>>,
  trouble: (service: Awaited<ReturnType<typeof startService>>) => { begin(): void; end(): void },
  clickhouse: (service: Awaited<ReturnType<typeof startService>>) => { url: string; database: string },
) {
  const service = await start()
  try {
    const { begin, end } = trouble(service)
    const load = startLoad({
      address: () => service.otlpGrpc,
      senders: 8,
      pauseMs: 500,
      policy: COLLECTOR,
    })
    await pause(3000)
    begin()
    await pause(AWAY_MS / 2)
    const during = await fetch(`http://${service.api}/readyz`)
    expect({ status: during.status, body: await during.text() }).toMatchObject({ status: 503 })
    await pause(AWAY_MS / 2)
    end()
    await pause(3000)
    await load.finish()
    console.log({ requests: load.sent, attempts: load.attempts, lost: load.lost.length })
    expect(load.attempts).toBeGreaterThan(load.sent)
    await expectExactlyOnce(service, clickhouse(service), load)
    expect((await fetch(`http://${service.api}/readyz`)).status).toBe(200)
  } finally {
    await service.end('SIGTERM')
  }
}

it('SIGTERM while the store hangs: ends with 0 when its time is over, nothing acknowledged', async () => {
  const proxy = await openStoreProxy(server.url)
  const service = await startService(data.path, {
    LONGPOLE_CLICKHOUSE_URL: proxy.url,
    LONGPOLE_CLICKHOUSE_DATABASE: 'stopping',
    LONGPOLE_GRACE_SECONDS: '3',
  })
  const load = startLoad({ address: () => service.otlpGrpc, senders: 2, pauseMs: 0, policy: IMPATIENT })
  try {
    await until(
      async () => load.acknowledged.size,
      (n) => n > 0,
    )
    proxy.mode = 'hang'
    await pause(1000)
    const before = load.acknowledged.size
    expect(await service.end('SIGTERM')).toBe(0)
    expect(load.acknowledged.size).toBe(before)
  } finally {
    await service.end('SIGKILL')
    await load.abandon()
    await proxy.close()
  }
})

describe.concurrent('a store that is away for 30 s: a client with the Collector’s retry policy loses nothing', () => {
  it('the embedded engine, stopped', () =>
    through(
      () => startService(data.path),
      (service) => ({
        begin: () => process.kill(enginePid(service), 'SIGSTOP'),
        end: () => process.kill(enginePid(service), 'SIGCONT'),
      }),
      (service) => ({ url: service.clickhouse, database: 'longpole' }),
    ))

  it.each(MODES.map((mode, i) => [mode, `away_${i}`] as const))('a server: %s', async (mode, database) => {
    const proxy = await openStoreProxy(server.url)
    try {
      await through(
        () =>
          startService(data.path, {
            LONGPOLE_CLICKHOUSE_URL: proxy.url,
            LONGPOLE_CLICKHOUSE_DATABASE: database,
          }),
        () => ({
          begin: () => {
            proxy.mode = mode
          },
          end: () => {
            proxy.mode = 'through'
          },
        }),
        () => ({ url: server.url, database }),
      )
    } finally {
      await proxy.close()
    }
  })
})
