import { rankOf } from '../../analysis/quantile.ts'
import { byLoad } from '../load.ts'
import { definePattern } from '../pattern.ts'
import { glanceAt, quantileAt } from '../population.ts'
import { inTime, MS } from '../words.ts'

export const starvedStart = definePattern({
  id: 'starved-start',
  title: 'Wait before the first call that grows with load: threads, pool or event loop',
  isLatencyOnly: true,
  thresholds: {
    growth: {
      value: 3,
      unit: 'times the p95 of the least loaded third',
      source: 'own work does not grow with others',
    },
    waitMs: { value: 10, unit: 'ms at p95', source: 'below this it may be the scheduler' },
    requests: { value: 60, unit: 'requests', source: '20 in each third of the load' },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const { firstChildNs, endpoint, fresh } = group
      // A glance first: nowhere near the threshold.
      if (glanceAt(firstChildNs, 0.98) < (limits.waitMs * MS) / 2) continue
      let known = 0
      let long = 0
      for (let at = 0; at < firstChildNs.length; at++) {
        if (firstChildNs[at]! >= 0) known++
        if (firstChildNs[at]! >= limits.waitMs * MS) long++
      }
      // Otherwise the p95 is less.
      if (known < limits.requests || known - long >= rankOf(known, 0.95)) continue
      population.workOutLoad(endpoint.service)
      const loads = byLoad(group.load, firstChildNs)
      if (loads === undefined || loads.low.length < limits.requests / 3) continue
      const p95 = (places: Uint32Array) => quantileAt(firstChildNs, places, 0.95)
      const calmNs = p95(loads.low)
      const busyNs = p95(loads.high)
      if (busyNs < limits.growth * calmNs || busyNs < limits.waitMs * MS) continue
      for (let at = fresh; at < firstChildNs.length; at++) {
        if (firstChildNs[at]! <= calmNs) continue
        report({
          subject: {
            component: { kind: 'service', name: endpoint.service },
            service: endpoint.service,
            caller: endpoint.operation,
            operation: endpoint.operation,
          },
          amount: group.load[at]!,
          spentNs: firstChildNs[at]!,
          trace: group.trace[at]!,
          row: group.row[at]!,
          change: (counterfactual, tree, span) =>
            counterfactual.cutGap(tree.child[tree.firstChild[span]!]!, calmNs),
        })
      }
    }
  },
  advice: ({ service, operation }, { amount, spentNs }) =>
    `${service} ${operation} waits ${inTime(spentNs)} before its first call when an instance has ${Math.round(amount)} requests at once, and little when it has few: look at its threads, connection pool or event loop.`,
})
