import type { SpanColumns } from '../trace/columns.ts'
import type { Component } from '../trace/component.ts'
import { groupByTrace } from '../trace/group.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { createTree } from '../trace/tree.ts'
import { assembleTrace } from './assemble.ts'
import { offsetsOf } from './clocks.ts'
import type { Model } from './model.ts'

/** A component, and how long the spans charged to it take in all, ns. */
export type PresentComponent = { component: Component; spansNs: number }

/**
 * Components that the spans at and below the `samples` (rows of `spans`) are charged to, within their entries: also
 * those that are on no critical path, because something that runs beside them always takes longer.
 */
export function componentsIn(
  spans: SpanColumns,
  samples: Iterable<number>,
  model: Model | undefined,
): PresentComponent[] {
  const isSample = new Uint8Array(spans.count)
  for (const row of samples) isSample[row] = 1
  const groups = groupByTrace(spans)
  const tree = createTree(spans)
  const clocks = model === undefined ? undefined : offsetsOf(model.clocks, spans.dictionary)
  const spansNs = new Map<number, number>()
  for (let trace = 0; trace < groups.count; trace++) {
    const [from, to] = [groups.first[trace]!, groups.first[trace + 1]!]
    const { entries, orderFrom } = assembleTrace(tree, groups.rows, from, to, createRepairLog(), clocks)
    const { order, row, parent, component, cutStart, cutEnd } = tree
    const isWithin = new Uint8Array(tree.count)
    for (let e = 0; e < entries.length; e++) {
      for (let at = orderFrom[e]!; at < orderFrom[e + 1]!; at++) {
        const span = order[at]!
        const isBelow = at > orderFrom[e]! && isWithin[parent[span]!] === 1
        if (!isBelow && isSample[row[span]!] === 0) continue
        isWithin[span] = 1
        const known = spansNs.get(component[span]!) ?? 0
        spansNs.set(component[span]!, known + cutEnd[span]! - cutStart[span]!)
      }
    }
  }
  return Array.from(spansNs, ([component, spansNs]) => ({
    component: spans.dictionary.components[component]!,
    spansNs,
  }))
}
