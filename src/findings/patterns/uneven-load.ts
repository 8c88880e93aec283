import type { OfInstance } from '../by-instance.ts'
import type { ServerGroup } from '../observations.ts'
import { definePattern } from '../pattern.ts'
import { countBelow, countUpTo } from '../sorted.ts'
import { inPercent } from '../words.ts'

export const unevenLoad = definePattern({
  id: 'uneven-load',
  title: 'Uneven load',
  thresholds: {
    share: { value: 1.5, unit: 'times the fair share', source: 'balancers keep within some 20 %' },
    requests: { value: 100, unit: 'requests', source: 'fewer are uneven by chance' },
    sigmas: {
      value: 4,
      unit: 'standard deviations beyond its fair share',
      source: 'by chance once in 30,000; operations, instances and batches are many',
    },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const total = group.lengthNs.length
      if (total < limits.requests) continue
      const groups = population.byInstance(group)
      if (groups.length < 2) continue
      for (const one of groups) {
        const { instance, at } = one
        if (at.length < (limits.share * total) / groups.length) continue
        const { fair, variance } = fairShare(group, groups, one)
        if (at.length < limits.share * fair || at.length - fair < limits.sigmas * Math.sqrt(variance))
          continue
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

/**
 * Requests that an instance would have if each went to any of those that were there, which is from their first request
 * to their last, and the variance of that number (Poisson's binomial).
 */
function fairShare(
  { startNs }: ServerGroup,
  groups: readonly OfInstance[],
  of: OfInstance,
): { fair: number; variance: number } {
  const firsts = Float64Array.from(groups, ({ at }) => startNs[at[0]!]!)
  const lasts = firsts.slice()
  groups.forEach(({ at }, place) => {
    for (const i of at) {
      firsts[place] = Math.min(firsts[place]!, startNs[i]!)
      lasts[place] = Math.max(lasts[place]!, startNs[i]!)
    }
  })
  const place = groups.indexOf(of)
  const [fromNs, toNs] = [firsts[place]!, lasts[place]!]
  firsts.sort()
  lasts.sort()
  let fair = 0
  let variance = 0
  for (const { at } of groups) {
    for (const i of at) {
      const ns = startNs[i]!
      if (ns < fromNs || ns > toNs) continue
      const there = countUpTo(firsts, ns) - countBelow(lasts, ns)
      fair += 1 / there
      variance += (1 / there) * (1 - 1 / there)
    }
  }
  return { fair, variance }
}
