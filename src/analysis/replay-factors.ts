import type { TraceTree } from '../trace/tree.ts'
import type { Dependencies } from './dependencies.ts'
import {
  type Block,
  createWaits,
  growWaits,
  isLearned,
  listWaits,
  scheduleBlock,
  type Waits,
} from './waits.ts'

/** Latency of every span of a root with own work `factor` times as long, in ns. */
export type FactorTable = { waits: Waits; factor: Float64Array; length: Float64Array; left: Float64Array }

export function createFactorTable(dependencies: Dependencies | undefined): FactorTable {
  const empty = new Float64Array(0)
  return { waits: createWaits(dependencies), factor: empty, length: empty, left: empty }
}

export function growFactorTable(table: FactorTable, spans: number): void {
  growWaits(table.waits, spans)
  if (table.factor.length >= spans) return
  table.factor = new Float64Array(spans)
  table.length = new Float64Array(spans)
  table.left = new Float64Array(spans)
}

/** Fills `length` for `order[orderFrom..orderTo)` from each span's `factor`: the same schedule, any factor. */
export function replayFactors(tree: TraceTree, table: FactorTable, orderFrom: number, orderTo: number): void {
  const { order, firstChild, child, live, cutStart, cutEnd } = tree
  const { waits, factor, length, left } = table
  for (let at = orderTo - 1; at >= orderFrom; at--) {
    const span = order[at]!
    const from = firstChild[span]!
    const to = from + live[span]!
    const block: Block = {
      span,
      learned: isLearned(waits, span),
      from,
      to,
      startNs: cutStart[span]!,
      endNs: cutEnd[span]!,
    }
    const tail = listWaits(tree, waits, block)
    for (let slot = from; slot < to; slot++) left[slot] = length[child[slot]!]!
    length[span] = scheduleBlock(tree, waits, block, left, factor[span]!, tail)
  }
}
