import { describe, expect, it } from 'vitest'
import { linkTrace, settleTrace } from '../../src/analysis/assemble.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { createLinkedTraces, keepLinked, restoreLinked } from '../../src/trace/linked-traces.ts'
import { createRepairLog } from '../../src/trace/repair-log.ts'
import { createTree, type TraceTree } from '../../src/trace/tree.ts'
import { seeded } from '../bench/random.ts'
import { messyTrace } from '../oracle/messy.ts'
import { toColumns } from '../oracle/to-columns.ts'

/** All that settling has left of the trace in the tree. */
function settled(tree: TraceTree, entries: number[]) {
  const repairs = createRepairLog()
  const assembled = settleTrace(tree, entries, repairs)
  const { count, originLow, originHigh } = tree
  const columns = (['row', 'parent', 'entry', 'start', 'end', 'detached', 'live', 'component'] as const).map(
    (name) => Array.from(tree[name].subarray(0, count)),
  )
  const end = assembled.orderFrom.at(-1)!
  const bounds = Array.from(tree.order.subarray(0, end), (span) => [
    span,
    tree.cutStart[span],
    tree.cutEnd[span],
  ])
  const children = Array.from(tree.child.subarray(0, tree.firstChild[count]))
  return { assembled, repairs: repairs.count, count, originLow, originHigh, columns, bounds, children }
}

describe('linked traces', () => {
  it('are settled later as if they had just been linked, others between them', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const columns = toColumns(messyTrace(seeded(seed)))
      const tree = createTree(columns)
      const groups = groupByTrace(columns)
      const link = () => linkTrace(tree, groups.rows, 0, columns.count, createRepairLog())
      const linked = createLinkedTraces(2 * columns.count)
      expect(keepLinked(linked, tree, link())).toBe(true)
      const expected = settled(tree, link())
      expect(keepLinked(linked, tree, link())).toBe(true)
      for (const place of [1, 0]) {
        expect(settled(tree, restoreLinked(linked, tree, place)), `seed ${seed}`).toEqual(expected)
      }
      // Another tree has never seen the trace.
      const other = createTree(columns)
      expect(settled(other, restoreLinked(linked, other, 0)), `seed ${seed}`).toEqual(expected)
    }
  })

  it('are kept as long as there is room', () => {
    const columns = toColumns(messyTrace(seeded(1)))
    const tree = createTree(columns)
    const roots = linkTrace(tree, groupByTrace(columns).rows, 0, columns.count, createRepairLog())
    const linked = createLinkedTraces(tree.count)
    expect([keepLinked(linked, tree, roots), keepLinked(linked, tree, roots)]).toEqual([true, false])
  })
})
