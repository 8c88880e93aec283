import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, status } from '@grpc/grpc-js'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { pino } from 'pino'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import type { BatchLimits } from '../../src/receiver/batcher.ts'
import { startReceiver } from '../../src/receiver/server.ts'
import { openStore } from '../../src/store/store.ts'
import { seeded } from '../bench/random.ts'
import { readableOf, sampleSpans } from './span-samples.ts'
import { MODES, openStoreProxy, type StoreProxy } from './store-proxy.ts'

const SPANS = 200
const SENDERS = 6
/** What a Collector repeats, too: anything else is a loss. */
const RETRYABLE = new Set<number>([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED, status.DEADLINE_EXCEEDED])
const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

export type LoadResult = {
  sent: number
  lost: number
  acknowledged: number
  missing: number
  unknown: number
}

export type Disturbed = {
  engine: Engine
  proxy: StoreProxy
  random: () => number
  /** Spans so far. */
  acknowledged: () => number
}

/**
 * Sends spans over gRPC while `disturb` does its worst. Every request is repeated until it is acknowledged; in the end
 * every span that was acknowledged must be in the store, and nothing that was never sent.
 */
export async function loadWhile(
  disturb: (what: Disturbed) => Promise<void>,
  seed: number,
  batches: Partial<BatchLimits> = {},
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
  const client = new Client(receiver.grpcAddress, credentials.createInsecure())
  const identity = (bytes: Buffer) => bytes
  const exportOnce = (body: Buffer) =>
    new Promise<number>((resolve) => {
      client.makeUnaryRequest(TRACES, identity, identity, body, { deadline: Date.now() + 20_000 }, (error) =>
        resolve(error === null ? status.OK : error.code),
      )
    })

  let isOver = false
  let sent = 0
  let lost = 0
  const acknowledged = new Set<string>()
  const sender = async () => {
    while (!isOver) {
      const spans = sampleSpans(SPANS, 1 + sent * SPANS)
      sent++
      const body = Buffer.from(ProtobufTraceSerializer.serializeRequest(readableOf(spans))!)
      let code = await exportOnce(body)
      while (RETRYABLE.has(code)) {
        await pause(50)
        code = await exportOnce(body)
      }
      if (code === status.OK) for (const { spanId } of spans) acknowledged.add(spanId)
      else lost++
    }
  }
  const senders = Array.from({ length: SENDERS }, sender)
  try {
    await disturb({ engine, proxy, random: seeded(seed), acknowledged: () => acknowledged.size })
    await pause(500)
    isOver = true
    await Promise.all(senders)
    const answer = await store.client.query({
      query: 'SELECT DISTINCT SpanId AS id FROM otel_traces',
      format: 'JSONEachRow',
    })
    const stored = new Set((await answer.json<{ id: string }>()).map(({ id }) => id))
    return {
      sent,
      lost,
      acknowledged: acknowledged.size,
      missing: [...acknowledged].filter((id) => !stored.has(id)).length,
      unknown: [...stored].filter((id) => !acknowledged.has(id)).length,
    }
  } finally {
    isOver = true
    client.close()
    await receiver.stop(1000)
    await throughProxy.close()
    await store.close()
    await proxy.close()
    await engine.stop()
    await rm(directory, { recursive: true })
  }
}

/** kill -9 of the engine's process at random moments. */
export function killEngine(rounds: number): (what: Disturbed) => Promise<void> {
  return async ({ engine, random, acknowledged }) => {
    for (let round = 0; round < rounds; round++) {
      // The engine takes its time to come back if it is killed again and again: not before it is under load.
      const before = acknowledged()
      while (acknowledged() === before) await pause(20)
      await pause(1000 * random())
      const pid = engine.pid()
      if (pid === undefined) throw new Error('the engine died on its own')
      process.kill(pid, 'SIGKILL')
    }
  }
}

/** A store that answers 500, hangs, or closes connections, before or after it has done what it was asked. */
export function misbehave(rounds: number, eachMs: number): (what: Disturbed) => Promise<void> {
  return async ({ proxy }) => {
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

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
