import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { writeBlock } from '../../src/store/native-writer.ts'
import type { Store } from '../../src/store/store.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { DETAIL_FIELDS, type DetailFields } from '../../src/trace/detail.ts'
import { SHAPE_SEPARATOR, shapeKeyOf } from '../../src/trace/shape.ts'
import { openTestStore, quiet, startTestEngine, type TestEngine } from '../support/store.ts'
import { phasesOf } from './phases.ts'
import { TRAFFIC } from './traffic.ts'

/**
 * The analyzer's whole cycle over spans that are stored already: `npx tsx test/bench/cycle.ts [traffic] [spans]...`
 * (traffic.ts; `requests` if not given). Read, assemble, learn, path, replay, write, rollup, with the embedded engine. CPU time is this process's and the engine's
 * together; other work on the machine adds little to it, unlike to the time on the clock. Phases are from a profile of
 * the main thread, which costs some per cent.
 */
const ARGUMENTS = process.argv.slice(2)
const NAME = ARGUMENTS[0] !== undefined && ARGUMENTS[0] in TRAFFIC ? ARGUMENTS.shift()! : 'requests'
const SIZES = ARGUMENTS.map(Number)
const COLUMN_NAMES = [
  ...['StoredAt', 'TraceHigh', 'TraceLow', 'SpanId', 'ParentId', 'StartNs', 'EndNs', 'Status', 'Shape'],
  ...['Detail', 'BodyBytes', 'ReturnedRows', 'ValueHash'],
]
/** Spans a block, stored a second apart. */
const BLOCK = 100_000

for (const spans of SIZES.length === 0 ? [100_000, 1_000_000] : SIZES) await bench(spans)

async function bench(spans: number): Promise<void> {
  const engine = await startTestEngine()
  // As in the service.
  const store = await openTestStore(engine.url, 7, engine.engine?.spool)
  const columns = TRAFFIC[NAME]!(spans)
  await storeSpans(store, columns)
  const parts: Record<string, number> = {}
  const analyzer = startAnalyzer({ store: timed(store, parts), settleSeconds: 0, log: quiet, loop: false })
  const started = performance.now()
  const [own, theirs] = cpuMs(engine)
  const phases = await phasesOf(() => analyzer.drain())
  const wallMs = performance.now() - started
  const [ownAfter, theirsAfter] = cpuMs(engine)
  const us = (ms: number) => `${((1000 * ms) / columns.count).toFixed(2)} us`
  console.log(
    `cycle: ${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; ${columns.count} spans of ${NAME}, ` +
      `${analyzer.counters.samples} samples, ${analyzer.counters.rollups} rollups written`,
  )
  console.log(
    `  a span: ${us(wallMs)} on the clock (${Math.round(columns.count / wallMs)}k spans/s), CPU ${us(ownAfter - own)} here, ` +
      `${us(theirsAfter - theirs)} in the engine`,
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

/** Straight into what the analyzer reads: the receiver and its view have a bench of their own. */
async function storeSpans(store: Store, columns: SpanColumns): Promise<void> {
  const keys: string[] = []
  const details: string[] = []
  const nowMs = Date.now()
  // Spans are of some minutes ago and before, whatever the generator's epoch.
  let lastNs = 0n
  for (let row = 0; row < columns.count; row++) {
    const endNs = epochNs(columns.end, row)
    if (endNs > lastNs) lastNs = endNs
  }
  const shiftNs = BigInt(nowMs - 60_000) * 1_000_000n - lastNs
  const blocks = Math.ceil(columns.count / BLOCK)
  for (let b = 0; b < blocks; b++) {
    const [from, to] = [b * BLOCK, Math.min(columns.count, (b + 1) * BLOCK)]
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
        values: new Array<bigint>(to - from).fill(BigInt(nowMs - 1000 * (blocks - b))),
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
    await store.insertBlock(`spans_lean (${COLUMN_NAMES.join(', ')})`, block, `block-${b}`)
  }
}

function epochNs(words: Uint32Array, row: number): bigint {
  return (BigInt(words[2 * row + 1]!) << 32n) | BigInt(words[2 * row]!)
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
  return {
    ...store,
    insertBlock: (table, native, token) => time(`insert ${table}`, store.insertBlock(table, native, token)),
    queryNative: (sql, params) =>
      time(`read ${/FROM\s+(\w+)/.exec(sql)?.[1]}`, store.queryNative(sql, params)),
  }
}

/** User and system time of this process, and of the engine's. */
function cpuMs({ engine }: TestEngine): [own: number, engine: number] {
  const { user, system } = process.cpuUsage()
  const pid = engine?.pid()
  const fields = pid === undefined ? [] : readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  // utime and stime are the 14th and 15th field, in ticks of 10 ms.
  return [(user + system) / 1000, 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0))]
}
