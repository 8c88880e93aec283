import { CONSUMER, PRODUCER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'

/**
 * Fills `producer` with each CONSUMER's nearest PRODUCER ancestor with only CONSUMERs between, -1 where there is none.
 * `order` holds the whole trace, parents first.
 */
export function findProducers(tree: TraceTree, orderTo: number, producer: Int32Array): void {
  const { order, parent, kind } = tree
  for (let at = 0; at < orderTo; at++) {
    const i = order[at]!
    const p = parent[i]!
    producer[i] = p < 0 ? -1 : kind[p] === PRODUCER ? p : kind[p] === CONSUMER ? producer[p]! : -1
  }
}

/** A consumer entry's wait: its start minus the producer's end, moved but not cut; at least 0. */
export function queueWaitNs(tree: TraceTree, entry: number, producer: Int32Array): number {
  const from = producer[entry]!
  return from < 0 ? 0 : Math.max(0, tree.start[entry]! - tree.end[from]!)
}
