import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeParts } from '../../src/receiver/native-block.ts'
import { createBlock, SPAN_COLUMNS, TRACE_COLUMNS } from '../../src/receiver/native-columns.ts'
import type { ReceiverHandle } from '../../src/receiver/server.ts'
import { isRefusal } from '../../src/receiver/sink.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { readNative } from './native-reader.ts'
import { openReceiver, stopReceivers } from './open-receiver.ts'
import { anySpan, readableOf, type SampleSpan, sampleSpans, traceRowOf } from './span-samples.ts'

/** Without the mark of rows that came through `received_spans`. */
const NAMES = TRACE_COLUMNS.map(({ name }) =>
  name === 'Flags' ? 'bitAnd(Flags, 3) AS Flags' : `\`${name}\``,
).join(', ')
const log = pino({ level: 'silent' })

let directory: string
let engine: Engine
let store: Store
let receiver: ReceiverHandle

/** The store's own table in the real engine: what we call Native, ClickHouse reads as Native. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longpole-receiver-'))
  engine = await startEngine({ dataDir: directory, host: '127.0.0.1', port: 0, log })
  store = openStore({
    ...{ url: engine.url, spool: engine.spool, database: 'spans' },
    ...{ retentionDays: 7, rollupRetentionDays: 7, log },
  })
  await store.migrate()
  await store.client.command({
    query: "ALTER TABLE otel_traces ADD CONSTRAINT named CHECK SpanName != 'bad'",
  })
  receiver = (await openReceiver({ sink: { insert: store.insertSpans } as never })).receiver
})

afterAll(async () => {
  await stopReceivers()
  await store.close()
  await engine.stop()
  await rm(directory, { recursive: true })
})

beforeEach(() => store.client.command({ query: 'TRUNCATE TABLE otel_traces' }))

async function send(spans: SampleSpan[]): Promise<unknown> {
  const response = await fetch(`http://${receiver.httpAddress}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf' },
    body: ProtobufTraceSerializer.serializeRequest(readableOf(spans))! as Uint8Array<ArrayBuffer>,
  })
  expect(response.status).toBe(200)
  const body = new Uint8Array(await response.arrayBuffer())
  return ProtobufTraceSerializer.deserializeResponse(body)
}

async function stored() {
  const bytes = await store.queryNative(`SELECT ${NAMES} FROM otel_traces`)
  const key = (row: object) => Object.values(row).slice(1, 3).join()
  return readNative(bytes).sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

describe('the real engine', () => {
  it('has the columns that are sent to it, by name and type', async () => {
    const answer = await store.client.query({ query: 'DESCRIBE TABLE received_spans', format: 'JSONEachRow' })
    const columns = await answer.json<{ name: string; type: string }>()
    const typeOf = new Map(columns.map(({ name, type }) => [name, type]))
    for (const { name, type } of SPAN_COLUMNS) expect(typeOf.get(name), name).toBe(type)
  })

  it('takes blocks with texts that no row has, of a request that was malformed', async () => {
    const [first, other] = [sampleSpans(3), sampleSpans(3, 10)].map(
      (spans) => ProtobufTraceSerializer.serializeRequest(readableOf(spans))!,
    )
    const named = sampleSpans(1, 20).map((span) => ({
      ...span,
      name: 'stray',
      attributes: { stray: 'stray' },
    }))
    const stray = ProtobufTraceSerializer.serializeRequest(readableOf(named))!
    const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
    const block = createBlock()
    const window = { earliestNs: 0, latestNs: Number.MAX_VALUE }
    decode(block, first!, window)
    expect(decode(block, Buffer.concat([stray, Buffer.from([0x0a, 0x7f])]), window).kind).toBe('malformed')
    decode(block, other!, window)
    const native = encodeParts(block)
    expect(Buffer.concat(native).includes('stray')).toBe(true)
    const columns = SPAN_COLUMNS.map(({ name }) => name)
    await store.insertSpans({ rows: 6, native, columns, token: 'stray' })
    const spans = [...sampleSpans(3), ...sampleSpans(3, 10)]
    expect((await stored()).map(({ SpanId }) => SpanId)).toEqual(spans.map(({ spanId }) => spanId))
  })

  it('stores every span as it was', async () => {
    const seed = Date.now() & 0x7fffffff
    const spans = fc.sample(anySpan, { numRuns: 300, seed })
    const batches = Array.from({ length: 10 }, (_, i) => spans.slice(30 * i, 30 * i + 30))
    await Promise.all(batches.map(send))
    const key = (row: object) => Object.values(row).slice(1, 3).join()
    expect(await stored(), `seed ${seed}`).toEqual(
      spans.map(traceRowOf).sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    )
  })

  it('rows it refuses are isolated, counted and reported, the others stored', async () => {
    const spans = sampleSpans(200)
    for (const i of [3, 4, 150]) spans[i]!.name = 'bad'
    expect(await send(spans)).toMatchObject({ partialSuccess: { rejectedSpans: 3 } })
    expect((await stored()).map((row) => row.SpanId)).toEqual(
      spans.filter(({ name }) => name !== 'bad').map(({ spanId }) => spanId),
    )
  })

  it('its complaints are told apart: the data, or the store', async () => {
    const errorOf = (query: string) =>
      store.client.command({ query }).then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(isRefusal(await errorOf("INSERT INTO otel_traces (SpanName) SELECT 'bad'"))).toBe(true)
    expect(isRefusal(await errorOf('INSERT INTO nowhere SELECT 1'))).toBe(false)
    await store.client.command({
      query: 'CREATE OR REPLACE TABLE daily (d Date) ENGINE = MergeTree PARTITION BY d ORDER BY d',
    })
    const manyDays = "INSERT INTO daily SELECT toDate('2025-01-01') + number FROM numbers(150)"
    expect(isRefusal(await errorOf(manyDays))).toBe(true)
  })
})
