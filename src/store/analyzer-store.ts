import type { SpanColumns } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { decodeLeanSpans, LEAN_COLUMNS } from './lean-spans.ts'
import type { SampleKey } from './samples-block.ts'
import type { Store } from './store.ts'

/** A trace with spans that no analysis has seen. */
export type WaitingTrace = {
  traceId: string
  /** Of the unseen spans. */
  firstStoredMs: number
  lastStoredMs: number
  rowCount: number
  hasRoot: boolean
  /** Earlier analyses of it, 0: none. */
  analyses: number
  /** What the earlier analyses were made from. */
  knownFirstStoredMs: number
  knownRowCount: number
}

/** Trace ids that fit well into one statement. */
const IDS_AT_ONCE = 2000

/** Hex of the two halves, as the ids are written everywhere else. */
const TRACE_ID = `lower(concat(leftPad(hex(TraceHigh), 16, '0'), leftPad(hex(TraceLow), 16, '0')))`

const time = (ms: number) => `fromUnixTimestamp64Milli(toInt64(${Math.floor(ms)}))`

/** The store's clock, by which StoredAt counts. */
export async function readClock(store: Store): Promise<number> {
  const rows = await store.client.query({
    query: 'SELECT toUnixTimestamp64Milli(now64(3)) AS now',
    format: 'JSONEachRow',
  })
  return Number((await rows.json<{ now: string }>())[0]!.now)
}

/** Rows stored in (fromMs, toMs], by minute. */
export async function countStored(
  store: Store,
  fromMs: number,
  toMs: number,
): Promise<{ minuteMs: number; rows: number }[]> {
  const answer = await store.client.query({
    query: `
      SELECT toUnixTimestamp(toStartOfMinute(StoredAt)) AS minute, count() AS rows FROM spans_lean
      WHERE StoredAt > ${time(fromMs)} AND StoredAt <= ${time(toMs)}
      GROUP BY minute ORDER BY minute`,
    format: 'JSONEachRow',
  })
  const rows = await answer.json<{ minute: number; rows: string }>()
  return rows.map(({ minute, rows }) => ({ minuteMs: minute * 1000, rows: Number(rows) }))
}

/** Rows by the time they were stored at, in (fromMs, toMs]: one value an insert. */
export async function countBlocks(store: Store, fromMs: number, toMs: number): Promise<Map<number, number>> {
  const answer = await store.client.query({
    query: `
      SELECT toUnixTimestamp64Milli(StoredAt) AS ms, count() AS rows FROM spans_lean
      WHERE StoredAt > ${time(fromMs)} AND StoredAt <= ${time(toMs)}
      GROUP BY StoredAt`,
    format: 'JSONCompactEachRow',
  })
  const rows = await answer.json<[ms: string, rows: string]>()
  return new Map(rows.map(([ms, count]) => [Number(ms), Number(count)]))
}

/**
 * Traces of the spans stored in (fromMs, toMs], and at the times `late`. `onlyUnseen`: without those that an analysis
 * has seen whole, as far as can be told from these spans.
 */
export async function listWaiting(
  store: Store,
  {
    fromMs,
    toMs,
    late,
    onlyUnseen,
  }: { fromMs: number; toMs: number; late: readonly number[]; onlyUnseen: boolean },
): Promise<WaitingTrace[]> {
  const answer = await store.client.query({
    query: `
      WITH stored AS (
        SELECT TraceHigh, TraceLow, min(StoredAt) AS First, max(StoredAt) AS Last, count() AS Rows,
               max(ParentId = 0) AS HasRoot
        FROM spans_lean
        WHERE (StoredAt > ${time(fromMs)} AND StoredAt <= ${time(toMs)})
           ${late.length > 0 ? `OR StoredAt IN (${late.map(time).join(', ')})` : ''}
        GROUP BY TraceHigh, TraceLow)
      SELECT ${TRACE_ID} AS traceId,
             toUnixTimestamp64Milli(s.First) AS firstStoredMs, toUnixTimestamp64Milli(s.Last) AS lastStoredMs,
             s.Rows AS rowCount, s.HasRoot AS hasRoot, a.Analyses AS analyses,
             toUnixTimestamp64Milli(a.FirstStored) AS knownFirstStoredMs, a.RowCount AS knownRowCount
      FROM stored AS s
      LEFT JOIN (
        SELECT TraceHigh, TraceLow, FirstStored, LastStored, RowCount, Analyses FROM analyzed_traces FINAL
        WHERE (TraceHigh, TraceLow) IN (SELECT TraceHigh, TraceLow FROM stored)) AS a
      ON s.TraceHigh = a.TraceHigh AND s.TraceLow = a.TraceLow
      ${onlyUnseen ? 'WHERE a.Analyses = 0 OR s.Last > a.LastStored OR s.Rows > a.RowCount OR s.First > a.FirstStored' : ''}`,
    format: 'JSONEachRow',
  })
  const rows = await answer.json<Record<keyof WaitingTrace, string | number>>()
  return rows.map((row) => ({
    traceId: String(row.traceId),
    firstStoredMs: Number(row.firstStoredMs),
    lastStoredMs: Number(row.lastStoredMs),
    rowCount: Number(row.rowCount),
    hasRoot: Number(row.hasRoot) === 1,
    analyses: Number(row.analyses),
    knownFirstStoredMs: Number(row.knownFirstStoredMs),
    knownRowCount: Number(row.knownRowCount),
  }))
}

/** Traces that have samples newer than every analysis that was finished: one that was cut short wrote them. */
export async function listTorn(store: Store): Promise<string[]> {
  const answer = await store.client.query({
    query: 'SELECT DISTINCT TraceId FROM samples WHERE Version > (SELECT max(Version) FROM analyzed_traces)',
    format: 'JSONEachRow',
  })
  return (await answer.json<{ TraceId: string }>()).map((row) => row.TraceId)
}

/** The highest version of anything the analyzer wrote. */
export async function readLastVersion(store: Store): Promise<number> {
  const answer = await store.client.query({
    query: `SELECT max(v) AS version FROM (
      SELECT max(Version) AS v FROM samples UNION ALL
      SELECT max(Version) AS v FROM analyzed_traces UNION ALL
      SELECT max(Version) AS v FROM analyzer_state)`,
    format: 'JSONEachRow',
  })
  return Number((await answer.json<{ version: string }>())[0]!.version)
}

/** Trace ids in hex, both included. */
export type IdRange = { first: string; last: string }

/**
 * Lean spans stored in (fromMs, toMs], of traces in a range of ids, or of one trace in `share`. `before`: spans that nobody
 * needs any more; their memory is used again.
 */
export async function readStored(
  store: Store,
  dictionary: Dictionary,
  window: { fromMs: number; toMs: number; ids?: IdRange | undefined; share?: number },
  before?: SpanColumns,
): Promise<SpanColumns> {
  const { fromMs, toMs, ids, share = 1 } = window
  return store.queryLarge(
    `SELECT ${LEAN_COLUMNS} FROM spans_lean
    WHERE StoredAt > ${time(fromMs)} AND StoredAt <= ${time(toMs)}
    ${ids === undefined ? '' : `AND ${isWithin(ids)}`}
    ${share > 1 ? `AND TraceLow % ${share} = 0` : ''}`,
    {},
    (answer) => decodeLeanSpans(answer, dictionary, before),
  )
}

/** The first condition is one that the order of the table answers. */
function isWithin({ first, last }: IdRange): string {
  const [high, low] = halvesOf(first)
  const [lastHigh, lastLow] = halvesOf(last)
  return `TraceHigh BETWEEN ${high} AND ${lastHigh}
    AND (TraceHigh > ${high} OR TraceLow >= ${low}) AND (TraceHigh < ${lastHigh} OR TraceLow <= ${lastLow})`
}

function halvesOf(traceId: string): [high: string, low: string] {
  return [`0x${traceId.slice(0, 16)}`, `0x${traceId.slice(16)}`]
}

/** Lean spans of some traces stored from `fromMs` on, the first `limit` of them. */
export async function readTraces(
  store: Store,
  dictionary: Dictionary,
  traceIds: readonly string[],
  fromMs: number,
  limit: number,
): Promise<SpanColumns> {
  const ids = traceIds.map((id) => `(${halvesOf(id).join(', ')})`).join(', ')
  return store.queryLarge(
    `SELECT ${LEAN_COLUMNS} FROM spans_lean
    WHERE StoredAt >= ${time(fromMs)} AND (TraceHigh, TraceLow) IN (${ids})
    ${Number.isFinite(limit) ? `ORDER BY StoredAt, SpanId LIMIT ${limit}` : ''}`,
    {},
    (answer) => decodeLeanSpans(answer, dictionary),
  )
}

/** Keys of the samples that earlier analyses of these traces gave. */
export async function readSampleKeys(store: Store, traceIds: readonly string[]): Promise<SampleKey[]> {
  const keys: SampleKey[] = []
  for (let from = 0; from < traceIds.length; from += IDS_AT_ONCE) {
    const ids = traceIds.slice(from, from + IDS_AT_ONCE).map((id) => `'${id}'`)
    const answer = await store.client.query({
      query: `
        SELECT Environment, Namespace, Service, Operation, Scope, TraceId, SpanId,
               toString(toUnixTimestamp64Nano(Start)) AS StartNs
        FROM samples FINAL WHERE TraceId IN (${ids.join(', ')})`,
      format: 'JSONEachRow',
    })
    keys.push(...(await answer.json<SampleKey>()))
  }
  return keys
}

/** Operations that endpoints have been stored under, by service. */
export async function readOperations(store: Store): Promise<{ Service: string; Operation: string }[]> {
  const answer = await store.client.query({
    query: 'SELECT DISTINCT Service, Operation FROM samples',
    format: 'JSONEachRow',
  })
  return answer.json()
}

export async function readState(store: Store, name: string): Promise<string | undefined> {
  const answer = await store.client.query({
    query: 'SELECT Value FROM analyzer_state FINAL WHERE Name = {name:String}',
    query_params: { name },
    format: 'JSONEachRow',
  })
  return (await answer.json<{ Value: string }>())[0]?.Value
}

export type AnalyzerState = { Name: string; Value: string; Version: string }

/** A few rows take the store as long as one. */
export async function writeStates(store: Store, values: readonly AnalyzerState[]): Promise<void> {
  await store.client.insert({ table: 'analyzer_state', values, format: 'JSONEachRow' })
}

export function writeState(store: Store, name: string, value: string, version: number): Promise<void> {
  return writeStates(store, [stateOf(name, value, version)])
}

export function stateOf(name: string, value: string, version: number): AnalyzerState {
  return { Name: name, Value: value, Version: String(version) }
}
