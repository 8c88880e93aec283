import { SERVER } from '../../trace/span.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
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
    const { services } = tree.spans.dictionary
    for (const span of scan.servers) {
      if (depth[span]! < 3) continue
      const chain = [services[tree.service[span]!]!]
      let other = false
      for (let up = tree.parent[span]!; up >= 0; up = up === entry ? -1 : tree.parent[up]!) {
        if (tree.kind[up] !== SERVER) continue
        chain.unshift(services[tree.service[up]!]!)
        if (tree.service[up] !== tree.service[span]) other = true
        else if (other) {
          const { components } = tree.spans.dictionary
          const caller = tree.parent[span]!
          const subject = {
            component: components[tree.component[caller]!]!,
            ...codeAround(scan, caller),
            operation: chain.join(' > '),
          }
          const spentNs = scan.lengthOf(caller)
          report({ subject, amount: 1, spentNs }, caller, () => scan.counterfactual.setFactor(caller, 0))
          break
        } else break
      }
    }
  },
  advice: ({ operation }, { spentNs }) =>
    `${operation}: the last call (${inMs(spentNs)}) goes back to a service that waits for it, and under load both can run out of threads: hand over what it needs, or call it afterwards.`,
})
