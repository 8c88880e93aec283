import { epochNs } from './columns.ts'
import { areMany, LONG, readRows, readTimes, readWords } from './read-through.ts'
import { NEGATIVE_DURATION, NO_TIME } from './repair.ts'
import { logRepair, type RepairLog } from './repair-log.ts'
import { STATUS_ERROR } from './span.ts'
import { comesFirst, FEW, sortByStart } from './start-order.ts'
import type { TraceTree } from './tree.ts'

const WORD = 2 ** 32
/** No span of a request lasts longer, and none lies further from its trace's middle: such times are broken. */
export const FIFTY_DAYS_NS = 50 * 86_400 * 1e9

/**
 * Repair 1, then the kept spans sorted into span order: fills row, shape, kind, service, failed, start, end, origin
 * and count of the tree. Where nothing was to be repaired `rows` are left in that order. `few`: they are sorted as they
 * are read.
 */
export function loadSpans(
  tree: TraceTree,
  rows: Uint32Array,
  from: number,
  to: number,
  log: RepairLog,
  few = to - from <= FEW,
): void {
  const { start: startWords, end: endWords } = tree.spans
  const { keys, scratch2 } = tree

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
    const end = start + duration
    let at = kept++
    if (few) {
      for (; at > 0 && starts[at - 1]! >= start; at--) {
        if (starts[at - 1] === start && !comesFirst(tree, row, end, scratch2[at - 1]!, ends[at - 1]!)) break
        starts[at] = starts[at - 1]!
        ends[at] = ends[at - 1]!
        scratch2[at] = scratch2[at - 1]!
        ascending = false
      }
    } else {
      if (start < earliest) earliest = start
      if (start > latest) latest = start
      else ascending = false
    }
    starts[at] = start
    ends[at] = end
    scratch2[at] = row
  }
  if (few && kept > 0) {
    earliest = starts[0]!
    latest = starts[kept - 1]!
  }
  if (latest - earliest > FIFTY_DAYS_NS) {
    if (few) {
      // Repairs are reported in the order of the rows.
      log.count = repaired
      loadSpans(tree, rows, from, to, log, false)
      return
    }
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
  const low = kept === 0 ? 0 : baseLow + earliest
  const carry = Math.floor(low / WORD)
  tree.originLow = low - carry * WORD
  tree.originHigh = baseHigh + carry
  if (kept === 0) return

  const sorted = few || ascending
  if (!sorted) sortByStart(tree, kept, earliest, latest)
  const inOrder = ascending || log.count > repaired

  if (kept > LONG) {
    takeByColumn(tree, earliest, sorted)
    if (!inOrder) rows.set(tree.row.subarray(0, kept), from)
  } else takeBySpan(tree, earliest, sorted, inOrder ? undefined : rows, from)
}

/**
 * Brings spans into `order`, whole, if they are not `sorted`: `keys` holds starts, `shift` ends, `scratch2` rows. Rows in that
 * order go to `ordered` as well, from `from` on.
 */
function takeBySpan(
  tree: TraceTree,
  earliest: number,
  sorted: boolean,
  ordered: Uint32Array | undefined,
  from: number,
): void {
  const { count, row, id, shape, kind, service, failed, start, end, order } = tree
  const { keys: starts, shift: ends, scratch2: rows } = tree
  const { shapeKind, shapeService } = tree.spans.dictionary
  const { spanId, status, shape: shapes } = tree.spans
  if (areMany(count)) {
    readRows(spanId, 2, rows, count)
    readRows(shapes, 1, rows, count)
    readTimes(starts, count)
    readTimes(ends, count)
  }
  for (let i = 0; i < count; i++) {
    const at = sorted ? i : order[i]!
    const r = rows[at]!
    row[i] = r
    if (ordered !== undefined) ordered[from + i] = r
    id[2 * i] = spanId[2 * r]!
    id[2 * i + 1] = spanId[2 * r + 1]!
    const s = shapes[r]!
    shape[i] = s
    kind[i] = shapeKind[s]!
    service[i] = shapeService[s]!
    failed[i] = status[r] === STATUS_ERROR ? 1 : 0
    start[i] = starts[at]! - earliest
    end[i] = ends[at]! - earliest
  }
}

/** The same, one column after the other: each fits the processor's second cache, those of a long trace together do not. */
function takeByColumn(tree: TraceTree, earliest: number, sorted: boolean): void {
  const { count, row, id, shape, kind, service, failed, start, end, order } = tree
  const { keys: starts, shift: ends, scratch2: rows } = tree
  const { shapeKind, shapeService } = tree.spans.dictionary
  const { spanId, status, shape: shapes } = tree.spans
  if (sorted) for (let i = 0; i < count; i++) order[i] = i
  readWords(rows, 0, count)
  for (let i = 0; i < count; i++) row[i] = rows[order[i]!]!
  readRows(spanId, 2, rows, count)
  for (let i = 0; i < count; i++) {
    const words = 2 * row[i]!
    id[2 * i] = spanId[words]!
    id[2 * i + 1] = spanId[words + 1]!
  }
  readRows(shapes, 1, rows, count)
  for (let i = 0; i < count; i++) {
    const r = row[i]!
    const s = shapes[r]!
    shape[i] = s
    kind[i] = shapeKind[s]!
    service[i] = shapeService[s]!
    failed[i] = status[r] === STATUS_ERROR ? 1 : 0
  }
  readTimes(starts, count)
  for (let i = 0; i < count; i++) start[i] = starts[order[i]!]! - earliest
  readTimes(ends, count)
  for (let i = 0; i < count; i++) end[i] = ends[order[i]!]! - earliest
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
