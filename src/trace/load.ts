import { epochNs } from './columns.ts'
import { NEGATIVE_DURATION, NO_TIME } from './repair.ts'
import { logRepair, type RepairLog } from './repair-log.ts'
import { sortRange } from './sort.ts'
import { STATUS_ERROR } from './span.ts'
import type { TraceTree } from './tree.ts'

const WORD = 2 ** 32
/** No span of a request lasts longer, and none lies further from its trace's middle: such times are broken. */
export const FIFTY_DAYS_NS = 50 * 86_400 * 1e9

/**
 * Repair 1, then the kept spans sorted into span order: fills row, shape, kind, service, failed, start, end, origin
 * and count of the tree.
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
  tree.origin = (BigInt(baseHigh) << 32n) + BigInt(baseLow) + BigInt(earliest)

  sortByStart(tree, kept, earliest, latest)

  const { row, idLow, idHigh, shape, kind, service, failed, start, end } = tree
  const { shapeKind, shapeService } = tree.spans.dictionary
  const { status, shape: shapes } = tree.spans
  for (let i = 0; i < kept; i++) {
    const from = order[i]!
    const r = scratch2[from]!
    row[i] = r
    idLow[i] = spanId[2 * r]!
    idHigh[i] = spanId[2 * r + 1]!
    const s = shapes[r]!
    shape[i] = s
    kind[i] = shapeKind[s]!
    service[i] = shapeService[s]!
    failed[i] = status[r] === STATUS_ERROR ? 1 : 0
    start[i] = starts[from]! - earliest
    end[i] = ends[from]! - earliest
  }
}

/** Fewer spans than this are sorted here. */
const FEW = 24

/**
 * Fills `order[0..count)` with 0 to count - 1 in span order; `keys` holds starts. Where a start and an index fit into one
 * exact number, numbers are sorted, which needs no calls; equal starts are put in order afterwards.
 */
function sortByStart(tree: TraceTree, count: number, earliest: number, latest: number): void {
  const { order, keys, scratch, cutStart: packed } = tree
  let size = 1
  while (size < count) size *= 2
  if (count < FEW || (latest - earliest + 1) * size > Number.MAX_SAFE_INTEGER) {
    for (let i = 0; i < count; i++) order[i] = i
    sortRange(order, 0, count, scratch, keys, tree, comesFirst)
    return
  }
  for (let i = 0; i < count; i++) packed[i] = (keys[i]! - earliest) * size + i
  packed.subarray(0, count).sort()
  let equal = 0
  for (let at = 0; at < count; at++) {
    const start = Math.floor(packed[at]! / size)
    order[at] = packed[at]! - start * size
    if (keys[order[at]!] === keys[order[equal]!]) continue
    if (at - equal > 1) sortRange(order, equal, at, scratch, keys, tree, comesFirst)
    equal = at
  }
  if (count - equal > 1) sortRange(order, equal, count, scratch, keys, tree, comesFirst)
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
