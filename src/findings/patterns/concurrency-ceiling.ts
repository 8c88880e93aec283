import type { ServerGroup } from '../observations.ts'
import { definePattern } from '../pattern.ts'
import { quantileAmong } from '../population.ts'
import { inTime, MS } from '../words.ts'

export const concurrencyCeiling = definePattern({
  id: 'concurrency-ceiling',
  title: 'Concurrency that stops at a ceiling',
  isLatencyOnly: true,
  thresholds: {
    percent: { value: 10, unit: '% of the requests start when it is reached', source: 'a peak is not flat' },
    growth: {
      value: 3,
      unit: 'times the wait for arrival below it',
      source: 'requests queue in front of it',
    },
    ceiling: { value: 2, unit: 'requests at once, at least', source: 'one at a time may be all there is' },
    waitMs: { value: 10, unit: 'ms of that wait at p50', source: 'below this it may be the network' },
    requests: { value: 100, unit: 'requests', source: 'fewer show no ceiling' },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const { arrivalNs, load, endpoint, fresh } = group
      if (arrivalNs.length < limits.requests || !mayQueue(group, population.isLarge, limits)) continue
      population.workOutLoad(endpoint.service)
      const known: number[] = []
      for (let at = 0; at < arrivalNs.length; at++) if (arrivalNs[at]! >= 0 && load[at]! > 0) known.push(at)
      if (known.length < limits.requests) continue
      const ceiling = known.reduce((most, at) => Math.max(most, load[at]!), 0)
      const at = known.filter((i) => load[i] === ceiling)
      const below = known.filter((i) => load[i]! < ceiling)
      if (ceiling < limits.ceiling || at.length < (limits.percent / 100) * known.length || below.length === 0)
        continue
      const p50 = (indexes: readonly number[]) =>
        quantileAmong(
          indexes.map((i) => arrivalNs[i]!),
          0.5,
        )
      const calmNs = p50(below)
      if (p50(at) < limits.waitMs * MS || p50(at) < limits.growth * calmNs) continue
      for (const i of at) {
        if (i < fresh || arrivalNs[i]! <= calmNs) continue
        report({
          subject: {
            component: { kind: 'service', name: endpoint.service },
            service: endpoint.service,
            caller: endpoint.operation,
            operation: endpoint.operation,
          },
          amount: ceiling,
          spentNs: arrivalNs[i]!,
          trace: group.trace[i]!,
          row: group.row[i]!,
          change: (counterfactual, _tree, span) => counterfactual.cutGap(span, calmNs),
        })
      }
    }
  },
  leastShare: ({ percent }) => Math.min(1, percent) / 100,
  advice: ({ service, operation }, { amount, spentNs }) =>
    `instances of ${service} never work on more than ${Math.round(amount)} requests at once, and ${operation} waits ${inTime(spentNs)} in front of them: raise the limit of workers, or run more instances.`,
})

/**
 * Whether enough requests waited so long: half of those that start when the ceiling is reached. Of a small batch one is
 * enough for the load to be worked out, and remembered.
 */
function mayQueue(
  { arrivalNs, fresh }: ServerGroup,
  isLarge: boolean,
  { waitMs, percent }: { waitMs: number; percent: number },
): boolean {
  let long = 0
  let known = 0
  for (let at = 0; at < arrivalNs.length; at++) {
    if (arrivalNs[at]! >= waitMs * MS) long++
    if (at >= fresh && arrivalNs[at]! >= 0) known++
  }
  return long > 0 && (!isLarge || long >= (percent / 200) * known)
}
