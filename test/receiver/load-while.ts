import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { startEngine } from '../../src/engine/start.ts'
import type { BatchLimits } from '../../src/receiver/batcher.ts'
import { startReceiver } from '../../src/receiver/server.ts'
import { openStore } from '../../src/store/store.ts'
import { IMPATIENT, pause, startLoad } from '../service/span-load.ts'
import { MODES, openStoreProxy, type StoreProxy } from './store-proxy.ts'

export type LoadResult = { lost: number; acknowledged: number; missing: number; unknown: number }

/**
 * Sends spans over gRPC while `disturb` does its worst. Every request is repeated until it is acknowledged; in the end
 * every span that was acknowledged must be in the store, and nothing that was never sent.
 */
export async function loadWhile(
  disturb: (proxy: StoreProxy) => Promise<void>,
  batches: Partial<BatchLimits>,
): Promise<LoadResult> {
  const log = pino({ level: 'silent' })
  const directory = await mkdtemp(join(tmpdir(), 'longpole-load-'))
  const engine = await startEngine({ dataDir: directory, host: '127.0.0.1', port: 0, log })
  const proxy = await openStoreProxy(engine.url)
  const options = { database: 'load', retentionDays: 7, rollupRetentionDays: 7, log }
  const store = openStore({ ...options, url: engine.url })
  const throughProxy = openStore({ ...options, url: proxy.url })
  await store.migrate()
  const receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    sink: { insert: throughProxy.insertSpans },
    retentionDays: 7,
    batches,
    log,
  })
  const load = startLoad({ address: () => receiver.grpcAddress, senders: 6, pauseMs: 0, policy: IMPATIENT })
  try {
    await disturb(proxy)
    await pause(500)
    await load.finish()
    const answer = await store.client.query({
      query: 'SELECT DISTINCT SpanId AS id FROM otel_traces',
      format: 'JSONEachRow',
    })
    const stored = new Set((await answer.json<{ id: string }>()).map(({ id }) => id))
    const { acknowledged } = load
    return {
      lost: load.lost.length,
      acknowledged: acknowledged.size,
      missing: [...acknowledged].filter((id) => !stored.has(id)).length,
      unknown: [...stored].filter((id) => !acknowledged.has(id)).length,
    }
  } finally {
    await load.abandon()
    await receiver.stop(1000)
    await throughProxy.close()
    await store.close()
    await proxy.close()
    await engine.stop()
    await rm(directory, { recursive: true })
  }
}

/** A store that answers 500, hangs, or closes connections, before or after it has done what it was asked. */
export function misbehave(rounds: number, eachMs: number): (proxy: StoreProxy) => Promise<void> {
  return async (proxy) => {
    for (let round = 0; round < rounds; round++) {
      for (const mode of MODES) {
        proxy.mode = mode
        await pause(eachMs)
        proxy.mode = 'through'
        await pause(eachMs / 2)
      }
    }
  }
}
