import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, status } from '@grpc/grpc-js'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { pino } from 'pino'
import { startEngine } from '../../src/engine/start.ts'
import { startReceiver } from '../../src/receiver/server.ts'
import { openStore } from '../../src/store/store.ts'
import { seeded } from '../bench/random.ts'
import { readableOf, sampleSpans } from './span-samples.ts'

const SPANS = 200
const SENDERS = 6
/** What a Collector repeats, too: anything else is a loss. */
const RETRYABLE = new Set<number>([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED, status.DEADLINE_EXCEEDED])
const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

export type KillResult = {
  sent: number
  lost: number
  acknowledged: number
  missing: number
  unknown: number
}

/**
 * Sends spans over gRPC while the engine's process is killed at random moments. Every request is repeated until it is
 * acknowledged; in the end every span that was acknowledged must be in the store, and nothing that was never sent.
 */
export async function killEngineUnderLoad(rounds: number, seed: number): Promise<KillResult> {
  const random = seeded(seed)
  const log = pino({ level: 'silent' })
  const directory = await mkdtemp(join(tmpdir(), 'longpole-kill-'))
  const engine = await startEngine({ dataDir: directory, host: '127.0.0.1', port: 0, log })
  const store = openStore({
    url: engine.url,
    database: 'kill',
    retentionDays: 7,
    rollupRetentionDays: 7,
    log,
  })
  await store.migrate()
  const receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    sink: { insert: store.insertSpans },
    retentionDays: 7,
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
    for (let round = 0; round < rounds; round++) {
      await pause(100 + 900 * random())
      // The engine takes its time to come back if it is killed again and again.
      while (engine.pid() === undefined) await pause(20)
      process.kill(engine.pid()!, 'SIGKILL')
    }
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
    await store.close()
    await engine.stop()
    await rm(directory, { recursive: true })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
