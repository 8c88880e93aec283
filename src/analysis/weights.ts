import type { TraceTree } from '../trace/tree.ts'

/** Requests that each span of the trace at hand stands for. */
export type Weights = {
  /** Works them out for the spans `order[0..orderTo)`, which have parents before children. */
  take(orderTo: number): void
  /** At least 1. */
  of(span: number): number
}

/**
 * A span that does not say how it was sampled was kept with its parent: SDKs decide at the root, and some say so there
 * only. Where no span of the batch stands for more than one request this costs nothing.
 */
export function createWeights(tree: TraceTree): Weights {
  const { spans } = tree
  if (!hasWeights(spans.weight, spans.count)) return { take() {}, of: () => 1 }
  let weight = new Uint32Array(0)
  return {
    take(orderTo) {
      if (weight.length < tree.count) weight = new Uint32Array(tree.capacity)
      const { order, parent, row } = tree
      for (let at = 0; at < orderTo; at++) {
        const span = order[at]!
        const above = parent[span]!
        weight[span] = spans.weight[row[span]!]! || (above < 0 ? 1 : weight[above]!)
      }
    },
    of: (span) => weight[span]!,
  }
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
