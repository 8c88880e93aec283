import { IS_THROTTLED } from '../../trace/detail.ts'
import { OWN } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inPercent, inTime } from '../words.ts'

export const throttling = definePattern({
  id: 'throttling',
  title: 'Throttled calls',
  thresholds: {
    percent: { value: 1, unit: '% of the requests', source: 'now and then is what a limit is for' },
  },
  needs: ['flagged'],
  detect(scan, _limits, report) {
    const { tree, index } = scan
    const { detail, dictionary } = tree.spans
    const { at, count } = scan.flagged
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      if ((dictionary.details.flags[detail[tree.row[span]!]!]! & IS_THROTTLED) === 0) continue
      if (index.roleOf(tree.component[span]!) === OWN) continue
      const { component, label } = index.calls[index.callOf(tree, span)]!
      const subject = { component, ...codeAround(scan, span), operation: label }
      report({ subject, amount: 1, spentNs: scan.lengthOf(span) }, span, () =>
        scan.counterfactual.setLength(span, 0),
      )
    }
  },
  leastShare: ({ percent }) => percent / 100,
  advice: ({ service, caller, operation }, { entries, found, spentNs }) =>
    `${operation} refuses ${service} ${caller} because of a limit in ${inPercent(found / Math.max(1, entries))} of the requests (${inTime(spentNs)} each): call less often, in batches, or have the limit raised.`,
})
