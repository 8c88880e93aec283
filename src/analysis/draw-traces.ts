import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { type Calls, callNumber, callsOf, uniformOf } from './calls.ts'
import { addNumber, createNumberTable } from './number-table.ts'

/**
 * Traces to learn from. A signature holds all calls above it, so traces that begin with another call teach nothing about
 * it: every kind of beginning gets its share of the budget (a stratified sample), or rare ones would not be learned.
 */
export type TraceDraw = {
  /** Numbers of traces, ascending: rows of neighbours lie close together. */
  traces: Uint32Array
  /** ... those of them that are enough to see by how much clocks differ. */
  forClocks: Uint32Array
  /** By trace: where it stands in an order that does not depend on that of the rows. */
  rank: Uint32Array
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
  return (spans, groups) => drawTraces(drawnBefore, spans, groups)
}

/** `drawnBefore`: traces by the number of their beginning. */
function drawTraces(drawnBefore: Map<number, number>, spans: SpanColumns, groups: TraceGroups): TraceDraw {
  const { count, first } = groups
  const byRank = tracesByRank(spans, groups)
  const rank = new Uint32Array(count)
  for (let at = 0; at < count; at++) rank[byRank[at]!] = at
  if (spans.count <= ALL_OF) {
    const all = rank.map((_, trace) => trace)
    return { traces: all, forClocks: all, rank }
  }

  const { numbers, beginningOf } = beginningsOf(spans, groups)
  const { byTurn, turnOf } = byTurns(byRank, beginningOf, numbers.length)
  const before = numbers.map((number) => drawnBefore.get(number) ?? 0)
  const drawn = before.slice()
  const isDrawn = new Uint8Array(count)
  const isForClocks = new Uint8Array(count)
  const budget = Math.max(ALL_OF, SHARE * spans.count)
  const budgetOfUnknown = Math.max(ALL_OF, SHARE_OF_UNKNOWN * spans.count)
  let spent = 0
  for (let at = 0; at < count; at++) {
    const trace = byTurn[at]!
    const size = first[trace + 1]! - first[trace]!
    const isUnknown = turnOf[trace]! + before[beginningOf[trace]!]! < ENOUGH_TRACES
    if (spent + size > (isUnknown ? budgetOfUnknown : budget)) continue
    if (spent + size <= budget) isForClocks[trace] = 1
    isDrawn[trace] = 1
    drawn[beginningOf[trace]!]!++
    spent += size
  }
  if (drawnBefore.size > MOST_BEGINNINGS) drawnBefore.clear()
  for (let i = 0; i < numbers.length; i++) drawnBefore.set(numbers[i]!, drawn[i]!)
  return { traces: marked(isDrawn), forClocks: marked(isForClocks), rank }
}

/** Numbers of those that are marked, ascending. */
function marked(marks: Uint8Array): Uint32Array {
  const numbers: number[] = []
  for (let trace = 0; trace < marks.length; trace++) if (marks[trace] === 1) numbers.push(trace)
  return Uint32Array.from(numbers)
}

/** More traces than this are sorted without packing a rank and a place into one exact number. */
const PACKED = 2 ** 21

/** Numbers of all traces by rank, those of one rank by their ids. */
function tracesByRank(spans: SpanColumns, { count, rows, first }: TraceGroups): Uint32Array {
  const { traceLow, traceHigh } = spans
  const byRank = new Uint32Array(count)
  const ranks = new Float64Array(count)
  for (let trace = 0; trace < count; trace++) {
    const row = 2 * rows[first[trace]!]!
    // The same for all spans of a trace; whole.
    ranks[trace] = Math.floor(uniformOf(traceLow[row]!, traceLow[row + 1]!, traceHigh[row]!) * 2 ** 32)
  }
  const byId = (a: number, b: number) => compareIds(spans, rows[first[a]!]!, rows[first[b]!]!)
  if (count > PACKED) {
    for (let trace = 0; trace < count; trace++) byRank[trace] = trace
    return byRank.sort((a, b) => ranks[a]! - ranks[b]! || byId(a, b))
  }
  const packed = ranks.map((rank, trace) => rank * PACKED + trace).sort()
  for (let at = 0; at < count; at++) byRank[at] = packed[at]! % PACKED
  for (let at = 1; at < count; at++) {
    for (let i = at; i > 0 && ranks[byRank[i - 1]!] === ranks[byRank[i]!]; i--) {
      const [a, b] = [byRank[i - 1]!, byRank[i]!]
      if (byId(a, b) <= 0) break
      byRank[i - 1] = b
      byRank[i] = a
    }
  }
  return byRank
}

/** One trace of each beginning, then a second one of each, ... */
function byTurns(
  byRank: Uint32Array,
  beginningOf: Int32Array,
  beginnings: number,
): { byTurn: Uint32Array; turnOf: Uint32Array } {
  const met = new Uint32Array(beginnings)
  const turnOf = new Uint32Array(byRank.length)
  for (let at = 0; at < byRank.length; at++) turnOf[byRank[at]!] = met[beginningOf[byRank[at]!]!]!++
  const next = new Uint32Array(met.reduce((most, times) => Math.max(most, times), 0) + 1)
  for (let trace = 0; trace < turnOf.length; trace++) next[turnOf[trace]! + 1]!++
  for (let turn = 1; turn < next.length; turn++) next[turn]! += next[turn - 1]!
  const byTurn = new Uint32Array(byRank.length)
  for (let at = 0; at < byRank.length; at++) byTurn[next[turnOf[byRank[at]!]!]!++] = byRank[at]!
  return { byTurn, turnOf }
}

/** What a trace begins with: the call of the earliest span without a parent (or of all, if none is). */
type Beginnings = { numbers: number[]; beginningOf: Int32Array }

function beginningsOf(spans: SpanColumns, { count, rows, first }: TraceGroups): Beginnings {
  const { parentId } = spans
  const calls = callsOf(spans.dictionary)
  const table = createNumberTable()
  const numbers: number[] = []
  const beginningOf = new Int32Array(count)
  for (let trace = 0; trace < count; trace++) {
    const from = first[trace]!
    const to = first[trace + 1]!
    let best = -1
    for (let at = from; at < to; at++) {
      const row = rows[at]!
      if (parentId[2 * row] !== 0 || parentId[2 * row + 1] !== 0) continue
      if (best < 0 || isEarlier(spans, row, best, calls)) best = row
    }
    if (best < 0) {
      best = rows[from]!
      for (let at = from + 1; at < to; at++) if (isEarlier(spans, rows[at]!, best, calls)) best = rows[at]!
    }
    const number = numberAt(spans, best, calls)
    const place = addNumber(table, number)
    beginningOf[trace] = place
    numbers[place] = number
  }
  return { numbers, beginningOf }
}

/** Of two that start together the smaller number, whatever the order of the rows. */
function isEarlier(spans: SpanColumns, row: number, than: number, calls: Calls): boolean {
  const { start } = spans
  const later = start[2 * row + 1]! - start[2 * than + 1]! || start[2 * row]! - start[2 * than]!
  return later < 0 || (later === 0 && numberAt(spans, row, calls) < numberAt(spans, than, calls))
}

function numberAt({ shape, dictionary }: SpanColumns, row: number, calls: Calls): number {
  return callNumber(calls, shape[row]!, dictionary.shapeComponent[shape[row]!]!)
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
