import type { TraceTree } from '../trace/tree.ts'
import { type Dependencies, endOf, lastWaitedFor } from './dependencies.ts'

/**
 * The pieces of a path, from its end back: piece i belongs to `piece[i]` and begins at `startNs[i]`, where piece i + 1
 * ends. And the stack of the walk: spans that are open, and where among its children each has got to.
 * `sequential`: every span on it waited for one child after the other, so that all that was waited for is on it.
 */
export type PathWalk = {
  count: number
  sequential: boolean
  piece: Int32Array
  startNs: Float64Array
  span: Int32Array
  slot: Int32Array
}

export function createPathWalk(): PathWalk {
  return {
    count: 0,
    sequential: true,
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
  let { piece, startNs, span: above, slot: slotAbove } = walk
  let count = 0
  let depth = 0
  let last = -1
  let sequential = true
  let span = root
  let from = firstChild[span]!
  let slot = from + live[span]!
  let moment = cutEnd[span]!
  for (;;) {
    let next = -1
    if (dependencies !== undefined && dependencies.learned[span] === 1) {
      sequential = false
      slot = learnedSlot(tree, dependencies, span, slot)
      if (slot >= from) next = child[slot]!
    } else if (overlap[span] === 0) {
      slot--
      if (slot >= from) next = child[slot]!
    } else {
      sequential = false
      slot = lastOnPath(tree, from, slot, moment)
      if (slot >= from) next = byEnd[slot]!
    }
    if (count + 2 > piece.length) {
      growPieces(walk)
      piece = walk.piece
      startNs = walk.startNs
    }
    // The span itself, down to that child's end or its own start.
    const until = next < 0 ? cutStart[span]! : cutEnd[next]!
    if (until < moment) {
      if (last !== span) piece[count++] = last = span
      startNs[count - 1] = moment = until
    }
    if (next < 0) {
      if (depth === 0) break
      span = above[--depth]!
      slot = slotAbove[depth]!
      from = firstChild[span]!
    } else if (live[next] === 0 || cutStart[next] === moment) {
      // A leaf, or a span that takes no time, nor does anything below it.
      if (cutStart[next]! < moment) {
        piece[count] = last = next
        startNs[count++] = moment = cutStart[next]!
      }
    } else {
      if (depth === above.length) {
        growStack(walk)
        above = walk.span
        slotAbove = walk.slot
      }
      above[depth] = span
      slotAbove[depth++] = slot
      span = next
      from = firstChild[span]!
      slot = from + live[span]!
    }
  }
  walk.count = count
  walk.sequential = sequential
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
