import type { TraceTree } from '../trace/tree.ts'
import { type Dependencies, endOf, lastWaitedFor } from './dependencies.ts'

/** Stack of the walk: spans that are open, and where in `byEnd` each has got to. */
export type PathWalk = { span: Int32Array; slot: Int32Array }

export function createPathWalk(): PathWalk {
  return { span: new Int32Array(64), slot: new Int32Array(64) }
}

/**
 * Walks the critical path of a settled root backwards from its end: over the last-finishing child at or before the
 * current moment, then on from that child's start. `visit` gets non-empty pieces in descending order; together they
 * tile the root. O(spans on the path and their live children).
 */
export function walkCriticalPath(
  tree: TraceTree,
  walk: PathWalk,
  dependencies: Dependencies | undefined,
  root: number,
  visit: (span: number, startNs: number, endNs: number) => void,
): void {
  const { firstChild, live, byEnd, cutStart, cutEnd } = tree
  let depth = 0
  walk.span[0] = root
  walk.slot[0] = firstChild[root]! + live[root]!
  let moment = cutEnd[root]!
  while (depth >= 0) {
    const span = walk.span[depth]!
    const from = firstChild[span]!
    const learned = dependencies !== undefined && dependencies.learned[span] === 1
    const slot = learned
      ? learnedSlot(tree, dependencies, span, walk.slot[depth]!)
      : lastOnPath(tree, from, walk.slot[depth]!, moment)
    if (slot < from) {
      const startNs = cutStart[span]!
      if (startNs < moment) visit(span, startNs, moment)
      moment = startNs
      depth--
      continue
    }
    walk.slot[depth] = slot
    const child = learned ? tree.child[slot]! : byEnd[slot]!
    const endNs = cutEnd[child]!
    if (endNs < moment) visit(span, endNs, moment)
    moment = endNs
    if (live[child] === 0) {
      const startNs = cutStart[child]!
      if (startNs < moment) visit(child, startNs, moment)
      moment = startNs
      continue
    }
    depth++
    if (depth === walk.span.length) grow(walk)
    walk.span[depth] = child
    walk.slot[depth] = firstChild[child]! + live[child]!
  }
}

/** The slot of the child before the one in `slot` on a learned path; of the last, from behind the live children. */
function learnedSlot(tree: TraceTree, dependencies: Dependencies, span: number, slot: number): number {
  const end = tree.firstChild[span]! + tree.live[span]!
  const c = lastWaitedFor(tree, dependencies, span, slot === end ? endOf(dependencies, span) : slot)
  return c < 0 ? -1 : dependencies.slotOf[c]!
}

function grow(walk: PathWalk): void {
  for (const name of ['span', 'slot'] as const) {
    const wider = new Int32Array(2 * walk[name].length)
    wider.set(walk[name])
    walk[name] = wider
  }
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
