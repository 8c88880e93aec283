import { dealOut, FEW } from './deal.ts'
import { sortRange } from './sort.ts'
import type { TraceTree } from './tree.ts'

/** Ranges of `order` that are still to be sorted: from, to, and by which of the keys. */
const open: number[] = []
const BY_START = 0
const BY_END = 1
const BY_ID = 2

/**
 * Fills `order[0..count)` with 0 to count - 1 in span order; `keys` holds starts (from `earliest` to `latest`), `shift`
 * ends, `scratch2` rows. Spans are dealt out to parts of the trace's time; a part that gets more than a few is dealt out
 * again. O(n): a dealing cuts a part's time to less than a hundredth, so no span is dealt out more than 8 times by one key.
 */
export function sortByStart(tree: TraceTree, count: number, earliest: number, latest: number): void {
  const { order } = tree
  for (let i = 0; i < count; i++) order[i] = i
  if (count <= FEW) {
    insert(tree, 0, count, tree.keys)
    return
  }
  if (earliest < latest) deal(tree, 0, count, BY_START, earliest, latest)
  else open.push(0, count, BY_END)
  while (open.length > 0) {
    const key = open.pop()!
    const to = open.pop()!
    const from = open.pop()!
    sortBy(tree, from, to, key)
  }
}

/** Deals `order[from..to)` out by the first key, from `key` on, that is not the same for all of them. */
function sortBy(tree: TraceTree, from: number, to: number, key: number): void {
  const { order } = tree
  for (let its = key; its <= BY_ID; its++) {
    if (its === BY_END && haveOneEnd(tree, from, to)) continue
    const keys = keysOf(tree, its)
    if (its !== BY_START) fillKeys(tree, from, to, its)
    let least = keys[order[from]!]!
    let most = least
    for (let at = from + 1; at < to; at++) {
      const value = keys[order[at]!]!
      if (value < least) least = value
      if (value > most) most = value
    }
    if (least === most) continue
    deal(tree, from, to, its, least, most)
    return
  }
  sortRange(order, from, to, tree.scratch, tree.cutStart, tree, comesFirst)
}

function haveOneEnd({ order, shift: ends }: TraceTree, from: number, to: number): boolean {
  const end = ends[order[from]!]!
  for (let at = from + 1; at < to; at++) if (ends[order[at]!]! !== end) return false
  return true
}

/** What is sorted by: starts; of one start the last end first; of one end as much of the id as one number holds exactly. */
function keysOf(tree: TraceTree, key: number): Float64Array {
  return key === BY_START ? tree.keys : key === BY_END ? tree.cutEnd : tree.cutStart
}

function fillKeys(tree: TraceTree, from: number, to: number, key: number): void {
  const { order, shift: ends, scratch2: rows } = tree
  const { spanId } = tree.spans
  const keys = keysOf(tree, key)
  for (let at = from; at < to; at++) {
    const span = order[at]!
    if (key === BY_END) keys[span] = -ends[span]!
    else {
      const words = 2 * rows[span]!
      keys[span] = spanId[words + 1]! * 2 ** 21 + (spanId[words]! >>> 11)
    }
  }
}

/** Deals `order[from..to)` out by keys from `least` to `most`; parts of more than a few are left in `open`. */
function deal(tree: TraceTree, from: number, to: number, key: number, least: number, most: number): void {
  const { order, scratch: part } = tree
  const keys = keysOf(tree, key)
  dealOut(order, from, to, { part, dealt: tree.child, dealtPart: tree.byEnd }, keys, least, most)
  const count = to - from
  let first = 0
  let last = part[0]!
  for (let i = 1; i <= count; i++) {
    const its = i < count ? part[i]! : -1
    if (its === last) continue
    if (i - first > FEW) open.push(from + first, from + i, key)
    else if (i - first > 1) insert(tree, from + first, from + i, keys)
    first = i
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
      if (other < key || (other === key && !comesFirst(tree, span, before))) break
      order[into + 1] = before
    }
    order[into + 1] = span
  }
}

/** Span order among equal starts while loading: `shift` holds ends, `scratch2` rows. */
function comesFirst(tree: TraceTree, a: number, b: number): boolean {
  const { shift: ends, scratch2: rows } = tree
  const byEnd = ends[b]! - ends[a]!
  if (byEnd !== 0) return byEnd < 0
  const { spanId, shape, dictionary } = tree.spans
  const rowA = rows[a]!
  const rowB = rows[b]!
  const high = spanId[2 * rowA + 1]! - spanId[2 * rowB + 1]!
  if (high !== 0) return high < 0
  const low = spanId[2 * rowA]! - spanId[2 * rowB]!
  if (low !== 0) return low < 0
  return dictionary.shapeKind[shape[rowA]!]! < dictionary.shapeKind[shape[rowB]!]!
}
