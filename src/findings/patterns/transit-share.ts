import { calleeOf } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const transitShare = definePattern({
  id: 'transit-share',
  title: 'Serialization or transit',
  isLatencyOnly: true,
  thresholds: {
    percent: {
      value: 30,
      unit: '% of the call outside its callee',
      source: 'a network of one site takes a few',
    },
    transitMs: { value: 20, unit: 'ms', source: 'more than a round trip within a region' },
  },
  needs: ['remotes'],
  detect(scan, { percent, transitMs }, report) {
    const { tree, index } = scan
    const { at, count } = scan.remotes
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      const lengthNs = scan.lengthOf(span)
      if (lengthNs < transitMs * MS || tree.failed[span] === 1) continue
      const callee = calleeOf(tree, span)
      if (callee < 0 || tree.live[span] !== 1) continue
      const spentNs = lengthNs - scan.lengthOf(callee)
      if (spentNs < transitMs * MS || spentNs < (percent / 100) * lengthNs) continue
      const { component, label } = index.calls[index.callOf(tree, span)]!
      const subject = { component, ...codeAround(scan, span), operation: label }
      report({ subject, amount: spentNs / lengthNs, spentNs }, span, () =>
        scan.counterfactual.setFactor(span, 0),
      )
    }
  },
  advice: ({ service, caller, operation }, { spentNs }) =>
    `${service} ${caller} loses ${inTime(spentNs)} between itself and ${operation}: look at serialization, TLS handshakes, connection pools and accept queues.`,
})
