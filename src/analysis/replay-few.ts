import type { TraceTree } from '../trace/tree.ts'
import { createWaits, growWaits, listWaits } from './waits.ts'

/** Of traces of at most so many spans roots are re-scheduled as a whole: to add up in turns takes longer to begin with. */
export const FEW_SPANS = 16

const waits = createWaits(undefined)
growWaits(waits, FEW_SPANS)
/** Per span: how long it takes without the work of the component at hand, ns. */
const lengthNs = new Float64Array(FEW_SPANS)

/** Before the spans `order[orderFrom..orderTo)` of a root are re-scheduled: what their overlapping children waited for. */
export function listFew(tree: TraceTree, orderFrom: number, orderTo: number): void {
  const { order, overlap, firstChild, live, cutStart, cutEnd } = tree
  for (let at = orderFrom; at < orderTo; at++) {
    const span = order[at]!
    if (overlap[span] === 0) continue
    const from = firstChild[span]!
    const to = from + live[span]!
    listWaits(tree, waits, {
      span,
      learned: false,
      from,
      to,
      startNs: cutStart[span]!,
      endNs: cutEnd[span]!,
    })
  }
}

/** How long the root would take without the work of component `k`, ns. Children come before their parents. */
export function fewWithout(tree: TraceTree, orderFrom: number, orderTo: number, k: number): number {
  const { order, overlap, firstChild, child, live, cutStart, cutEnd, component } = tree
  for (let at = orderTo - 1; at >= orderFrom; at--) {
    const span = order[at]!
    const from = firstChild[span]!
    const to = from + live[span]!
    let ownNs = cutEnd[span]! - cutStart[span]!
    let childrenNs = 0
    if (overlap[span] === 1) {
      childrenNs = scheduleFew(tree, from, to, component[span] === k ? 0 : 1)
      ownNs = cutEnd[span]! - cutEnd[tree.byEnd[to - 1]!]!
    } else {
      for (let slot = from; slot < to; slot++) {
        const c = child[slot]!
        ownNs -= cutEnd[c]! - cutStart[c]!
        childrenNs += lengthNs[c]!
      }
    }
    lengthNs[span] = component[span] === k ? childrenNs : childrenNs + ownNs
  }
  return lengthNs[order[orderFrom]!]!
}

/** When the last of some children would end, if they take `lengthNs`, and gaps `works` times as long. */
function scheduleFew({ child, byEnd }: TraceTree, from: number, to: number, works: number): number {
  const { waits: waitedFor, gap, finish } = waits
  let waited = from
  let ready = 0
  let last = 0
  for (let slot = from; slot < to; slot++) {
    for (const until = waitedFor[slot]!; waited < until; waited++) {
      const finished = finish[byEnd[waited]!]!
      if (finished > ready) ready = finished
    }
    const c = child[slot]!
    const end = ready + works * gap[slot]! + lengthNs[c]!
    finish[c] = end
    if (end > last) last = end
  }
  return last
}
