/**
 * Ingest over gRPC into the embedded engine, acknowledged after the insert, load generator on the same machine; next
 * to it in the same run what one would write first (protobufjs, rows, JSONEachRow: an insert an export, or the same
 * batches), and the engine alone fed with ready-made Native blocks: the limit. Rounds of all parts, medians.
 *
 * Where others use the machine, too, throughput says little. CPU time says more: `2 cores` is what two of them would
 * carry, had they nothing else to do. (In a bench of seconds the engine's merges are for the most part still to come,
 * for every part alike.)
 *
 *   npm run bench:ingest -- [seconds a part] [rounds] [parts, as a regular expression]
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { pino } from 'pino'
import { startEngine } from '../../src/engine/start.ts'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock, SPAN_COLUMNS } from '../../src/receiver/native-columns.ts'
import { startReceiver } from '../../src/receiver/server.ts'
import type { SpanSink } from '../../src/receiver/sink.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { Load } from './ingest-load.ts'
import { startLoadGenerator } from './load-generator.ts'
import { exportRequests } from './otlp-requests.ts'
import { rowsOf } from './protobufjs-rows.ts'

const SHAPE = { spans: 512, attributes: 12, seed: 1 }
/** As many as batches have on the average, where exports come as fast as they are taken. */
const ROWS_A_BLOCK = 46_080
/** Requests under way: what fills an insert while another runs. */
const CONCURRENCY = 192
const COLUMNS = SPAN_COLUMNS.map(({ name }) => name)

type Figures = {
  spansPerSecond: number
  /** CPU microseconds a span. */
  receiver: number
  engine: number
  load: number
  /** On the average; NaN where it is not known. */
  rowsAnInsert: number
  p50Ms: number
  p99Ms: number
}

const PARTS: Record<string, () => Promise<Figures>> = {
  'engine alone, Native blocks': () => engineAlone(ROWS_A_BLOCK),
  'engine alone, blocks half as large': () => engineAlone(ROWS_A_BLOCK / 2),
  ours: () => withOurs({ gzip: false, concurrency: CONCURRENCY }),
  'without an engine: ours': () => withoutEngine({ gzip: false, concurrency: CONCURRENCY }),
  'without an engine: ours, gzip': () => withoutEngine({ gzip: true, concurrency: CONCURRENCY }),
  'ours, gzip': () => withOurs({ gzip: true, concurrency: CONCURRENCY }),
  'ours, fsync': () => withFsync(() => withOurs({ gzip: false, concurrency: CONCURRENCY })),
  'at 50k spans/s: ours': () => withOurs({ gzip: false, concurrency: 0, rate: 50_000 }),
  'protobufjs, JSONEachRow, an insert an export': () => withFirst(1, 8),
  'protobufjs, JSONEachRow, our batches': () => withFirst(20_000, 2),
}

const seconds = Number(process.argv[2] ?? 10)
const rounds = Number(process.argv[3] ?? 1)
const wanted = new RegExp(process.argv[4] ?? '')
/** Until the code is compiled, but no longer than this. */
const WARM_UP = { requests: 8000, seconds: 20 }
const log = pino({ level: 'warn' })
const directory = await mkdtemp(join(tmpdir(), 'longpole-bench-'))
const engine = await startEngine({ dataDir: directory, host: '127.0.0.1', port: 0, log })
const options = {
  ...{ url: engine.url, spool: engine.spool, database: 'bench' },
  ...{ retentionDays: 7, rollupRetentionDays: 7, log },
}
const store = openStore(options)
try {
  await store.migrate()
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}`)
  console.log(
    `${JSON.stringify(SHAPE)}, ${rounds} x ${seconds} s a part, load average ${loadavg()[0]!.toFixed(1)}`,
  )
  const measured = new Map<string, Figures[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(PARTS)) {
      if (!wanted.test(name)) continue
      measured.set(name, [...(measured.get(name) ?? []), await run()])
    }
  }
  report(measured)
} finally {
  await store.close()
  await engine.stop()
  await rm(directory, { recursive: true })
}

/** A table for test/bench/README.md. */
function report(measured: Map<string, Figures[]>): void {
  const columns = ['spansPerSecond', 'receiver', 'engine', 'load', 'rowsAnInsert', 'p50Ms', 'p99Ms'] as const
  const median = (list: number[]) => {
    list.sort((a, b) => a - b)
    return (list[(list.length - 1) >> 1]! + list[list.length >> 1]!) / 2
  }
  const medians = [...measured].map(([name, list]) => {
    const of = (column: (typeof columns)[number]) => median(list.map((figures) => figures[column]))
    const row = Object.fromEntries(columns.map((column) => [column, of(column)])) as Figures
    return { name, ...row, twoCores: 2e6 / (row.receiver + row.engine + row.load) }
  })
  const ours = medians.find(({ name }) => name === 'ours')
  console.log(
    '| | spans/s | ours x | CPU us/span: receiver | engine | load | 2 cores | ours x | rows an insert | p50 ms | p99 ms |',
  )
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|')
  for (const row of medians) {
    const { name, spansPerSecond, receiver, engine, load, rowsAnInsert, p50Ms, p99Ms, twoCores } = row
    const ratio = ((ours?.spansPerSecond ?? Number.NaN) / spansPerSecond).toFixed(2)
    const cpuRatio = ((ours?.twoCores ?? Number.NaN) / twoCores).toFixed(2)
    const cells = [
      ...[spansPerSecond.toFixed(0), ratio, receiver.toFixed(1), engine.toFixed(1), load.toFixed(1)],
      ...[twoCores.toFixed(0), cpuRatio, rowsAnInsert.toFixed(0), p50Ms.toFixed(0), p99Ms.toFixed(0)],
    ]
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
}

/** Ready-made blocks, two inserts at a time. */
async function engineAlone(rowsABlock: number): Promise<Figures> {
  await empty(store)
  const block = createBlock()
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
  for (const request of exportRequests({ requests: rowsABlock / SHAPE.spans, ...SHAPE })) {
    decode(block, request, { earliestNs: 0, latestNs: Number.MAX_VALUE })
  }
  const native = encodeBlock(block)
  const latenciesMs: number[] = []
  const startedAt = performance.now()
  const cpu = cpuClock()
  const loop = async (name: string) => {
    for (let i = 0; performance.now() - startedAt < seconds * 1000; i++) {
      const at = performance.now()
      await store.insertSpans({
        rows: rowsABlock,
        native: [native],
        columns: COLUMNS,
        token: `${name}-${startedAt}-${i}`,
      })
      latenciesMs.push(performance.now() - at)
    }
  }
  await Promise.all([loop('a'), loop('b')])
  const rows = rowsABlock * latenciesMs.length
  const spansPerSecond = rows / ((performance.now() - startedAt) / 1000)
  latenciesMs.sort((a, b) => a - b)
  const quantile = (q: number) => latenciesMs[Math.floor(q * (latenciesMs.length - 1))]!
  return {
    ...{ spansPerSecond, ...cpu(rows), load: 0, rowsAnInsert: rowsABlock },
    ...{ p50Ms: quantile(0.5), p99Ms: quantile(0.99) },
  }
}

/** Starts counting CPU time; the answer is called with the spans to divide it by. */
function cpuClock(): (spans: number) => { receiver: number; engine: number } {
  const own = process.cpuUsage()
  const before = engineCpuUs()
  return (spans) => {
    const { user, system } = process.cpuUsage(own)
    return { receiver: (user + system) / spans, engine: (engineCpuUs() - before) / spans }
  }
}

/** NaN where there is no /proc. Ticks are of 10 ms. */
function engineCpuUs(): number {
  const file = `/proc/${engine.pid()}/stat`
  if (!existsSync(file)) return Number.NaN
  const fields = readFileSync(file, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

async function withFsync(run: () => Promise<Figures>): Promise<Figures> {
  const set = async (fsync: boolean) => {
    const other = openStore({ ...options, fsync })
    await other.migrate()
    await other.close()
  }
  await set(true)
  const figures = await run()
  await set(false)
  return figures
}

type Sending = Pick<Load, 'gzip' | 'concurrency' | 'rate'>

async function withOurs(load: Sending, insert: SpanSink['insert'] = store.insertSpans) {
  await empty(store)
  const receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    sink: { insert },
    retentionDays: 7,
    log,
  })
  const inserts = () => receiver.counters.inserts
  const isStored = insert === store.insertSpans
  const result = await measure({ ...load, address: receiver.grpcAddress }, isStored, inserts)
  await receiver.stop(1000)
  return result
}

/**
 * Batches are taken at once and dropped, so that the receiver shares its core with the load generator alone: what it takes where
 * the engine has a core of its own.
 */
function withoutEngine(load: Sending): Promise<Figures> {
  return withOurs(load, async () => {})
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
  // As many as without batches can be served in a part's time.
  const result = await measure({ gzip: false, concurrency: 64, address: `127.0.0.1:${port}` })
  server.forceShutdown()
  return result
}

/** `inserts`: how many there have been. */
async function measure(
  load: Omit<Load, 'shape' | 'seconds'>,
  isStored = true,
  inserts = () => Number.NaN,
): Promise<Figures> {
  const generator = startLoadGenerator()
  await generator.run({ ...load, ...WARM_UP, shape: SHAPE })
  await empty(store)
  const insertsBefore = inserts()
  const cpu = cpuClock()
  const { acknowledged, failed, ...result } = await generator.run({ ...load, seconds, shape: SHAPE })
  const used = cpu(acknowledged)
  generator.stop()
  if (failed > 0) console.error(`${failed} requests failed`)
  const answer = await store.client.query({
    query: 'SELECT count() AS n FROM otel_traces',
    format: 'JSONEachRow',
  })
  const [{ n } = { n: 0 }] = await answer.json<{ n: string | number }>()
  if (isStored && Number(n) < acknowledged) throw new Error(`${acknowledged} acknowledged, ${n} stored`)
  return {
    spansPerSecond: acknowledged / result.seconds,
    ...used,
    load: (result.cpuMs * 1000) / acknowledged,
    rowsAnInsert: acknowledged / (inserts() - insertsBefore),
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
  }
}

async function empty({ client }: Store): Promise<void> {
  for (const table of ['otel_traces', 'otel_traces_trace_id_ts', 'spans_lean']) {
    await client.command({ query: `TRUNCATE TABLE ${table}` })
  }
}
