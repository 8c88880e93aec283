import { idOf, sortById } from './id-order.ts'
import { LONG, readRows, readWords } from './read-through.ts'
import { sortRange } from './sort.ts'
import type { TraceTree } from './tree.ts'

/** So many spans, or fewer, are sorted by insertion. */
export const FEW = 12
/** Bits of a digit at most. */
const MOST_BITS = 11
/** Ranges of `order` that are still to be sorted: from, to, and by which of the keys. */
const open: number[] = []
/** Ranges of one start and end, two or more spans each: from, to. */
const alike: number[] = []
const BY_START = 0
const BY_END = 1
const BY_ID = 2

/**
 * Fills `order[0..count)` with 0 to count - 1 in span order; `keys` holds starts (from `earliest` to `latest`), `shift`
 * ends, `scratch2` rows. Spans are dealt out to parts of the trace's time, as many as the square of their number (up to 4
 * million), by one digit of the part after the other; a part that gets more than a few is dealt out again. O(n): a
 * dealing cuts a part's time to less than a hundredth, so no span is dealt out more than 8 times by one key.
 */
export function sortByStart(tree: TraceTree, count: number, earliest: number, latest: number): void {
  const { order } = tree
  for (let i = 0; i < count; i++) order[i] = i
  if (count <= FEW) {
    insert(tree, 0, count, tree.keys)
    return
  }
  sortOrDeal(tree, 0, count, BY_START, earliest, latest)
  sortOpen(tree)
  if (alike.length > 0) sortAlike(tree, count)
}

function sortOpen(tree: TraceTree): void {
  const { order } = tree
  while (open.length > 0) {
    const key = open.pop()!
    const to = open.pop()!
    const from = open.pop()!
    const keys = keysOf(tree, key)
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let at = from; at < to; at++) {
      const value = keys[order[at]!]!
      if (value < least) least = value
      if (value > most) most = value
    }
    sortOrDeal(tree, from, to, key, least, most)
  }
}

function sortOrDeal(
  tree: TraceTree,
  from: number,
  to: number,
  key: number,
  least: number,
  most: number,
): void {
  if (least < most) dealOut(tree, from, to, key, least, most)
  else if (key === BY_ID) sortRange(tree.order, from, to, tree.scratch, tree.cutStart, tree, isFirst)
  else if (key === BY_END) alike.push(from, to)
  else {
    const empty = openByEnd(tree, from, to)
    if (to - empty > 1) alike.push(empty, to)
  }
}

/** Spans of one start that take no time, and so have one end, come last: moved behind the others, stably. Returns where they begin. */
function openByEnd(tree: TraceTree, from: number, to: number): number {
  const { order, shift: ends, child: moved } = tree
  const keys = keysOf(tree, BY_END)
  const start = tree.keys[order[from]!]!
  let empty = from
  let count = 0
  for (let at = from; at < to; at++) {
    const span = order[at]!
    const end = ends[span]!
    if (end === start) moved[count++] = span
    else {
      keys[span] = -end
      order[empty++] = span
    }
  }
  if (empty === from) return from
  for (let i = 0; i < count; i++) order[empty + i] = moved[i]!
  open.push(from, empty, BY_END)
  return empty
}

/** All at last, so that a long trace's ids are looked at one after the other. */
function sortAlike(tree: TraceTree, count: number): void {
  const { order, scratch2: rows } = tree
  if (count > LONG) {
    readWords(rows, 0, count)
    readRows(tree.spans.spanId, 2, rows, count)
  }
  const keys = keysOf(tree, BY_ID)
  for (let i = 0; i < alike.length; i += 2) {
    const from = alike[i]!
    const to = alike[i + 1]!
    if (sortById(tree, from, to)) continue
    for (let at = from; at < to; at++) keys[order[at]!] = idOf(tree, order[at]!)
    open.push(from, to, BY_ID)
  }
  alike.length = 0
  sortOpen(tree)
}

/** What is sorted by: starts; of one start the last end first; of one end as much of the id as one number holds exactly. */
function keysOf(tree: TraceTree, key: number): Float64Array {
  return key === BY_START ? tree.keys : key === BY_END ? tree.cutEnd : tree.cutStart
}

/** Spans by the low and by the high digit of their part: how many, then where the next one goes. */
const low = new Int32Array(1 << MOST_BITS)
const high = new Int32Array(1 << MOST_BITS)

/** Deals `order[from..to)` out by keys from `least` to `most`; parts of more than a few are left in `open`. */
function dealOut(tree: TraceTree, from: number, to: number, key: number, least: number, most: number): void {
  const { order, scratch: part, child: dealt } = tree
  const keys = keysOf(tree, key)
  const count = to - from
  const bits = Math.min(MOST_BITS, 32 - Math.clz32(count))
  const digits = 1 << bits
  const perUnit = (digits * digits - 1) / (most - least)
  low.fill(0, 0, digits)
  high.fill(0, 0, digits)
  for (let at = from; at < to; at++) {
    const span = order[at]!
    const its = ((keys[span]! - least) * perUnit) >>> 0
    part[span] = its
    low[its & (digits - 1)]!++
    high[its >>> bits]!++
  }
  for (let digit = 0, nextLow = 0, nextHigh = from; digit < digits; digit++) {
    const ofLow = low[digit]!
    const ofHigh = high[digit]!
    low[digit] = nextLow
    high[digit] = nextHigh
    nextLow += ofLow
    nextHigh += ofHigh
  }
  for (let at = from; at < to; at++) {
    const span = order[at]!
    dealt[low[part[span]! & (digits - 1)]!++] = span
  }
  for (let i = 0; i < count; i++) {
    const span = dealt[i]!
    order[high[part[span]! >>> bits]!++] = span
  }
  let first = from
  let last = part[order[from]!]!
  for (let at = from + 1; at <= to; at++) {
    const its = at < to ? part[order[at]!]! : -1
    if (its === last) continue
    if (at - first > FEW) open.push(first, at, key)
    else if (at - first > 1) insert(tree, first, at, keys)
    first = at
    last = its
  }
}

/** Sorts `order[from..to)` by keys, those of equal keys in span order. */
function insert(tree: TraceTree, from: number, to: number, keys: Float64Array): void {
  const { order } = tree
  for (let at = from + 1; at < to; at++) {
    const span = order[at]!
    const key = keys[span]!
    let into = at - 1
    for (; into >= from; into--) {
      const before = order[into]!
      const other = keys[before]!
      if (other < key || (other === key && !isFirst(tree, span, before))) break
      order[into + 1] = before
    }
    order[into + 1] = span
  }
}

/** Span order among equal starts while loading: `shift` holds ends, `scratch2` rows. */
function isFirst(tree: TraceTree, a: number, b: number): boolean {
  const { shift: ends, scratch2: rows } = tree
  return comesFirst(tree, rows[a]!, ends[a]!, rows[b]!, ends[b]!)
}

/** Span order among equal starts, of two rows by their ends: longest, id, kind. */
export function comesFirst(tree: TraceTree, rowA: number, endA: number, rowB: number, endB: number): boolean {
  if (endA !== endB) return endA > endB
  const { spanId, shape, dictionary } = tree.spans
  const high = spanId[2 * rowA + 1]! - spanId[2 * rowB + 1]!
  if (high !== 0) return high < 0
  const low = spanId[2 * rowA]! - spanId[2 * rowB]!
  if (low !== 0) return low < 0
  return dictionary.shapeKind[shape[rowA]!]! < dictionary.shapeKind[shape[rowB]!]!
}
