import { OWN } from '../calls.ts'
import { IS_POOL_WAIT } from '../names.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const poolWait = definePattern({
  id: 'pool-wait',
  title: 'Wait for a connection of the pool',
  isLatencyOnly: true,
  thresholds: {
    waitMs: { value: 10, unit: 'ms', source: 'a free connection is had in microseconds' },
  },
  needs: ['marked'],
  detect(scan, { waitMs }, report) {
    const { tree } = scan
    const { at, count } = scan.marked
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      if ((scan.index.marks()[tree.shape[span]!]! & IS_POOL_WAIT) === 0) continue
      // A span around the query itself is no wait.
      const spentNs = scan.lengthOf(span)
      if (spentNs < waitMs * MS || (tree.live[span]! > 0 && scan.families.count[span]! > 0)) continue
      const { components, fields } = tree.spans.dictionary
      const own = components[tree.component[span]!]!
      const subject = {
        component:
          scan.index.roleOf(tree.component[span]!) === OWN
            ? { kind: 'service' as const, name: own.name }
            : own,
        ...codeAround(scan, span),
        operation: fields(tree.shape[span]!).name,
      }
      report({ subject, amount: 1, spentNs }, span, () => scan.counterfactual.setLength(span, 0))
    }
  },
  advice: ({ service, caller, operation }, { spentNs }) =>
    `${service} ${caller} waits ${inTime(spentNs)} in ${operation}: give connections back sooner (shorter transactions, no calls while holding one), or let the pool be larger.`,
})
