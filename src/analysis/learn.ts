import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { createTree } from '../trace/tree.ts'
import { assembleTrace } from './assemble.ts'
import { createLearner, type Model } from './dependencies.ts'

/** Learns from the traces of a batch what calls wait for. The model does not depend on the order of the rows. */
export function learnDependencies(spans: SpanColumns): Model {
  const groups = groupByTrace(spans)
  const tree = createTree(spans)
  const learner = createLearner()
  const repairs = createRepairLog()
  for (const trace of byTraceId(spans, groups.rows, groups.first, groups.count)) {
    repairs.count = 0
    const { entries, orderFrom } = assembleTrace(
      tree,
      groups.rows,
      groups.first[trace]!,
      groups.first[trace + 1]!,
      repairs,
    )
    if (entries.length > 0) learner.add(tree, 0, orderFrom.at(-1)!)
  }
  return learner.learn()
}

function byTraceId(spans: SpanColumns, rows: Uint32Array, first: Uint32Array, count: number): Uint32Array {
  const { traceHigh, traceLow } = spans
  return Uint32Array.from({ length: count }, (_, trace) => trace).sort((a, b) => {
    const i = 2 * rows[first[a]!]!
    const j = 2 * rows[first[b]!]!
    return (
      traceHigh[i + 1]! - traceHigh[j + 1]! ||
      traceHigh[i]! - traceHigh[j]! ||
      traceLow[i + 1]! - traceLow[j + 1]! ||
      traceLow[i]! - traceLow[j]!
    )
  })
}
