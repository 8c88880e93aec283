import { sortByWhole, sortRange } from './sort.ts'
import type { TraceTree } from './tree.ts'

/** Fewer spans than this are compared, more are sorted by numbers. */
const FEW = 24
/** Spans are dealt out to as many parts of the trace's time; more than this in one of them, and another way is taken. */
const CROWD = 16

/**
 * Fills `order[0..count)` with 0 to count - 1 in span order; `keys` holds starts (from `earliest` to `latest`), `shift`
 * ends, `scratch2` rows. O(n) where starts lie scattered, as they nearly always do.
 */
export function sortByStart(tree: TraceTree, count: number, earliest: number, latest: number): void {
  const { order, keys, scratch } = tree
  if (count >= FEW && dealOut(tree, count, earliest, latest)) return
  for (let i = 0; i < count; i++) order[i] = i
  if (count < FEW) {
    sortRange(order, 0, count, scratch, keys, tree, comesFirst)
    return
  }
  sortByWhole(order, 0, count, scratch, keys)
  sortEqual(tree, 0, count, keys, sortByEnd)
}

/** Deals spans out to parts of the trace's time, then sorts neighbours by insertion; false: a part is crowded. */
function dealOut(tree: TraceTree, count: number, earliest: number, latest: number): boolean {
  const { order, keys, table: next } = tree
  const perNs = (count - 1) / (latest - earliest + 1)
  next.fill(0, 0, count)
  for (let i = 0; i < count; i++) {
    const part = Math.floor((keys[i]! - earliest) * perNs)
    const members = next[part]! + 1
    if (members > CROWD) return false
    next[part] = members
  }
  for (let part = 0, from = 0; part < count; part++) {
    const members = next[part]!
    next[part] = from
    from += members
  }
  for (let i = 0; i < count; i++) order[next[Math.floor((keys[i]! - earliest) * perNs)]!++] = i
  for (let at = 1; at < count; at++) {
    const span = order[at]!
    const key = keys[span]!
    let to = at - 1
    for (; to >= 0; to--) {
      const before = order[to]!
      const other = keys[before]!
      if (other < key || (other === key && !comesFirst(tree, span, before))) break
      order[to + 1] = before
    }
    order[to + 1] = span
  }
  return true
}

/** Gives every run of equal keys in `order[from..to)` to `sort`. */
function sortEqual(
  tree: TraceTree,
  from: number,
  to: number,
  keys: Float64Array,
  sort: (tree: TraceTree, from: number, to: number) => void,
): void {
  const { order } = tree
  let equal = from
  let key = keys[order[from]!]!
  for (let at = from + 1; at < to; at++) {
    const here = keys[order[at]!]!
    if (here === key) continue
    if (at - equal > 1) sort(tree, equal, at)
    equal = at
    key = here
  }
  if (to - equal > 1) sort(tree, equal, to)
}

/** Spans of one start: by end, the last first. */
function sortByEnd(tree: TraceTree, from: number, to: number): void {
  const { order, keys, scratch, shift: ends, cutEnd: ending } = tree
  if (to - from < FEW) {
    sortRange(order, from, to, scratch, keys, tree, comesFirst)
    return
  }
  for (let at = from; at < to; at++) ending[order[at]!] = -ends[order[at]!]!
  sortByWhole(order, from, to, scratch, ending)
  sortEqual(tree, from, to, ending, sortById)
}

/** Spans of one start and end: by as much of the id as one number holds exactly, then by all of it. */
function sortById(tree: TraceTree, from: number, to: number): void {
  const { order, scratch, scratch2: rows, cutStart: ids } = tree
  const { spanId } = tree.spans
  for (let at = from; at < to; at++) {
    const words = 2 * rows[order[at]!]!
    ids[order[at]!] = spanId[words + 1]! * 2 ** 21 + (spanId[words]! >>> 11)
  }
  sortByWhole(order, from, to, scratch, ids)
  sortRange(order, from, to, scratch, ids, tree, comesFirst)
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
