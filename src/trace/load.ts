import { epochNs } from './columns.ts'
import { NEGATIVE_DURATION, NO_TIME } from './repair.ts'
import { logRepair, type RepairLog } from './repair-log.ts'
import { sortByWhole, sortRange } from './sort.ts'
import { STATUS_ERROR } from './span.ts'
import type { TraceTree } from './tree.ts'

const WORD = 2 ** 32
/** Makes one big number of two words without others in between. */
const originWords = new DataView(new ArrayBuffer(8))
/** No span of a request lasts longer, and none lies further from its trace's middle: such times are broken. */
export const FIFTY_DAYS_NS = 50 * 86_400 * 1e9

/**
 * Repair 1, then the kept spans sorted into span order: fills row, shape, kind, service, failed, start, end, origin
 * and count of the tree. Where nothing was to be repaired `rows` are left in that order.
 */
export function loadSpans(
  tree: TraceTree,
  rows: Uint32Array,
  from: number,
  to: number,
  log: RepairLog,
): void {
  const { start: startWords, end: endWords, spanId } = tree.spans
  const { keys, scratch2, order } = tree

  // Times relative to the first span kept; exact where it matters (differences up to 104 days).
  let baseLow = 0
  let baseHigh = 0
  const starts = keys
  const ends = tree.shift
  let kept = 0
  let ascending = true
  const repaired = log.count
  let earliest = Number.POSITIVE_INFINITY
  let latest = Number.NEGATIVE_INFINITY
  for (let i = from; i < to; i++) {
    const row = rows[i]!
    let startLow = startWords[2 * row]!
    let startHigh = startWords[2 * row + 1]!
    const endLow = endWords[2 * row]!
    const endHigh = endWords[2 * row + 1]!
    if (startLow === 0 && startHigh === 0) {
      logRepair(log, NO_TIME, row)
      if (endLow === 0 && endHigh === 0) continue
      startLow = endLow
      startHigh = endHigh
    }
    let duration = (endHigh - startHigh) * WORD + (endLow - startLow)
    if (duration < 0) {
      logRepair(log, NEGATIVE_DURATION, row)
      duration = 0
    } else if (duration > FIFTY_DAYS_NS) {
      logRepair(log, NO_TIME, row)
      continue
    }
    if (kept === 0) {
      baseLow = startLow
      baseHigh = startHigh
    }
    const start = (startHigh - baseHigh) * WORD + (startLow - baseLow)
    starts[kept] = start
    ends[kept] = start + duration
    scratch2[kept] = row
    kept++
    if (start < earliest) earliest = start
    if (start > latest) latest = start
    else ascending = false
  }
  if (latest - earliest > FIFTY_DAYS_NS) {
    kept = dropFarFromMedian(tree, kept, log)
    ;[baseLow, baseHigh] = rebase(tree, kept)
    earliest = Number.POSITIVE_INFINITY
    latest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < kept; i++) {
      if (starts[i]! < earliest) earliest = starts[i]!
      if (starts[i]! > latest) latest = starts[i]!
    }
  }

  tree.count = kept
  if (kept === 0) {
    tree.origin = 0n
    return
  }
  const low = baseLow + earliest
  originWords.setUint32(0, baseHigh + Math.floor(low / WORD))
  originWords.setUint32(4, low - Math.floor(low / WORD) * WORD)
  tree.origin = originWords.getBigUint64(0)

  if (ascending) for (let i = 0; i < kept; i++) order[i] = i
  else sortByStart(tree, kept, earliest, latest)
  const inOrder = ascending || log.count > repaired

  const { row, idLow, idHigh, shape, kind, service, failed, start, end } = tree
  const { shapeKind, shapeService } = tree.spans.dictionary
  const { status, shape: shapes } = tree.spans
  for (let i = 0; i < kept; i++) {
    const at = order[i]!
    const r = scratch2[at]!
    row[i] = r
    if (!inOrder) rows[from + i] = r
    idLow[i] = spanId[2 * r]!
    idHigh[i] = spanId[2 * r + 1]!
    const s = shapes[r]!
    shape[i] = s
    kind[i] = shapeKind[s]!
    service[i] = shapeService[s]!
    failed[i] = status[r] === STATUS_ERROR ? 1 : 0
    start[i] = starts[at]! - earliest
    end[i] = ends[at]! - earliest
  }
}

/** Fewer spans than this are compared, more are sorted by numbers. */
const FEW = 24
/** From so many on, the engine's own sort of numbers is the slower one. */
const MANY = 256

/**
 * Fills `order[0..count)` with 0 to count - 1 in span order; `keys` holds starts. Many are sorted by their starts
 * alone; fewer, where a start and an index fit into one exact number, as such numbers. Equal starts are put in order
 * afterwards.
 */
function sortByStart(tree: TraceTree, count: number, earliest: number, latest: number): void {
  const { order, keys, scratch, cutStart: packed } = tree
  let size = 1
  while (size < count) size *= 2
  const fits = (latest - earliest + 1) * size <= Number.MAX_SAFE_INTEGER
  if (count < FEW || count >= MANY || !fits) {
    for (let i = 0; i < count; i++) order[i] = i
    if (count < FEW) {
      sortRange(order, 0, count, scratch, keys, tree, comesFirst)
      return
    }
    sortByWhole(order, 0, count, scratch, keys)
  } else {
    for (let i = 0; i < count; i++) packed[i] = (keys[i]! - earliest) * size + i
    packed.subarray(0, count).sort()
    for (let at = 0; at < count; at++) {
      order[at] = packed[at]! - Math.floor(packed[at]! / size) * size
    }
  }
  sortEqual(tree, 0, count, keys, sortByEnd)
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

/** The rare trace that spans more than 50 days: exact in bigint. Returns how many are kept, packed to the front. */
function dropFarFromMedian(tree: TraceTree, count: number, log: RepairLog): number {
  const rows = tree.scratch2
  const starts: bigint[] = []
  for (let i = 0; i < count; i++) starts.push(startOf(tree, rows[i]!))
  const sorted = [...starts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const median = sorted[(count - 1) >> 1]!
  let kept = 0
  for (let i = 0; i < count; i++) {
    const distance = starts[i]! - median
    if (distance > BigInt(FIFTY_DAYS_NS) || distance < -BigInt(FIFTY_DAYS_NS)) {
      logRepair(log, NO_TIME, rows[i]!)
      continue
    }
    rows[kept++] = rows[i]!
  }
  return kept
}

/** Relative times anew, from the first kept span: what was far away had cost their exactness. */
function rebase(tree: TraceTree, kept: number): [low: number, high: number] {
  const base = startOf(tree, tree.scratch2[0]!)
  for (let i = 0; i < kept; i++) {
    const row = tree.scratch2[i]!
    const start = startOf(tree, row)
    const end = epochNs(tree.spans.end, row)
    tree.keys[i] = Number(start - base)
    tree.shift[i] = end < start ? Number(start - base) : Number(end - base)
  }
  return [Number(base & 0xffff_ffffn), Number(base >> 32n)]
}

function startOf(tree: TraceTree, row: number): bigint {
  return epochNs(tree.spans.start, row) || epochNs(tree.spans.end, row)
}
