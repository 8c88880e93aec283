import { CLAMPED, DETACHED, SKEW_SHIFTED, TRIMMED } from './repair.ts'
import { logRepair, type RepairLog } from './repair-log.ts'
import { sortByWhole, sortRange } from './sort.ts'
import { CLIENT, SERVER } from './span.ts'
import { NOT_ENTRY, type TraceTree } from './tree.ts'
import { TRIM_MARK, trimChildren } from './trim.ts'

/** Length below which one child may run into the next and still be trimmed, for a trace of millisecond clocks. */
const MILLISECOND_NS = 1e6

/** Clocks as they are known over many traces; they take the place of repair 4's guess. By shapes of spans. */
export type ClockOffsets = {
  /** How far the clock of a child's service instance is ahead of its parent's, ns; undefined: not known. */
  offsetNs(parentShape: number, childShape: number): number | undefined
  /** Whether any other clock is known to be ahead of this one's, or behind. */
  isOff(parentShape: number): boolean
}

export function isRemote(tree: TraceTree, parent: number, child: number): boolean {
  return (
    tree.service[parent] !== tree.service[child] ||
    (tree.kind[child] === SERVER && tree.kind[parent] === CLIENT)
  )
}

/**
 * Repairs 4 to 7 over the spans below `root`, parents before children; `root` keeps its own bounds. Leaves
 * cutStart/cutEnd, detached, and each parent's live children in span order by repaired times (`child`, `live`) and by
 * end (`byEnd`), says where they `overlap`, and lists the spans of this root in `order` from `orderFrom` on (and in
 * `branching`); returns where the list ends. Other entries met are added to `entries`, if there is such a list.
 *
 * With a `log` this is an entry's own analysis: skew is moved and every repair reported. Without one, a part of a
 * trace that was settled before is settled again within its own bounds.
 */
export function settle(
  tree: TraceTree,
  root: number,
  orderFrom: number,
  millisecondClock: boolean,
  log: RepairLog | undefined,
  entries: number[] | undefined,
  clocks?: ClockOffsets,
): number {
  const { order, start, end, cutStart, cutEnd, firstChild, child, live, byEnd } = tree
  const { detached, entry, shift, hasRemote, overlap, branching } = tree
  cutStart[root] = start[root]!
  cutEnd[root] = end[root]!
  detached[root] = 0
  order[orderFrom] = root
  let orderTo = orderFrom + 1
  let branchingTo = orderFrom

  for (let at = orderFrom; at < orderTo; at++) {
    const parent = order[at]!
    const from = firstChild[parent]!
    const to = firstChild[parent + 1]!
    live[parent] = 0
    overlap[parent] = 0
    if (from === to) continue

    // Whether children that are not cut stand in span order as they were loaded: a move of all of them changes nothing.
    let asLoaded = !tree.moved
    if (log !== undefined) {
      asLoaded = true
      if (tree.moved && shift[parent] !== 0) moveWithParent(tree, from, to, shift[parent]!)
      if (
        hasRemote[parent] === 1 &&
        (clocks?.isOff(tree.shape[parent]!) === true || sticksOut(tree, parent, from, to))
      ) {
        asLoaded = !unskew(tree, parent, from, to, log, clocks)
      }
    }

    // Children that are waited for come first, then detached ones, then entries (theirs is another analysis).
    const earliest = cutStart[parent]!
    const latest = cutEnd[parent]!
    let waited = from
    let mine = from
    let inOrder = true
    let sequential = true
    let last = -1
    let lastEnd = Number.NEGATIVE_INFINITY
    for (let slot = from; slot < to; slot++) {
      const c = child[slot]!
      if (entry[c] !== NOT_ENTRY) {
        entries?.push(c)
        continue
      }
      if (slot !== mine) {
        child[slot] = child[mine]!
        child[mine] = c
      }
      let s = start[c]!
      let e = end[c]!
      const within = s >= earliest && e <= latest
      if (!within && isDetached(tree, parent, c)) {
        detached[c] = 1
        cutStart[c] = s
        cutEnd[c] = e
        if (log !== undefined) logRepair(log, DETACHED, tree.row[c]!)
      } else {
        if (!within) {
          if (s < earliest) s = earliest
          if (e > latest) e = latest
          asLoaded = false
          if (log !== undefined) logRepair(log, CLAMPED, tree.row[c]!)
        }
        detached[c] = 0
        cutStart[c] = s
        cutEnd[c] = e
        if (mine !== waited) {
          child[mine] = child[waited]!
          child[waited] = c
        }
        if (last >= 0 && (asLoaded ? c < last : comesBefore(tree, c, last))) inOrder = false
        if (s < lastEnd) sequential = false
        last = c
        lastEnd = e
        waited++
      }
      mine++
    }
    const liveCount = waited - from
    live[parent] = liveCount
    if (liveCount > 0 && latest > earliest) branching[branchingTo++] = parent
    for (let slot = from; slot < mine; slot++) {
      const c = child[slot]!
      order[orderTo++] = c
      byEnd[slot] = c
    }
    if (liveCount < 2 || (inOrder && sequential)) continue
    overlap[parent] = 1
    if (!inOrder) sortRange(child, from, waited, tree.scratch, cutStart, tree, comesBefore)
    if (trimChildren(tree, from, waited, millisecondClock ? MILLISECOND_NS : 0)) {
      reportTrimmed(tree, from, waited, log)
      sortRange(child, from, waited, tree.scratch, cutStart, tree, comesBefore)
    }
    // They stand in span order: a stable sort leaves ties in it.
    for (let slot = from; slot < waited; slot++) byEnd[slot] = child[slot]!
    sortByWhole(byEnd, from, waited, tree.scratch, cutEnd)
  }
  if (branchingTo < orderTo) branching[branchingTo] = -1
  return orderTo
}

/** Span order by repaired times: start, longest, id, kind. */
export function comesBefore(tree: TraceTree, a: number, b: number): boolean {
  const { cutStart, cutEnd, id } = tree
  const startA = cutStart[a]!
  const startB = cutStart[b]!
  if (startA !== startB) return startA < startB
  const endA = cutEnd[a]!
  const endB = cutEnd[b]!
  if (endA !== endB) return endA > endB
  if (id[2 * a + 1] !== id[2 * b + 1]) return id[2 * a + 1]! < id[2 * b + 1]!
  if (id[2 * a] !== id[2 * b]) return id[2 * a]! < id[2 * b]!
  return tree.kind[a]! < tree.kind[b]!
}

/** Everything below a span moves with it, entries included. */
function moveWithParent(tree: TraceTree, from: number, to: number, shiftNs: number): void {
  const { child, shift, start, end } = tree
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    shift[c] = shiftNs
    start[c]! += shiftNs
    end[c]! += shiftNs
  }
}

/** Whether any child may have to be moved: one that starts before its parent, or outlives a call that did not fail. */
function sticksOut(
  { child, start, end, kind, failed }: TraceTree,
  parent: number,
  from: number,
  to: number,
): boolean {
  const earliest = start[parent]!
  const latest = kind[parent] === CLIENT && failed[parent] === 0 ? end[parent]! : Number.POSITIVE_INFINITY
  for (let slot = from; slot < to; slot++) {
    if (start[child[slot]!]! < earliest || end[child[slot]!]! > latest) return true
  }
  return false
}

/** The time one service instance's remote children take up together; of its SERVERs, where it has any. */
type Stretch = {
  instance: number
  shape: number
  servers: boolean
  start: number
  end: number
  shiftNs: number
}

/**
 * Repair 4: the remote children of one service instance are compared with their parent together and moved by one
 * amount, so that what lies between them stays as their own clock saw it.
 */
function unskew(
  tree: TraceTree,
  parent: number,
  from: number,
  to: number,
  log: RepairLog,
  clocks: ClockOffsets | undefined,
): boolean {
  const { child, entry, start, end, shape, kind } = tree
  const { shapeInstance } = tree.spans.dictionary
  let only: Stretch | undefined
  let stretches: Map<number, Stretch> | undefined
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (entry[c] !== NOT_ENTRY || !isRemote(tree, parent, c)) continue
    const instance = shapeInstance[shape[c]!]!
    const server = kind[c] === SERVER
    const stretch = only?.instance === instance ? only : stretches?.get(instance)
    if (stretch === undefined) {
      const next = { instance, shape: shape[c]!, servers: server, start: start[c]!, end: end[c]!, shiftNs: 0 }
      // Nearly every call has one callee: no map for it.
      if (only === undefined) only = next
      else (stretches ??= new Map()).set(instance, next)
    } else if (server && !stretch.servers) {
      stretch.servers = true
      stretch.start = start[c]!
      stretch.end = end[c]!
    } else if (server === stretch.servers) {
      if (start[c]! < stretch.start) stretch.start = start[c]!
      if (end[c]! > stretch.end) stretch.end = end[c]!
    }
  }
  if (only === undefined) return false
  only.shiftNs = shiftOf(tree, parent, only, clocks)
  let moving = only.shiftNs !== 0
  if (stretches !== undefined) {
    for (const stretch of stretches.values()) {
      stretch.shiftNs = shiftOf(tree, parent, stretch, clocks)
      moving ||= stretch.shiftNs !== 0
    }
  }
  if (!moving) return false
  tree.moved = true

  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (entry[c] !== NOT_ENTRY || !isRemote(tree, parent, c)) continue
    const instance = shapeInstance[shape[c]!]!
    const { shiftNs } = only.instance === instance ? only : stretches!.get(instance)!
    if (shiftNs === 0) continue
    start[c]! += shiftNs
    end[c]! += shiftNs
    tree.shift[c]! += shiftNs
    logRepair(log, SKEW_SHIFTED, tree.row[c]!, shiftNs)
  }
  return true
}

/** How far a stretch is moved: into the middle of the call it fits in, else to its parent's start; 0: it may stay. */
function shiftOf(
  tree: TraceTree,
  parent: number,
  stretch: Stretch,
  clocks: ClockOffsets | undefined,
): number {
  const offsetNs = clocks?.offsetNs(tree.shape[parent]!, stretch.shape)
  if (offsetNs !== undefined) return shiftBy(tree, parent, stretch, -offsetNs)
  const parentStart = tree.start[parent]!
  const parentEnd = tree.end[parent]!
  const lengthNs = stretch.end - stretch.start
  const fits = tree.kind[parent] === CLIENT && lengthNs <= parentEnd - parentStart
  const overruns = fits && tree.failed[parent] === 0 && stretch.end > parentEnd
  if (stretch.start >= parentStart && !overruns) return 0
  const target = fits ? parentStart + Math.floor((parentEnd - parentStart - lengthNs) / 2) : parentStart
  return target - stretch.start
}

/** By a known offset; what then still sticks out of a call it fits in is jitter, moved no further than it must be. */
function shiftBy(tree: TraceTree, parent: number, stretch: Stretch, shiftNs: number): number {
  const early = tree.start[parent]! - (stretch.start + shiftNs)
  const late = stretch.end + shiftNs - tree.end[parent]!
  if (stretch.end - stretch.start > tree.end[parent]! - tree.start[parent]!) return shiftNs
  if (early > 0) return shiftNs + early
  return late > 0 && tree.kind[parent] === CLIENT && tree.failed[parent] === 0 ? shiftNs - late : shiftNs
}

/** Repair 5: did the parent end without waiting for this child? Bounds are the moved ones, before any cut. */
function isDetached(tree: TraceTree, parent: number, c: number): boolean {
  const { start, end, cutStart, cutEnd } = tree
  const parentStart = start[parent]!
  const parentEnd = end[parent]!
  const s = start[c]!
  const e = end[c]!
  if (s > parentEnd || e < cutStart[parent]! || s > cutEnd[parent]!) return true
  if (e <= parentEnd || s < parentStart || tree.failed[parent] === 1 || isRemote(tree, parent, c))
    return false
  const over = e - parentEnd
  // Whole numbers: over > x / 100 exactly when over > floor(x / 100).
  return over > Math.floor((e - s) / 20) && over > Math.floor((parentEnd - parentStart) / 100)
}

function reportTrimmed(tree: TraceTree, from: number, to: number, log: RepairLog | undefined): void {
  for (let slot = from; slot < to; slot++) {
    const c = tree.child[slot]!
    if (tree.detached[c] !== TRIM_MARK) continue
    tree.detached[c] = 0
    if (log !== undefined) logRepair(log, TRIMMED, tree.row[c]!)
  }
}
