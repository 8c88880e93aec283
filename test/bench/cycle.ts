import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { writeBlock } from '../../src/store/native-writer.ts'
import type { Store } from '../../src/store/store.ts'
import { appendRows, createColumns, epochNs, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { DETAIL_FIELDS, type DetailFields } from '../../src/trace/detail.ts'
import type { Dictionary } from '../../src/trace/dictionary.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { SHAPE_SEPARATOR, shapeKeyOf } from '../../src/trace/shape.ts'
import { openTestStore, quiet, startTestEngine, type TestEngine } from '../support/store.ts'
import { phasesOf } from './phases.ts'
import { TRAFFIC } from './traffic.ts'

/**
 * The analyzer's whole cycle over spans that are stored already: `npx tsx test/bench/cycle.ts [traffic] [spans]...`
 * (traffic.ts; `requests` if not given). Read, assemble, learn, path, replay, write, rollup, with the embedded engine. CPU time is this process's and the engine's
 * together; other work on the machine adds little to it, unlike to the time on the clock. Phases are from a profile of
 * the main thread, which costs some per cent; other threads compile functions and collect garbage. WARM=1000000: so many
 * spans are analyzed before, and not counted: to compile takes some seconds of each process.
 */
const ARGUMENTS = process.argv.slice(2)
const NAME = ARGUMENTS[0] !== undefined && ARGUMENTS[0] in TRAFFIC ? ARGUMENTS.shift()! : 'requests'
const SIZES = ARGUMENTS.map(Number)
const COLUMN_NAMES = [
  ...['StoredAt', 'TraceHigh', 'TraceLow', 'SpanId', 'ParentId', 'StartNs', 'EndNs', 'Status', 'Shape'],
  ...['Detail', 'BodyBytes', 'ReturnedRows', 'ValueHash'],
]
const WARM = Number(process.env.WARM ?? 0)
/** Spans a block. */
const BLOCK = 100_000

for (const spans of SIZES.length === 0 ? [100_000, 1_000_000] : SIZES) await bench(spans)

async function bench(spans: number): Promise<void> {
  const engine = await startTestEngine()
  // As in the service.
  const store = await openTestStore(engine.url, 7, engine.engine?.spool)
  const made = TRAFFIC[NAME]!(spans + WARM)
  const columns = WARM > 0 ? byTrace(made) : made
  const warm = WARM === 0 ? 0 : endOfTrace(columns, WARM)
  const count = columns.count - warm
  const parts: Record<string, number> = {}
  const analyzer = startAnalyzer({ store: timed(store, parts), settleSeconds: 0, log: quiet, loop: false })
  const shiftNs = BigInt(Date.now() - 60_000) * 1_000_000n - lastEndNs(columns)
  if (warm > 0) {
    await storeSpans(store, columns, 0, warm, shiftNs)
    await analyzer.drain()
    for (const part of Object.keys(parts)) delete parts[part]
  }
  await storeSpans(store, columns, warm, columns.count, shiftNs)
  await merged(store)
  const before = { samples: analyzer.counters.samples, rollups: analyzer.counters.rollups }
  const started = performance.now()
  const [own, theirs, main] = cpuMs(engine)
  const phases = await phasesOf(() => analyzer.drain())
  const wallMs = performance.now() - started
  const [ownAfter, theirsAfter, mainAfter] = cpuMs(engine)
  const us = (ms: number) => `${((1000 * ms) / count).toFixed(2)} us`
  const analyzed = await analyzedRows(store)
  if (analyzed !== columns.count) throw new Error(`${columns.count} spans stored, ${analyzed} analyzed`)
  console.log(
    `cycle: ${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${count} spans of ${NAME}` +
      `${warm > 0 ? ` after ${warm}` : ''}, ${analyzer.counters.samples - before.samples} samples, ` +
      `${analyzer.counters.rollups - before.rollups} rollups written`,
  )
  console.log(
    `  a span: ${us(wallMs)} on the clock (${Math.round(count / wallMs)}k spans/s), CPU ${us(ownAfter - own)} here, ` +
      `of it ${us(mainAfter - main)} this thread, ${us(theirsAfter - theirs)} in the engine`,
  )
  const perSpan = [...phases].sort((a, b) => b[1] - a[1]).map(([phase, ms]) => `${phase} ${us(ms)}`)
  console.log(`  of this thread: ${perSpan.join(', ')}`)
  const withoutMs = ownAfter - own - phases.get('findings')!
  console.log(
    `  CPU without findings: ${us(withoutMs)} here, with: ${((ownAfter - own) / withoutMs).toFixed(2)}x`,
  )
  for (const [part, ms] of Object.entries(parts).sort((a, b) => b[1] - a[1]))
    console.log(`  waited for ${part}: ${us(ms)}`)
  const sizes = await store.client.query({
    query: `SELECT table, sum(rows) AS rows, sum(data_compressed_bytes) AS bytes FROM system.parts
            WHERE database = currentDatabase() AND active GROUP BY table ORDER BY bytes DESC`,
    format: 'JSONEachRow',
  })
  for (const { table, ...of } of await sizes.json<{ table: string; rows: string; bytes: string }>()) {
    const [rows, bytes] = [String(of.rows), Number(of.bytes)]
    if (bytes < 10_000) continue
    console.log(
      `  ${table.padEnd(16)} ${rows.padStart(9)} rows, ${(bytes / Number(rows)).toFixed(0).padStart(5)} bytes each, ` +
        `${(bytes / columns.count).toFixed(1)} bytes a span`,
    )
  }
  await store.close()
  await engine.stop()
}

function detailKeyOf(fields: DetailFields): string {
  return DETAIL_FIELDS.map((field) => fields[field]).join(SHAPE_SEPARATOR)
}

/** The spans of a trace together, in the order of the traces' first. */
function byTrace(spans: SpanColumns): SpanColumns {
  const { count, first, rows } = groupByTrace(spans)
  const begin = (trace: number) => rows[first[trace]!]!
  const traces = Array.from({ length: count }, (_, trace) => trace).sort((a, b) => begin(a) - begin(b))
  const sorted = createColumns(spans.dictionary as Dictionary, spans.count)
  for (const trace of traces) appendRows(sorted, spans, rows.subarray(first[trace]!, first[trace + 1]!))
  return sorted
}

/** The first row from `row` on that is of another trace than the one before. */
function endOfTrace(spans: SpanColumns, row: number): number {
  while (row < spans.count && traceIdHex(spans, row) === traceIdHex(spans, row - 1)) row++
  return row
}

function lastEndNs(columns: SpanColumns): bigint {
  let lastNs = 0n
  for (let row = 0; row < columns.count; row++) {
    const endNs = epochNs(columns.end, row)
    if (endNs > lastNs) lastNs = endNs
  }
  return lastNs
}

/**
 * Rows [first, last), straight into what the analyzer reads: the receiver and its view have a bench of their own. Spans
 * are of some minutes ago and before (`shiftNs`), whatever the generator's epoch.
 */
async function storeSpans(
  store: Store,
  columns: SpanColumns,
  first: number,
  last: number,
  shiftNs: bigint,
): Promise<void> {
  const keys: string[] = []
  const details: string[] = []
  const blocks = Math.ceil((last - first) / BLOCK)
  for (let b = 0; b < blocks; b++) {
    const [from, to] = [first + b * BLOCK, Math.min(last, first + (b + 1) * BLOCK)]
    const words = (column: Uint32Array) => column.slice(2 * from, 2 * to)
    const times = (column: Uint32Array) => {
      const values = BigUint64Array.from({ length: to - from }, (_, i) => epochNs(column, from + i) + shiftNs)
      return new Uint32Array(values.buffer)
    }
    const shapes = Array.from({ length: to - from }, (_, i) => {
      const shape = columns.shape[from + i]!
      return (keys[shape] ??= shapeKeyOf(columns.dictionary.fields(shape)))
    })
    const detailKeys = Array.from({ length: to - from }, (_, i) => {
      const detail = columns.detail[from + i]!
      return (details[detail] ??= detailKeyOf(columns.dictionary.details.fields(detail)))
    })
    const block = writeBlock(to - from, [
      {
        name: 'StoredAt',
        type: 'DateTime64(3)',
        values: new Array<bigint>(to - from).fill(BigInt(Date.now())),
      },
      { name: 'TraceHigh', type: 'UInt64', words: words(columns.traceHigh) },
      { name: 'TraceLow', type: 'UInt64', words: words(columns.traceLow) },
      { name: 'SpanId', type: 'UInt64', words: words(columns.spanId) },
      { name: 'ParentId', type: 'UInt64', words: words(columns.parentId) },
      { name: 'StartNs', type: 'UInt64', words: times(columns.start) },
      { name: 'EndNs', type: 'UInt64', words: times(columns.end) },
      { name: 'Status', type: 'UInt8', values: columns.status.subarray(from, to) },
      { name: 'Shape', type: 'String', values: shapes },
      { name: 'Detail', type: 'String', values: detailKeys },
      { name: 'BodyBytes', type: 'UInt32', values: columns.bodyBytes.subarray(from, to) },
      { name: 'ReturnedRows', type: 'UInt32', values: columns.returnedRows.subarray(from, to) },
      { name: 'ValueHash', type: 'UInt32', values: columns.valueHash.subarray(from, to) },
    ])
    await store.insertBlock(`spans_lean (${COLUMN_NAMES.join(', ')})`, block, `block-${from}`)
  }
}

/** Waits until nothing is merged: what the spans just stored cost the engine is the receiver's. */
async function merged({ client }: Store): Promise<void> {
  for (let idle = 0; idle < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    const answer = await client.query({
      query: 'SELECT count() AS merges FROM system.merges',
      format: 'JSONEachRow',
    })
    const [{ merges } = { merges: '0' }] = await answer.json<{ merges: string }>()
    idle = Number(merges) === 0 ? idle + 1 : 0
  }
}

async function analyzedRows({ client }: Store): Promise<number> {
  const answer = await client.query({
    query: 'SELECT sum(RowCount) AS n FROM analyzed_traces FINAL',
    format: 'JSONEachRow',
  })
  const [{ n } = { n: '0' }] = await answer.json<{ n: string }>()
  return Number(n)
}

/** The store, with the time that each of its parts took added up. */
function timed(store: Store, parts: Record<string, number>): Store {
  const time = async <T>(part: string, work: Promise<T>): Promise<T> => {
    const started = performance.now()
    try {
      return await work
    } finally {
      parts[part] = (parts[part] ?? 0) + performance.now() - started
    }
  }
  const tableOf = (sql: string) => /FROM\s+(\w+)/.exec(sql)?.[1]
  return {
    ...store,
    insertBlock: (table, native, token) => time(`insert ${table}`, store.insertBlock(table, native, token)),
    queryNative: (sql, params) => time(`read ${tableOf(sql)}`, store.queryNative(sql, params)),
    queryLarge: (sql, params, take) => time(`read ${tableOf(sql)}`, store.queryLarge(sql, params, take)),
  }
}

/** User and system time of this process, of the engine's, and of this thread. */
function cpuMs({ engine }: TestEngine): [own: number, engine: number, main: number] {
  const { user, system } = process.cpuUsage()
  const pid = engine?.pid()
  const main = ticksMs(`/proc/self/task/${process.pid}/stat`)
  return [(user + system) / 1000, pid === undefined ? 0 : ticksMs(`/proc/${pid}/stat`), main]
}

/** utime and stime are the 14th and 15th field, in ticks of 10 ms. */
function ticksMs(file: string): number {
  const fields = readFileSync(file, 'utf8').split(') ')[1]!.split(' ')
  return 10 * (Number(fields[11]) + Number(fields[12]))
}
