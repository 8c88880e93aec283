import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { callsOf, uniformOf } from './calls.ts'

/**
 * Traces to learn from. A signature holds all calls above it, so traces that begin with another call teach nothing about
 * it: every kind of beginning gets its share of the budget (a stratified sample), or rare ones would not be learned.
 */
export type TraceDraw = {
  /** Numbers of traces, by rank: which of them are kept, should there be too many, does not depend on row order. */
  traces: Uint32Array
  /** ... those of them that are enough to see by how much clocks differ. */
  forClocks: Uint32Array
}

/** Spans of a batch that are learned from: all of a small one, of a larger one the share below. */
const ALL_OF = 60_000
const SHARE = 0.12
/** Traces of one beginning that teach most of it, and the share of a batch that is spent on beginnings without them. */
const ENOUGH_TRACES = 60
const SHARE_OF_UNKNOWN = 0.4
/** Beginnings remembered; beyond, all are forgotten and get their share anew. */
const MOST_BEGINNINGS = 100_000

/** Draws from one batch after the other, and remembers of which beginnings it has drawn enough. */
export function createTraceDrawer(): (spans: SpanColumns, groups: TraceGroups) => TraceDraw {
  const drawnBefore = new Map<number, number>()
  return (spans, groups) => {
    const { count, rows, first } = groups
    const beginnings = beginningsOf(spans, groups)
    const ranks = Float64Array.from({ length: count }, (_, trace) => rankOfRow(spans, rows[first[trace]!]!))
    const byRank = Uint32Array.from({ length: count }, (_, trace) => trace)
    const compare = (a: number, b: number) =>
      ranks[a]! - ranks[b]! || compareIds(spans, rows[first[a]!]!, rows[first[b]!]!)
    byRank.sort(compare)
    if (spans.count <= ALL_OF) return { traces: byRank, forClocks: byRank }

    // One trace of each beginning, then a second one of each, ...
    const met = new Map<number, number>()
    const turn = new Uint32Array(count)
    for (const trace of byRank) {
      const before = met.get(beginnings[trace]!) ?? 0
      turn[trace] = before
      met.set(beginnings[trace]!, before + 1)
    }
    const byTurn = byRank.slice().sort((a, b) => turn[a]! - turn[b]! || compare(a, b))
    const isDrawn = new Uint8Array(count)
    const isForClocks = new Uint8Array(count)
    const budget = Math.max(ALL_OF, SHARE * spans.count)
    const budgetOfUnknown = Math.max(ALL_OF, SHARE_OF_UNKNOWN * spans.count)
    let spent = 0
    for (const trace of byTurn) {
      const size = first[trace + 1]! - first[trace]!
      const isUnknown = turn[trace]! + (drawnBefore.get(beginnings[trace]!) ?? 0) < ENOUGH_TRACES
      if (spent + size > (isUnknown ? budgetOfUnknown : budget)) continue
      if (spent + size <= budget) isForClocks[trace] = 1
      isDrawn[trace] = 1
      spent += size
    }
    if (drawnBefore.size > MOST_BEGINNINGS) drawnBefore.clear()
    for (const trace of byRank) {
      if (isDrawn[trace] === 0) continue
      drawnBefore.set(beginnings[trace]!, (drawnBefore.get(beginnings[trace]!) ?? 0) + 1)
    }
    return {
      traces: byRank.filter((trace) => isDrawn[trace] === 1),
      forClocks: byRank.filter((trace) => isForClocks[trace] === 1),
    }
  }
}

/** By trace: the number of the call that it begins with, the earliest span without a parent (or of all, if none is). */
function beginningsOf(spans: SpanColumns, { count, rows, first }: TraceGroups): Float64Array {
  const { parentId, start, shape } = spans
  const { shapeComponent } = spans.dictionary
  const calls = callsOf(spans.dictionary)
  const numberOf = (row: number) => calls.number(shape[row]!, shapeComponent[shape[row]!]!)
  const isRoot = (row: number) => parentId[2 * row] === 0 && parentId[2 * row + 1] === 0
  const beginnings = new Float64Array(count)
  for (let trace = 0; trace < count; trace++) {
    let best = rows[first[trace]!]!
    let bestIsRoot = isRoot(best)
    for (let at = first[trace]! + 1; at < first[trace + 1]!; at++) {
      const row = rows[at]!
      const rowIsRoot = isRoot(row)
      if (rowIsRoot !== bestIsRoot) {
        if (bestIsRoot) continue
      } else {
        const later = start[2 * row + 1]! - start[2 * best + 1]! || start[2 * row]! - start[2 * best]!
        // Of two that start together the smaller number, whatever the order of the rows.
        if (later > 0 || (later === 0 && numberOf(row) >= numberOf(best))) continue
      }
      best = row
      bestIsRoot = rowIsRoot
    }
    beginnings[trace] = numberOf(best)
  }
  return beginnings
}

/** Uniform in (0, 1), the same for all spans of a trace. */
function rankOfRow({ traceLow, traceHigh }: SpanColumns, row: number): number {
  return uniformOf(traceLow[2 * row]!, traceLow[2 * row + 1]!, traceHigh[2 * row]!)
}

/** An order of different trace ids, for two of one rank. */
function compareIds({ traceLow, traceHigh }: SpanColumns, a: number, b: number): number {
  return (
    traceLow[2 * a]! - traceLow[2 * b]! ||
    traceLow[2 * a + 1]! - traceLow[2 * b + 1]! ||
    traceHigh[2 * a]! - traceHigh[2 * b]! ||
    traceHigh[2 * a + 1]! - traceHigh[2 * b + 1]!
  )
}
