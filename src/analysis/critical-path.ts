import type { TraceTree } from '../trace/tree.ts'
import { type Dependencies, endOf, lastWaitedFor } from './dependencies.ts'

/**
 * The pieces of a path, from its end back: piece i belongs to `piece[i]` and begins at `startNs[i]`, where piece i + 1
 * ends. And the stack of the walk: spans that are open, and where among its children each has got to.
 */
export type PathWalk = {
  count: number
  piece: Int32Array
  startNs: Float64Array
  span: Int32Array
  slot: Int32Array
}

export function createPathWalk(): PathWalk {
  return {
    count: 0,
    piece: new Int32Array(64),
    startNs: new Float64Array(64),
    span: new Int32Array(64),
    slot: new Int32Array(64),
  }
}

/**
 * Walks the critical path of a settled root backwards from its end: over the last-finishing child at or before the
 * current moment, then on from that child's start. Leaves non-empty pieces, touching ones of a span joined; together they
 * tile the root. O(spans on the path and their live children).
 */
export function walkCriticalPath(
  tree: TraceTree,
  walk: PathWalk,
  dependencies: Dependencies | undefined,
  root: number,
): void {
  const { firstChild, child, live, byEnd, overlap, cutStart, cutEnd } = tree
  let depth = 0
  walk.count = 0
  walk.span[0] = root
  walk.slot[0] = firstChild[root]! + live[root]!
  let moment = cutEnd[root]!
  while (depth >= 0) {
    const span = walk.span[depth]!
    const from = firstChild[span]!
    let slot = walk.slot[depth]! - 1
    let next = -1
    if (dependencies !== undefined && dependencies.learned[span] === 1) {
      slot = learnedSlot(tree, dependencies, span, slot + 1)
      if (slot >= from) next = child[slot]!
    } else if (overlap[span] === 0) {
      if (slot >= from) next = child[slot]!
    } else {
      slot = lastOnPath(tree, from, slot + 1, moment)
      if (slot >= from) next = byEnd[slot]!
    }
    if (next < 0) {
      moment = addPiece(walk, span, cutStart[span]!, moment)
      depth--
      continue
    }
    walk.slot[depth] = slot
    moment = addPiece(walk, span, cutEnd[next]!, moment)
    if (live[next] === 0) {
      moment = addPiece(walk, next, cutStart[next]!, moment)
      continue
    }
    depth++
    if (depth === walk.span.length) growStack(walk)
    walk.span[depth] = next
    walk.slot[depth] = firstChild[next]! + live[next]!
  }
}

/** The span is on the path from `startNs` to the current moment; returns the new one. */
function addPiece(walk: PathWalk, span: number, startNs: number, moment: number): number {
  if (startNs >= moment) return moment
  const last = walk.count - 1
  if (last >= 0 && walk.piece[last] === span) walk.startNs[last] = startNs
  else {
    if (walk.count === walk.piece.length) growPieces(walk)
    walk.piece[walk.count] = span
    walk.startNs[walk.count++] = startNs
  }
  return startNs
}

/** The slot of the child before the one in `slot` on a learned path; of the last, from behind the live children. */
function learnedSlot(tree: TraceTree, dependencies: Dependencies, span: number, slot: number): number {
  const end = tree.firstChild[span]! + tree.live[span]!
  const c = lastWaitedFor(tree, dependencies, span, slot === end ? endOf(dependencies, span) : slot)
  return c < 0 ? -1 : dependencies.slotOf[c]!
}

function growStack(walk: PathWalk): void {
  walk.span = widen(walk.span)
  walk.slot = widen(walk.slot)
}

function growPieces(walk: PathWalk): void {
  walk.piece = widen(walk.piece)
  const startNs = new Float64Array(2 * walk.startNs.length)
  startNs.set(walk.startNs)
  walk.startNs = startNs
}

function widen(numbers: Int32Array): Int32Array {
  const wider = new Int32Array(2 * numbers.length)
  wider.set(numbers)
  return wider
}

/**
 * Slot in `byEnd[from..to)` of the last-finishing child at or before `moment` (ties: the first in span order), less
 * than `from` if there is none.
 */
export function lastOnPath(tree: TraceTree, from: number, to: number, moment: number): number {
  const { byEnd, cutEnd } = tree
  let slot = to - 1
  while (slot >= from && cutEnd[byEnd[slot]!]! > moment) slot--
  if (slot < from) return from - 1
  const end = cutEnd[byEnd[slot]!]!
  while (slot > from && cutEnd[byEnd[slot - 1]!]! === end) slot--
  return slot
}
