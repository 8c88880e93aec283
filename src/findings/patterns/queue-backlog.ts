import { CONSUMER_ENTRY } from '../../analysis/result.ts'
import { queueOf } from '../../trace/component.ts'
import { definePattern } from '../pattern.ts'
import { inTime, MS } from '../words.ts'

export const queueBacklog = definePattern({
  id: 'queue-backlog',
  title: 'Queue backlog',
  costsNoLatency: true,
  thresholds: {
    waitMs: { value: 1000, unit: 'ms that a message waits', source: 'below this it may be polling' },
    times: {
      value: 5,
      unit: 'times as long as it is worked on',
      source: 'consumers that are busy nine tenths of the time (M/D/1)',
    },
    percent: { value: 10, unit: '% of the messages', source: 'fewer are a peak that passes' },
  },
  leastShare: ({ percent }) => percent / 100,
  watch({ samples, spans }, { waitMs, times }, report) {
    const { dictionary } = spans
    return (s) => {
      const spentNs = samples.queueWaitNs[s]!
      if (samples.kind[s] !== CONSUMER_ENTRY || spentNs < waitMs * MS) return
      const durationNs = samples.durationNs[s]!
      if (spentNs < times * durationNs) return
      const shape = dictionary.fields(spans.shape[samples.span[s]!]!)
      const { service, operation } = dictionary.endpoints[samples.endpoint[s]!]!
      const component = queueOf(shape)
      report(s, 0, {
        subject: { component, service, caller: operation, operation: component.name },
        amount: spentNs / Math.max(1, durationNs),
        spentNs,
      })
    }
  },
  advice: ({ service, caller, operation }, { spentNs }) =>
    `messages wait ${inTime(spentNs)} in ${operation} before ${service} ${caller} takes them: run more consumers, or make each message take less; unless they are meant to wait.`,
})
