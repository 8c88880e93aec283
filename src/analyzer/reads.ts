import type { IdRange, WaitingTrace } from '../store/analyzer-store.ts'

/** Rows read, and analyzed, at once. */
export const ROWS_AT_ONCE = 500_000
const TRACES_AT_ONCE = 1000
/** As many traces that were stored about the same time are read with everything that was stored then. */
const BULK_TRACES = 500
/** ... if each was stored within this long, and the next one began no later than this after the one before. */
const SPREAD_MS = 10_000

export type Reads = {
  /** Everything that was stored in [fromMs, toMs]; the traces wanted are among it. */
  ranges: { fromMs: number; toMs: number; traces: WaitingTrace[] }[]
  /** Read by their ids: late spans, few or scattered traces; one beyond `largest` spans alone. */
  apart: WaitingTrace[][]
}

/** First span stored of all there are, seen or not. */
export function firstStored(trace: WaitingTrace): number {
  return trace.analyses > 0 ? Math.min(trace.knownFirstStoredMs, trace.firstStoredMs) : trace.firstStoredMs
}

/** Rows to be read for a trace, those that were seen before included. */
export function rowsOf(trace: WaitingTrace): number {
  return trace.analyses > 0 ? trace.knownRowCount + trace.rowCount : trace.rowCount
}

/** How the spans of these traces are read with few reads that hold little else. */
export function planReads(traces: readonly WaitingTrace[], largest: number): Reads {
  const apart: WaitingTrace[] = []
  const young: WaitingTrace[] = []
  for (const trace of traces) {
    const compact = trace.analyses === 0 && trace.lastStoredMs - trace.firstStoredMs <= SPREAD_MS
    if (compact && trace.rowCount <= largest) young.push(trace)
    else apart.push(trace)
  }
  young.sort((a, b) => a.firstStoredMs - b.firstStoredMs)
  const ranges: Reads['ranges'] = []
  for (let from = 0, to = 0; from < young.length; from = to) {
    for (to = from + 1; to < young.length; to++) {
      if (young[to]!.firstStoredMs - young[to - 1]!.firstStoredMs > SPREAD_MS) break
    }
    const together = young.slice(from, to)
    if (together.length < BULK_TRACES) apart.push(...together)
    else {
      ranges.push({
        fromMs: together[0]!.firstStoredMs,
        toMs: together.reduce((last, trace) => Math.max(last, trace.lastStoredMs), 0),
        traces: together,
      })
    }
  }
  return { ranges, apart: inChunks(apart, largest) }
}

/** Traces that are read together: those whose ids (hex) lie between the two, bounds included. */
export type Slice = { traces: WaitingTrace[]; ids: IdRange | undefined }

/**
 * Traces in the order of their ids, in `count` slices of about as many rows each. The store has spans of a minute in that
 * order, so to read a slice costs what is in it.
 */
export function sliceById(traces: readonly WaitingTrace[], count: number): Slice[] {
  if (count <= 1) return [{ traces: [...traces], ids: undefined }]
  const sorted = [...traces].sort((a, b) => (a.traceId < b.traceId ? -1 : 1))
  const each = sorted.reduce((sum, trace) => sum + rowsOf(trace), 0) / count
  const slices: WaitingTrace[][] = []
  let rows = 0
  for (const trace of sorted) {
    if (rows >= slices.length * each) slices.push([])
    slices.at(-1)!.push(trace)
    rows += rowsOf(trace)
  }
  return slices.map((slice) => ({
    traces: slice,
    ids: { first: slice[0]!.traceId, last: slice.at(-1)!.traceId },
  }))
}

function inChunks(traces: readonly WaitingTrace[], largest: number): WaitingTrace[][] {
  const chunks: WaitingTrace[][] = []
  let rows = Number.POSITIVE_INFINITY
  for (const trace of traces) {
    const more = rowsOf(trace) > largest ? Number.POSITIVE_INFINITY : rowsOf(trace)
    const last = chunks.at(-1)
    if (last !== undefined && last.length < TRACES_AT_ONCE && rows + more <= ROWS_AT_ONCE) {
      last.push(trace)
      rows += more
    } else {
      chunks.push([trace])
      rows = more
    }
  }
  return chunks
}
