import { CLIENT, PRODUCER } from '../../trace/span.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime } from '../words.ts'

export const failureCascade = definePattern({
  id: 'failure-cascade',
  title: 'Failure cascade',
  thresholds: {
    services: {
      value: 2,
      unit: 'services that fail one because of the other',
      source: 'one alone is no cascade',
    },
  },
  needs: ['failed'],
  detect(scan, { services }, report) {
    const { tree, failed, entry } = scan
    if (failed.count < 2) return
    for (const [top, deepest] of deepestFailures(scan)) {
      const of = new Set([tree.service[deepest]!])
      let above = 0
      for (let up = deepest; up !== top; above++) {
        up = tree.parent[up]!
        // A call that fails is not yet its caller's failure.
        if (up === entry || (tree.kind[up] !== CLIENT && tree.kind[up] !== PRODUCER))
          of.add(tree.service[up]!)
      }
      if (of.size < services) continue
      const { components } = tree.spans.dictionary
      const subject = {
        component: components[tree.component[deepest]!]!,
        ...codeAround(scan, deepest),
        operation: labelOf(scan, deepest),
      }
      report({ subject, amount: above, spentNs: scan.lengthOf(deepest) }, deepest, () =>
        scan.counterfactual.setLength(deepest, 0),
      )
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${operation} in ${service} ${caller} fails after ${inTime(spentNs)} and takes ${Math.round(amount)} spans above it down: the cause is there, the others only pass it on.`,
})

/**
 * By failed span whose parent has not failed, or did not wait: the one furthest below it with only failed ones between;
 * of several the last to end. A caller that answers all the same stops a cascade.
 */
function deepestFailures({ tree, failed, entry }: Scan): Map<number, number> {
  /** By failed span: its top, and how far below that it is. */
  const topOf = new Map<number, number>()
  const depth = new Map<number, number>()
  const deepest = new Map<number, number>()
  // Parents come before children.
  for (let i = 0; i < failed.count; i++) {
    const span = failed.at[i]!
    const top = span === entry ? undefined : topOf.get(tree.parent[span]!)
    if (top === undefined) {
      topOf.set(span, span)
      depth.set(span, 0)
      deepest.set(span, span)
      continue
    }
    topOf.set(span, top)
    const below = depth.get(tree.parent[span]!)! + 1
    depth.set(span, below)
    const known = deepest.get(top)!
    const deeper = below - depth.get(known)!
    if (deeper > 0 || (deeper === 0 && tree.cutEnd[span]! > tree.cutEnd[known]!)) deepest.set(top, span)
  }
  return deepest
}

function labelOf({ tree, index }: Scan, span: number): string {
  const shape = tree.spans.dictionary.fields(tree.shape[span]!)
  return index.roleOf(tree.component[span]!) === 0 ? shape.name : index.calls[index.callOf(tree, span)]!.label
}
