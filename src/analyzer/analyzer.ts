import type { Logger } from 'pino'
import { analyzeSpans } from '../analysis/analyze.ts'
import type { Analysis } from '../analysis/result.ts'
import {
  countStored,
  listWaiting,
  readClock,
  readOperations,
  readSampleKeys,
  readState,
  readStored,
  readTraces,
  type WaitingTrace,
  writeState,
} from '../store/analyzer-store.ts'
import { samplesBlock, segmentsBlock, tracesBlock } from '../store/results.ts'
import type { Store } from '../store/store.ts'
import { appendRows, createColumns, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import { createDictionary, type Dictionary } from '../trace/dictionary.ts'
import { groupByTrace } from '../trace/group.ts'
import { REPAIR_KINDS, type RepairKind } from '../trace/repair.ts'
import { createEndpointNames, type EndpointNames } from './endpoint-names.ts'
import { readinessOf } from './settling.ts'

/** Windows reach back this far behind the cursor: longer than the slowest insert takes to become visible. */
const OVERLAP_MS = 60_000
/** Rows analyzed at once, and rows looked through at once when there is a backlog. */
const ROWS_AT_ONCE = 500_000
const BACKLOG_ROWS = 2_000_000
/** Spans of one trace that are analyzed. */
export const LARGEST_TRACE = 1_000_000
/** Pause between cycles. */
const CYCLE_MS = 1000
/** Shapes after which the dictionary starts anew: some instrumentation makes names without end. */
const SHAPES_KEPT = 200_000
const CURSOR = 'cursor'

export type AnalyzerCounters = {
  traces: number
  spans: number
  samples: number
  repairs: Record<RepairKind, number>
  /** Samples stored under `(other)` because their service has too many endpoints. */
  cappedEndpoints: number
  /** Traces of which something was left out. */
  flagged: number
  cycles: number
  failures: number
  /** Age of the oldest span that waits for its analysis. */
  lagSeconds: number
}

export type AnalyzerHandle = {
  counters: AnalyzerCounters
  /** One cycle; returns how many traces were analyzed and how many still wait. */
  runOnce(): Promise<{ analyzed: number; waiting: number }>
  /** Runs until nothing waits. */
  drain(): Promise<void>
  stop(): Promise<void>
}

/**
 * The batch loop: traces that have been quiet for `settleSeconds` are read, analyzed and their results written. The
 * cursor moves only when results are stored, and everything may be done twice, so a crash anywhere is made good by the
 * next cycle.
 */
export function startAnalyzer(options: {
  store: Store
  settleSeconds: number
  log: Logger
  /** false: only `runOnce` and `drain` work, for tests. */
  loop?: boolean
}): AnalyzerHandle {
  const { store, log } = options
  const settleMs = options.settleSeconds * 1000
  const counters: AnalyzerCounters = {
    traces: 0,
    spans: 0,
    samples: 0,
    repairs: Object.fromEntries(REPAIR_KINDS.map((kind) => [kind, 0])) as Record<RepairKind, number>,
    cappedEndpoints: 0,
    flagged: 0,
    cycles: 0,
    failures: 0,
    lagSeconds: 0,
  }
  let dictionary = createDictionary()
  let names: EndpointNames | undefined
  let cursorMs: number | undefined
  let lastVersion = 0
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  // One cycle at a time, whoever asks.
  let turn: Promise<unknown> = Promise.resolve()

  const runOnce = () => {
    const next = turn.then(cycle)
    turn = next.catch(() => {})
    return next
  }
  const loop = async () => {
    let busy = false
    try {
      busy = (await runOnce()).analyzed > 0
    } catch (error) {
      counters.failures++
      if (!stopped) log.warn({ err: error }, 'analysis cycle failed, it is repeated')
    }
    if (!stopped) timer = setTimeout(loop, busy ? 0 : CYCLE_MS)
  }
  if (options.loop ?? true) timer = setTimeout(loop, 0)

  return {
    counters,
    runOnce,
    async drain() {
      for (;;) {
        const { analyzed, waiting } = await runOnce()
        if (waiting === 0 && analyzed === 0) return
        if (analyzed === 0)
          await new Promise((resolve) => setTimeout(resolve, Math.min(CYCLE_MS, settleMs || 50)))
      }
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turn
    },
  }

  async function cycle(): Promise<{ analyzed: number; waiting: number }> {
    names ??= createEndpointNames(await readOperations(store))
    cursorMs ??= Number((await readState(store, CURSOR)) ?? 0)
    if (dictionary.shapeCount > SHAPES_KEPT) dictionary = createDictionary()
    const nowMs = await readClock(store)
    const fromMs = Math.max(0, cursorMs - OVERLAP_MS)
    const { toMs, rows } = await windowEnd(fromMs, nowMs)
    const ready: WaitingTrace[] = []
    const flags = new Map<string, string>()
    let waiting = 0
    let nextMs = toMs
    for (const trace of rows === 0 ? [] : await listWaiting(store, fromMs, toMs)) {
      const readiness = readinessOf(trace, nowMs, settleMs)
      if (readiness === 'waiting') {
        waiting++
        nextMs = Math.min(nextMs, trace.firstStoredMs - 1)
        continue
      }
      if (readiness === 'unfinished') flags.set(trace.traceId, 'unfinished')
      ready.push(trace)
    }
    if (ready.length > 0) await analyzeReady(ready, flags, { fromMs, toMs, rows })
    if (nextMs > cursorMs && (ready.length > 0 || nextMs - cursorMs > OVERLAP_MS / 2)) {
      await writeState(store, CURSOR, String(nextMs), versionNow())
      cursorMs = nextMs
    }
    counters.cycles++
    counters.lagSeconds = waiting === 0 ? 0 : Math.max(0, nowMs - nextMs) / 1000
    return { analyzed: ready.length, waiting: toMs < nowMs ? Math.max(1, waiting) : waiting }
  }

  /** As far as one cycle looks: to now, or less where there is a backlog. */
  async function windowEnd(fromMs: number, nowMs: number): Promise<{ toMs: number; rows: number }> {
    let rows = 0
    for (const minute of await countStored(store, fromMs, nowMs)) {
      rows += minute.rows
      const endMs = minute.minuteMs + 60_000
      // Never less than the overlap, or the cursor could stand still.
      if (rows > BACKLOG_ROWS && endMs > fromMs + 2 * OVERLAP_MS && endMs < nowMs)
        return { toMs: endMs, rows }
    }
    return { toMs: nowMs, rows }
  }

  async function analyzeReady(
    ready: readonly WaitingTrace[],
    flags: Map<string, string>,
    window: { fromMs: number; toMs: number; rows: number },
  ): Promise<void> {
    // Traces that lie wholly in the window are read with it; others (late spans) and giants one by one.
    const inWindow = new Map<string, WaitingTrace>()
    const apart: WaitingTrace[] = []
    for (const trace of ready) {
      if (trace.rowCount > LARGEST_TRACE) flags.set(trace.traceId, 'too-large')
      if (trace.analyses > 0 || trace.rowCount > LARGEST_TRACE) apart.push(trace)
      else inWindow.set(trace.traceId, trace)
    }
    if (inWindow.size > 0) {
      const parts = Math.max(1, Math.ceil(window.rows / ROWS_AT_ONCE))
      for (let part = 0; part < parts; part++) {
        const spans = await readStored(store, dictionary, { ...window, part, parts })
        await analyze(onlyThose(spans, inWindow), inWindow, flags, [])
      }
    }
    for (const chunk of chunksOf(apart)) {
      const fromMs = Math.min(
        ...chunk.map((t) =>
          t.analyses > 0 ? Math.min(t.knownFirstStoredMs, t.firstStoredMs) : t.firstStoredMs,
        ),
      )
      const limit =
        chunk.length === 1 && chunk[0]!.rowCount > LARGEST_TRACE ? LARGEST_TRACE : Number.POSITIVE_INFINITY
      const ids = chunk.map((t) => t.traceId)
      const spans = await readTraces(store, dictionary, ids, fromMs, limit)
      const again = chunk.filter((t) => t.analyses > 0).map((t) => t.traceId)
      await analyze(spans, new Map(chunk.map((t) => [t.traceId, t])), flags, again)
    }
  }

  async function analyze(
    spans: SpanColumns,
    waiting: ReadonlyMap<string, WaitingTrace>,
    flags: ReadonlyMap<string, string>,
    again: readonly string[],
  ): Promise<void> {
    if (spans.count === 0) return
    const analysis = analyzeSpans(spans)
    const version = versionNow()
    const gone = again.length === 0 ? [] : await readSampleKeys(store, again)
    const token = `analysis-${version}`
    const nameOf = (endpoint: number) => names!.nameOf(dictionary.endpoints[endpoint]!)
    const samples = samplesBlock(analysis, nameOf, gone, version)
    if (samples.rows > 0) await store.insertBlock('samples', samples.block, token)
    const segments = segmentsBlock(analysis, version)
    if (segments.rows > 0) await store.insertBlock('segments', segments.block, token)
    const rowCounts = countRows(spans, analysis)
    const traces = tracesBlock(
      analysis,
      (traceId) => {
        const trace = waiting.get(traceId)!
        return {
          firstStoredMs:
            trace.analyses > 0
              ? Math.min(trace.knownFirstStoredMs, trace.firstStoredMs)
              : trace.firstStoredMs,
          lastStoredMs: trace.lastStoredMs,
          rowCount: rowCounts.get(traceId) ?? trace.rowCount,
          analyses: trace.analyses + 1,
          flag: flags.get(traceId) ?? '',
        }
      },
      version,
    )
    await store.insertBlock('analyzed_traces', traces.block, token)
    count(analysis, waiting, flags)
  }

  function count(
    { traces, samples, repairs, spans }: Analysis,
    waiting: ReadonlyMap<string, WaitingTrace>,
    flags: ReadonlyMap<string, string>,
  ): void {
    counters.traces += traces.count
    counters.spans += spans.count
    counters.samples += samples.count
    for (let i = 0; i < repairs.count; i++) counters.repairs[REPAIR_KINDS[repairs.kind[i]!]!]++
    for (const id of flags.keys()) if (waiting.has(id)) counters.flagged++
    counters.cappedEndpoints = names!.capped
  }

  /** Microseconds, always ahead of the last: rows of a later analysis replace those of an earlier one. */
  function versionNow(): number {
    lastVersion = Math.max(Date.now() * 1000, lastVersion + 1)
    return lastVersion
  }
}

/** The rows of the traces named; the columns themselves where that is all of them. */
function onlyThose(spans: SpanColumns, wanted: ReadonlyMap<string, unknown>): SpanColumns {
  const groups = groupByTrace(spans)
  const kept = createColumns(spans.dictionary as Dictionary, spans.count)
  for (let g = 0; g < groups.count; g++) {
    const rows = groups.rows.subarray(groups.first[g]!, groups.first[g + 1]!)
    if (wanted.has(traceIdHex(spans, rows[0]!))) appendRows(kept, spans, rows)
  }
  return kept
}

function countRows(spans: SpanColumns, analysis: Analysis): Map<string, number> {
  const groups = groupByTrace(spans)
  const counts = new Map<string, number>()
  for (let g = 0; g < groups.count; g++) {
    counts.set(traceIdHex(spans, groups.rows[groups.first[g]!]!), groups.first[g + 1]! - groups.first[g]!)
  }
  return analysis.traces.count === 0 ? new Map() : counts
}

/** A few thousand late traces at a time; a giant alone. */
function chunksOf(traces: readonly WaitingTrace[]): WaitingTrace[][] {
  const chunks: WaitingTrace[][] = []
  let rows = 0
  for (const trace of traces) {
    const last = chunks.at(-1)
    if (last !== undefined && last.length < 1000 && rows + trace.rowCount <= ROWS_AT_ONCE) last.push(trace)
    else {
      chunks.push([trace])
      rows = 0
    }
    rows += trace.rowCount
  }
  return chunks
}
