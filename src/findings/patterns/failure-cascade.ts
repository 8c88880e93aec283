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
    if (tree.failed[entry] === 0 || failed.count < 2) return
    const deepest = deepestFailure(scan)
    const above: number[] = []
    for (let up = deepest; up !== entry; up = tree.parent[up]!) above.push(tree.parent[up]!)
    const of = new Set([deepest, ...above].map((span) => tree.service[span]!))
    if (of.size < services) return
    const { components } = tree.spans.dictionary
    const subject = {
      component: components[tree.component[deepest]!]!,
      ...codeAround(scan, deepest),
      operation: labelOf(scan, deepest),
    }
    report({ subject, amount: above.length, spentNs: scan.lengthOf(deepest) }, deepest, () =>
      scan.counterfactual.setLength(deepest, 0),
    )
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${operation} in ${service} ${caller} fails after ${inTime(spentNs)} and takes ${Math.round(amount)} spans above it down: the cause is there, the others only pass it on.`,
})

/** The failed span furthest below the root with only failed ones between; of several the last to end. */
function deepestFailure({ tree, failed, entry }: Scan): number {
  const depth = new Map([[entry, 0]])
  let deepest = entry
  // Parents come before children.
  for (let i = 0; i < failed.count; i++) {
    const span = failed.at[i]!
    if (span === entry) continue
    const above = depth.get(tree.parent[span]!)
    if (above === undefined) continue
    depth.set(span, above + 1)
    const deeper = above + 1 - depth.get(deepest)!
    if (deeper > 0 || (deeper === 0 && tree.cutEnd[span]! > tree.cutEnd[deepest]!)) deepest = span
  }
  return deepest
}

function labelOf({ tree, index }: Scan, span: number): string {
  const shape = tree.spans.dictionary.fields(tree.shape[span]!)
  return index.roleOf(tree.component[span]!) === 0 ? shape.name : index.calls[index.callOf(tree, span)]!.label
}
