/**
 * Ingest over gRPC into the embedded engine, acknowledged after the insert, load generator on the same machine; next
 * to it in the same run what one would write first (protobufjs, rows, JSONEachRow, the same batches), and the engine
 * alone fed with ready-made Native blocks: the limit. Compare the ratios.
 *
 *   npx tsx test/bench/ingest.ts [seconds a part] [one part]
 */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { pino } from 'pino'
import { startEngine } from '../../src/engine/start.ts'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock, SPAN_COLUMNS } from '../../src/receiver/native-columns.ts'
import { startReceiver } from '../../src/receiver/server.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { Load, LoadResult } from './ingest-load.ts'
import { exportRequests } from './otlp-requests.ts'
import { rowsOf } from './protobufjs-rows.ts'

const SHAPE = { spans: 512, attributes: 12, seed: 1 }
const ROWS_A_BLOCK = 20_480
const COLUMNS = SPAN_COLUMNS.map(({ name }) => name)

const PARTS = {
  'engine alone': engineAlone,
  ours: () => withOurs({ gzip: false, concurrency: 64 }),
  'ours, gzip': () => withOurs({ gzip: true, concurrency: 64 }),
  'ours, 50k spans/s': () => withOurs({ gzip: false, concurrency: 0, rate: 50_000 }),
  'protobufjs, JSONEachRow, an insert an export': () => withFirst(1, 8),
  'protobufjs, JSONEachRow, shared inserts': () => withFirst(20_000, 2),
}
type Measured = Awaited<ReturnType<typeof measure>>

const seconds = Number(process.argv[2] ?? 10)
const only = process.argv[3]
const log = pino({ level: 'warn' })
const directory = await mkdtemp(join(tmpdir(), 'longpole-bench-'))
const engine = await startEngine({ dataDir: directory, host: '127.0.0.1', port: 0, log })
const store = openStore({ url: engine.url, database: 'bench', retentionDays: 7, rollupRetentionDays: 7, log })
try {
  await store.migrate()
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`)
  console.log(`${JSON.stringify(SHAPE)}, ${seconds} s a part`)
  const table: Record<string, Partial<Measured> & { spansPerSecond: number }> = {}
  for (const [name, run] of Object.entries(PARTS)) {
    if (only === undefined || only === name) table[name] = await run()
  }
  console.table(
    Object.fromEntries(
      Object.entries(table).map(([name, row]) => [
        name,
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value.toFixed(2))])),
      ]),
    ),
  )
  const ours = table.ours?.spansPerSecond ?? Number.NaN
  for (const [name, { spansPerSecond }] of Object.entries(table)) {
    console.log(`ours / ${name}: ${(ours / spansPerSecond).toFixed(2)}`)
  }
} finally {
  await store.close()
  await engine.stop()
  await rm(directory, { recursive: true })
}

/** Ready-made blocks, two inserts at a time. */
async function engineAlone(): Promise<{ spansPerSecond: number }> {
  await empty(store)
  const block = createBlock()
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
  for (const request of exportRequests({ requests: ROWS_A_BLOCK / SHAPE.spans, ...SHAPE })) {
    decode(block, request, { earliestNs: 0, latestNs: Number.MAX_VALUE })
  }
  const native = encodeBlock(block)
  let rows = 0
  const startedAt = performance.now()
  const loop = async (name: string) => {
    for (let i = 0; performance.now() - startedAt < seconds * 1000; i++) {
      await store.insertSpans({ rows: ROWS_A_BLOCK, native, columns: COLUMNS, token: `${name}-${i}` })
      rows += ROWS_A_BLOCK
    }
  }
  await Promise.all([loop('a'), loop('b')])
  return { spansPerSecond: rows / ((performance.now() - startedAt) / 1000) }
}

async function withOurs(load: Pick<Load, 'gzip' | 'concurrency' | 'rate'>) {
  await empty(store)
  const receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    sink: { insert: store.insertSpans },
    retentionDays: 7,
    log,
  })
  const result = await measure({ ...load, address: receiver.grpcAddress })
  await receiver.stop(1000)
  return result
}

/** grpc-js as it comes, protobufjs, row objects, JSONEachRow; an insert once there are so many rows, or at 100 ms. */
async function withFirst(rowsAnInsert: number, concurrentInserts: number) {
  await empty(store)
  let rows: Record<string, unknown>[] = []
  let waiting: (() => void)[] = []
  let running = 0
  let timer: NodeJS.Timeout | undefined
  const flush = async () => {
    clearTimeout(timer)
    timer = undefined
    const values = rows
    const callbacks = waiting
    rows = []
    waiting = []
    running++
    await store.client.insert({ table: 'otel_traces', values, format: 'JSONEachRow' })
    running--
    for (const callback of callbacks) callback()
    if (rows.length > 0) timer ??= setTimeout(flush, 1)
  }
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 })
  const identity = (bytes: Buffer) => bytes
  server.addService(
    {
      Export: {
        path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    {
      Export: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        for (const row of rowsOf(call.request)) rows.push(row)
        waiting.push(() => callback(null, Buffer.alloc(0)))
        if (rows.length >= rowsAnInsert && running < concurrentInserts) void flush()
        else timer ??= setTimeout(flush, 100)
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const result = await measure({ gzip: false, concurrency: 64, address: `127.0.0.1:${port}` })
  server.forceShutdown()
  return result
}

async function measure(load: Omit<Load, 'shape' | 'seconds'>) {
  const cpuBefore = process.cpuUsage()
  const result = await runLoad({ ...load, seconds, shape: SHAPE })
  const { user, system } = process.cpuUsage(cpuBefore)
  if (result.failed > 0) console.error(`${result.failed} requests failed`)
  const stored = await store.client.query({
    query: 'SELECT count() AS n FROM otel_traces',
    format: 'JSONEachRow',
  })
  const [{ n } = { n: 0 }] = await stored.json<{ n: string | number }>()
  if (Number(n) < result.acknowledged) throw new Error(`${result.acknowledged} acknowledged, ${n} stored`)
  return {
    spansPerSecond: result.acknowledged / result.seconds,
    cpuUsPerSpan: (user + system) / result.acknowledged,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
  }
}

function runLoad(load: Load): Promise<LoadResult> {
  const file = fileURLToPath(new URL('./ingest-load.ts', import.meta.url))
  const child = fork(file, { execArgv: ['--import', import.meta.resolve('tsx')] })
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as LoadResult))
    child.once('error', reject)
    child.once('exit', (code) => code !== 0 && reject(new Error(`the load generator ended with ${code}`)))
    child.send(load)
  })
}

async function empty({ client }: Store): Promise<void> {
  for (const table of ['otel_traces', 'otel_traces_trace_id_ts', 'spans_lean']) {
    await client.command({ query: `TRUNCATE TABLE ${table}` })
  }
}
