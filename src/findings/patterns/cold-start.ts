import { definePattern } from '../pattern.ts'
import { quantileAmong } from '../population.ts'
import { inPercent, inTime } from '../words.ts'

export const coldStart = definePattern({
  id: 'cold-start',
  title: 'Cold starts',
  thresholds: {
    percent: { value: 1, unit: '% of the requests', source: 'fewer do not reach p99' },
  },
  judge(population, _limits, report) {
    for (const group of population.servers) {
      if (!group.cold.includes(1)) continue
      const warm = group.lengthNs.filter((_, at) => group.cold[at] === 0)
      const usualNs = warm.length === 0 ? undefined : quantileAmong(warm, 0.5)
      for (let at = group.fresh; at < group.lengthNs.length; at++) {
        const lengthNs = group.lengthNs[at]!
        if (group.cold[at] === 0 || usualNs === undefined || lengthNs <= usualNs) continue
        report({
          subject: {
            component: { kind: 'service', name: group.endpoint.service },
            service: group.endpoint.service,
            caller: group.endpoint.operation,
            operation: group.endpoint.operation,
          },
          amount: 1,
          spentNs: lengthNs - usualNs,
          trace: group.trace[at]!,
          row: group.row[at]!,
          change: (counterfactual, _tree, span) => counterfactual.setLength(span, usualNs),
        })
      }
    }
  },
  leastShare: ({ percent }) => percent / 100,
  // Others may take as long: it is on their path all the same.
  holds: ({ reachesP99 }) => reachesP99,
  advice: ({ service, operation }, { found, entries, spentNs }) =>
    `${inPercent(found / Math.max(1, entries))} of the requests start ${service} ${operation} cold and take ${inTime(spentNs)} longer: keep instances warm, or load less at start.`,
})
