import type { TraceTree } from '../trace/tree.ts'

/** Requests that each span of the trace at hand stands for; undefined: no span of the batch stands for more than one. */
export type Weights = { weight: Uint32Array } | undefined

export function createWeights({ spans }: TraceTree): Weights {
  return hasWeights(spans.weight, spans.count) ? { weight: new Uint32Array(0) } : undefined
}

/**
 * Works them out for the spans `order[0..orderTo)`, which have parents before children. A span that does not say how it
 * was sampled was kept with its parent: SDKs decide at the root, and some say so there only.
 */
export function takeWeights(weights: Weights, tree: TraceTree, orderTo: number): void {
  if (weights === undefined) return
  if (weights.weight.length < tree.count) weights.weight = new Uint32Array(tree.capacity)
  const { weight } = weights
  const { order, parent, row, spans } = tree
  for (let at = 0; at < orderTo; at++) {
    const span = order[at]!
    const above = parent[span]!
    weight[span] = spans.weight[row[span]!]! || (above < 0 ? 1 : weight[above]!)
  }
}

/** At least 1. */
export function weightOf(weights: Weights, span: number): number {
  return weights === undefined ? 1 : weights.weight[span]!
}

function hasWeights(weight: Uint32Array, count: number): boolean {
  let bits = 0
  for (let row = 0; row < count; row++) bits |= weight[row]!
  return bits >>> 0 > 1
}

/** Weights of samples as a column; undefined where each stands for itself. */
export function weightsOf(weights: readonly number[]): Float64Array | undefined {
  return weights.some((weight) => weight !== 1) ? Float64Array.from(weights) : undefined
}
