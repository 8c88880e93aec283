import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDataDir, type RunningService, startService, until } from '../support/service.ts'
import { expectExactlyOnce } from './exactly-once.ts'
import { enginePid } from './kill.ts'
import { exportOnce, IMPATIENT, requestOf, SPANS_A_TRACE, startLoad } from './span-load.ts'

const data = createDataDir()
let service: RunningService
const clickhouse = () => ({ url: service.clickhouse, database: 'longpole' })

beforeAll(async () => {
  service = await startService(data.path)
})
afterAll(async () => {
  await service?.end('SIGKILL')
  data.remove()
})

it('an exporter that repeats requests: stored twice, counted once, whoever counts', async () => {
  const stub = new Client(service.otlpGrpc, credentials.createInsecure())
  const acknowledged = new Set<string>()
  // Some at the same time, some after the other; of some the exporter did not wait for the answer.
  for (let n = 0; n < 10; n++) {
    const { spans, body } = requestOf(n)
    const copies = Array.from({ length: 1 + (n % 3) }, () => exportOnce(stub, body, 20_000))
    if (n % 4 === 0) copies.unshift(exportOnce(stub, body, 1))
    const answers = await Promise.all(copies)
    expect(answers.at(-1)).toBeNull()
    if (n % 4 === 1) expect(await exportOnce(stub, body, 20_000)).toBeNull()
    for (const { spanId } of spans) acknowledged.add(spanId)
  }
  stub.close()
  const reader = createClient({ ...clickhouse(), username: 'reader' })
  const ask = async (query: string) =>
    (await reader.query({ query, format: 'JSONEachRow' })).json<Record<string, unknown>>()
  const [{ rows }] = (await ask('SELECT count() AS rows FROM otel_traces')) as [{ rows: number }]
  expect(Number(rows)).toBeGreaterThan(acknowledged.size)

  await expectExactlyOnce(service, clickhouse(), { lost: [], acknowledged })
  const dashboard = readFileSync(
    join(import.meta.dirname, '..', '..', 'dashboards', 'bottlenecks.json'),
    'utf8',
  )
  const { rawSql } = JSON.parse(dashboard).panels[0].targets[0] as { rawSql: string }
  const panel = await ask(
    rawSql
      .replaceAll('$__timeFilter_ms(Start)', '1')
      .replaceAll(/Environment IN \(\$\{\w+:singlequote\}\)/g, '1')
      .replaceAll(/Service IN \(\$\{\w+:singlequote\}\)/g, '1'),
  )
  expect(panel[0]).toMatchObject({ endpoint: 'GET /cart', requests: acknowledged.size / SPANS_A_TRACE })
  await reader.close()
}, 120_000)

it('SIGTERM under load: ends with 0, and what was acknowledged is there', async () => {
  const load = startLoad({
    address: () => service.otlpGrpc,
    senders: 4,
    pauseMs: 0,
    policy: IMPATIENT,
    // Behind what the other test has sent.
    from: 1000,
  })
  await until(
    async () => load.acknowledged.size,
    (n) => n > 500,
  )
  // Twice, and the engine as well, as where a supervisor tells the whole group and npm hands it on.
  process.kill(enginePid(service), 'SIGTERM')
  service.process.kill('SIGTERM')
  expect(await service.end('SIGTERM')).toBe(0)
  expect(service.lines.filter((line) => /embedded engine (died|failed)/.test(line))).toEqual([])
  const atEnd = load.acknowledged.size
  const api = await fetch(`http://${service.api}/healthz`).catch(() => undefined)
  expect(api).toBeUndefined()

  service = await startService(data.path)
  await until(
    async () => load.acknowledged.size,
    (n) => n > atEnd,
  )
  await load.finish()
  await expectExactlyOnce(service, clickhouse(), { ...load, acknowledged: allOf(load.acknowledged) })
}, 120_000)

/** With those of the first test. */
function allOf(acknowledged: ReadonlySet<string>): Set<string> {
  const all = new Set(acknowledged)
  for (let n = 0; n < 10; n++) for (const { spanId } of requestOf(n).spans) all.add(spanId)
  return all
}
