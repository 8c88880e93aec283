import { SERVER } from '../../trace/span.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime } from '../words.ts'

export const syncCycle = definePattern({
  id: 'sync-cycle',
  title: 'Synchronous cycle',
  thresholds: {
    times: {
      value: 1,
      unit: 'times in a request back to a service that waits',
      source: 'one is enough to run out of threads',
    },
  },
  needs: ['servers'],
  detect(scan, { times }, report) {
    const { tree, depth, place } = scan
    const { chains } = scan.index
    if (depth[scan.deepest]! < 3) return
    const { at, count } = scan.servers
    const back: number[] = []
    for (let i = 0; i < count; i++) if (depth[at[i]!]! >= 3 && isBack(scan, at[i]!)) back.push(at[i]!)
    if (back.length < times) return
    for (const span of back) {
      const { components } = tree.spans.dictionary
      let chain = chains.before(-1, tree.service[span]!)
      for (let up = span; up === span || tree.service[up] !== tree.service[span]; ) {
        up = place[tree.parent[up]!]!
        chain = chains.before(chain, tree.service[up]!)
      }
      const caller = tree.parent[span]!
      const subject = {
        component: components[tree.component[caller]!]!,
        ...codeAround(scan, caller),
        operation: chains.textOf(chain),
      }
      report({ subject, amount: 1, spentNs: scan.lengthOf(caller) }, caller, () =>
        scan.counterfactual.setFactor(caller, 0),
      )
    }
  },
  advice: ({ operation }, { spentNs }) =>
    `${operation}: the last call (${inTime(spentNs)}) goes back to a service that waits for it, and under load both can run out of threads: hand over what it needs, or call it afterwards.`,
})

/** Whether the nearest SERVER of the same service above has one of another in between. */
function isBack({ tree, entry, place }: Scan, span: number): boolean {
  const { kind, parent, service } = tree
  let other = false
  for (let up = span; up !== entry; ) {
    up = place[parent[up]!]!
    // Only a root may be no SERVER.
    if (kind[up] !== SERVER) return false
    if (service[up] === service[span]) return other
    other = true
  }
  return false
}
