import { HAS_TIME_LIMIT } from '../../trace/detail.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inPercent, inTime } from '../words.ts'

export const nearTimeLimit = definePattern({
  id: 'near-time-limit',
  title: 'Near the time limit',
  thresholds: {
    percent: {
      value: 90,
      unit: '% of the limit that the span names (faas.timeout)',
      source: 'what is left is no margin',
    },
  },
  needs: ['flagged'],
  detect(scan, { percent }, report) {
    const { tree } = scan
    const { detail, dictionary } = tree.spans
    const { at, count } = scan.flagged
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      const number = detail[tree.row[span]!]!
      if ((dictionary.details.flags[number]! & HAS_TIME_LIMIT) === 0) continue
      const limitNs = Number(dictionary.details.fields(number).timeLimitSeconds) * 1e9
      const spentNs = scan.lengthOf(span)
      if (spentNs < (percent / 100) * limitNs) continue
      const { service, caller } = codeAround(scan, span)
      const component = { kind: 'service', name: service } as const
      report(
        { subject: { component, service, caller, operation: caller }, amount: spentNs / limitNs, spentNs },
        span,
      )
    }
  },
  advice: ({ service, caller }, { amount, spentNs }) =>
    `${service} ${caller} runs for ${inTime(spentNs)}, ${inPercent(amount)} of its time limit: split the work, or raise the limit before it is cut off.`,
})
