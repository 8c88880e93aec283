import { SERVER } from '../../trace/span.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inMs } from '../words.ts'

export const syncCycle = definePattern({
  id: 'sync-cycle',
  title: 'Synchronous cycle',
  thresholds: {
    times: {
      value: 1,
      unit: 'times back to a service that waits',
      source: 'one is enough to run out of threads',
    },
  },
  detect(scan, _limits, report) {
    const { tree, entry, depth } = scan
    if (depth[scan.deepest]! < 3) return
    for (const span of scan.servers) {
      if (depth[span]! < 3 || !isBack(scan, span)) continue
      const { components, services } = tree.spans.dictionary
      const chain: string[] = []
      for (let up = span; up >= 0; up = up === entry ? -1 : tree.parent[up]!) {
        if (tree.kind[up] === SERVER) chain.unshift(services[tree.service[up]!]!)
        if (up !== span && tree.kind[up] === SERVER && tree.service[up] === tree.service[span]) break
      }
      const caller = tree.parent[span]!
      const subject = {
        component: components[tree.component[caller]!]!,
        ...codeAround(scan, caller),
        operation: chain.join(' > '),
      }
      report({ subject, amount: 1, spentNs: scan.lengthOf(caller) }, caller, () =>
        scan.counterfactual.setFactor(caller, 0),
      )
    }
  },
  advice: ({ operation }, { spentNs }) =>
    `${operation}: the last call (${inMs(spentNs)}) goes back to a service that waits for it, and under load both can run out of threads: hand over what it needs, or call it afterwards.`,
})

/** Whether the nearest SERVER of the same service above has one of another in between. */
function isBack({ tree, entry }: Scan, span: number): boolean {
  let other = false
  for (let up = tree.parent[span]!; up >= 0; up = up === entry ? -1 : tree.parent[up]!) {
    if (tree.kind[up] !== SERVER) continue
    if (tree.service[up] === tree.service[span]) return other
    other = true
  }
  return false
}
