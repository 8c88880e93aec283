import type { TraceTree } from '../trace/tree.ts'
import { createWaits, growWaits, listWaits } from './waits.ts'

/**
 * Of traces of at most so many spans roots are re-scheduled as a whole, once a component on their path: to find out first what can be
 * added up takes longer.
 */
export const FEW_SPANS = 12

const waits = createWaits(undefined)
growWaits(waits, FEW_SPANS)
/** Of a span that branches: how long it takes without the work of the component at hand, ns. */
const withoutNs = new Float64Array(FEW_SPANS)

/**
 * Before a root, whose spans are `order[orderFrom..orderTo)`, is re-scheduled: lists what overlapping children waited for. Returns where
 * the spans that branch end.
 */
export function listFew(tree: TraceTree, orderFrom: number, orderTo: number): number {
  const { branching, overlap, firstChild, live, cutStart, cutEnd } = tree
  let at = orderFrom
  for (; at < orderTo; at++) {
    const span = branching[at]!
    if (span < 0) break
    if (overlap[span] === 0) continue
    const from = firstChild[span]!
    const to = from + live[span]!
    const startNs = cutStart[span]!
    listWaits(tree, waits, { span, learned: false, from, to, startNs, endNs: cutEnd[span]! })
  }
  return at
}

/** How long a root, whose spans `branching[from..to)` branch, would take without the work of component `k`, ns. */
export function fewWithout(tree: TraceTree, from: number, to: number, k: number): number {
  const { branching, overlap, component, firstChild, child, live, cutStart, cutEnd, byEnd } = tree
  // Children before their parents.
  for (let at = to - 1; at >= from; at--) {
    const span = branching[at]!
    const first = firstChild[span]!
    const last = first + live[span]!
    const works = component[span] === k ? 0 : 1
    if (overlap[span] === 1) {
      const tailNs = cutEnd[span]! - cutEnd[byEnd[last - 1]!]!
      withoutNs[span] = scheduleFew(tree, first, last, works, k) + works * tailNs
      continue
    }
    let ownNs = cutEnd[span]! - cutStart[span]!
    let childrenNs = 0
    for (let slot = first; slot < last; slot++) {
      const c = child[slot]!
      ownNs -= cutEnd[c]! - cutStart[c]!
      childrenNs += childWithout(tree, c, k)
    }
    withoutNs[span] = childrenNs + works * ownNs
  }
  return withoutNs[branching[from]!]!
}

function childWithout({ live, component, cutStart, cutEnd }: TraceTree, c: number, k: number): number {
  const lengthNs = cutEnd[c]! - cutStart[c]!
  if (live[c]! > 0 && lengthNs > 0) return withoutNs[c]!
  return component[c] === k ? 0 : lengthNs
}

/** When the last of some children would end, if the gaps between them take `works` times as long. */
function scheduleFew(tree: TraceTree, from: number, to: number, works: number, k: number): number {
  const { child, byEnd } = tree
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
    const end = ready + works * gap[slot]! + childWithout(tree, c, k)
    finish[c] = end
    if (end > last) last = end
  }
  return last
}
