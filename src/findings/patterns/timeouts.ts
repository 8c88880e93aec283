import { IS_TIMEOUT } from '../../trace/detail.ts'
import { CLIENT } from '../../trace/span.ts'
import { calleeOf, OWN } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, flagsOf, type Scan } from '../scan.ts'
import { inTime } from '../words.ts'

export const timeouts = definePattern({
  id: 'timeouts',
  title: 'Timeouts: the caller was gone before the answer came',
  thresholds: {
    overPercent: {
      value: 5,
      unit: '% of the call that its callee ended later',
      source: 'clocks differ by less',
    },
  },
  needs: ['failed', 'flagged'],
  detect(scan, { overPercent }, report) {
    const { tree, index } = scan
    for (const list of [scan.flagged, scan.failed]) {
      for (let i = 0; i < list.count; i++) {
        const span = list.at[i]!
        if (list === scan.failed && flagsOf(scan, span) !== 0) continue
        if (tree.kind[span] !== CLIENT || index.roleOf(tree.component[span]!) === OWN) continue
        const saysSo = (flagsOf(scan, span) & IS_TIMEOUT) !== 0
        if (!saysSo && !isOutlived(scan, span, overPercent / 100)) continue
        const { component, label } = index.calls[index.callOf(tree, span)]!
        const subject = { component, ...codeAround(scan, span), operation: label }
        report({ subject, amount: 1, spentNs: scan.lengthOf(span) }, span, () =>
          scan.counterfactual.setLength(span, 0),
        )
      }
    }
  },
  advice: ({ service, caller, operation }, { spentNs }) =>
    `${service} ${caller} waits ${inTime(spentNs)} for ${operation} and gives up: make that faster, or give up sooner where an answer can do without it.`,
})

/** The SERVER went on after its caller had failed: by the times before anything was cut. */
function isOutlived({ tree }: Scan, span: number, share: number): boolean {
  const callee = calleeOf(tree, span)
  if (callee < 0 || tree.failed[span] === 0) return false
  return tree.end[callee]! - tree.end[span]! > share * (tree.end[span]! - tree.start[span]!)
}
