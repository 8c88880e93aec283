import { byLoad, concurrencyAt } from '../load.ts'
import { definePattern } from '../pattern.ts'
import { glanceAt, quantileAmong, quantileAt } from '../population.ts'
import { inTime, MS } from '../words.ts'

export const lockSuspect = definePattern({
  id: 'lock-suspect',
  title: 'Query that waits for a lock',
  thresholds: {
    tail: { value: 10, unit: 'times p50 at p99', source: 'what a plan costs varies less' },
    p99Ms: { value: 100, unit: 'ms at p99', source: 'below this nobody waits noticeably' },
    growth: {
      value: 2,
      unit: 'times the median, at the most loaded tenth of moments against the least loaded third',
      source: 'waiting grows with those who wait',
    },
    waits: {
      value: 2,
      unit: 'times p50: such a call has waited',
      source: 'what varies by itself varies less',
    },
    calls: { value: 100, unit: 'calls', source: 'fewer have no p99' },
  },
  judge(population, limits, report) {
    for (const group of population.queries()) {
      const { call, startNs, lengthNs, fresh } = group
      if (lengthNs.length < limits.calls) continue
      // A glance first: nowhere near such a tail.
      if (2 * glanceAt(lengthNs, 0.99) < limits.tail * glanceAt(lengthNs, 0.5)) continue
      const p50 = quantileAmong(lengthNs, 0.5)
      const p99 = quantileAmong(lengthNs, 0.99)
      if (p99 < limits.p99Ms * MS || p99 < limits.tail * p50) continue
      const load = concurrencyAt(startNs, lengthNs)
      const loads = byLoad(load)
      if (loads === undefined) continue
      const at = (places: Uint32Array) => quantileAt(lengthNs, places, 0.5)
      if (at(loads.high) < limits.growth * at(loads.low)) continue
      for (let i = fresh; i < lengthNs.length; i++) {
        if (lengthNs[i]! < limits.waits * p50) continue
        report({
          subject: { component: call.component, service: call.service, caller: '', operation: call.label },
          amount: load[i]!,
          spentNs: lengthNs[i]!,
          trace: group.trace[i]!,
          row: group.row[i]!,
          change: (counterfactual, _tree, span) => counterfactual.setLength(span, p50),
        })
      }
    }
  },
  advice: ({ service, operation, component }, { spentNs, amount }) =>
    `${operation} of ${service} on ${component.name} takes ${inTime(spentNs)} when ${Math.round(amount)} run at once and little alone: it waits for a lock; shorten the transactions that hold it.`,
})
