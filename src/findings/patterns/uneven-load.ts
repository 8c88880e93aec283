import { definePattern } from '../pattern.ts'
import { inPercent } from '../words.ts'

/** Standard deviations beyond which a share is no chance. */
const SURE = 4

export const unevenLoad = definePattern({
  id: 'uneven-load',
  title: 'Uneven load',
  thresholds: {
    share: { value: 1.5, unit: 'times the fair share', source: 'balancers keep within some 20 %' },
    requests: { value: 100, unit: 'requests', source: 'fewer are uneven by chance' },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const total = group.lengthNs.length
      if (total < limits.requests) continue
      const groups = population.byInstance(group)
      if (groups.length < 2) continue
      const fair = total / groups.length
      for (const { instance, at } of groups) {
        if (at.length < limits.share * fair) continue
        // Binomial: n p (1 - p).
        if (at.length - fair < SURE * Math.sqrt(fair * (1 - 1 / groups.length))) continue
        for (const i of at) {
          if (i < group.fresh) continue
          report({
            subject: {
              component: { kind: 'service', name: group.endpoint.service },
              service: group.endpoint.service,
              caller: group.endpoint.operation,
              operation: population.instances[instance]!,
            },
            amount: at.length / fair,
            spentNs: group.lengthNs[i]!,
            trace: group.trace[i]!,
            row: group.row[i]!,
            // What balance would change about waiting cannot be replayed.
          })
        }
      }
    }
  },
  advice: ({ service, caller, operation }, { amount }) =>
    `instance ${operation} of ${service} gets ${inPercent(amount)} of its fair share of ${caller}: look at the load balancer's rule, sticky sessions and long-lived connections.`,
})
