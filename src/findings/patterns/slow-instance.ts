import type { Counterfactual } from '../../analysis/counterfactual.ts'
import { quantileOf } from '../../analysis/quantile.ts'
import type { TraceTree } from '../../trace/tree.ts'
import type { OfInstance } from '../by-instance.ts'
import type { ServerGroup } from '../observations.ts'
import { definePattern } from '../pattern.ts'
import { quantileAmong } from '../population.ts'
import { countUpTo } from '../sorted.ts'
import { inTime } from '../words.ts'

export const slowInstance = definePattern({
  id: 'slow-instance',
  title: 'One instance slower than its siblings',
  thresholds: {
    ratio: {
      value: 2,
      unit: 'times the median p95 of the instances',
      source: 'the same code on the same machines varies less',
    },
    requests: { value: 20, unit: 'requests an instance', source: 'fewer have no p95' },
    sigmas: {
      value: 4,
      unit: "standard deviations that its share of slow requests is beyond its siblings'",
      source: 'by chance once in 30,000; operations, instances and batches are many',
    },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const groups = population.byInstance(group).filter(({ at }) => at.length >= limits.requests)
      if (groups.length < 2) continue
      const p95s = groups.map(({ at }) => quantileAmong(lengthsAt(group, at), 0.95))
      groups.forEach((one, place) => {
        const ownNs = p95s[place]!
        const siblingsNs = quantileAmong(
          p95s.filter((_, other) => other !== place),
          0.5,
        )
        if (ownNs === 0 || ownNs < limits.ratio * siblingsNs) return
        const own = lengthsAt(group, one.at).sort()
        const usual = lengthsOf(group, groups, one).sort()
        if (excess(own, usual, Math.sqrt(ownNs * siblingsNs)) < limits.sigmas) return
        for (const i of one.at) {
          if (i < group.fresh) continue
          const lengthNs = group.lengthNs[i]!
          // As fast as its siblings: the slowest tenth of its requests as their slowest tenth, and so on.
          const usualNs = quantileOf(usual, countUpTo(own, lengthNs) / own.length)
          const factor = lengthNs === 0 ? 1 : Math.min(1, usualNs / lengthNs)
          report({
            subject: {
              component: { kind: 'service', name: group.endpoint.service },
              service: group.endpoint.service,
              caller: group.endpoint.operation,
              operation: population.instances[one.instance]!,
            },
            amount: siblingsNs === 0 ? limits.ratio : ownNs / siblingsNs,
            spentNs: lengthNs,
            trace: group.trace[i]!,
            row: group.row[i]!,
            change: (counterfactual, tree, span) => speedUp(counterfactual, tree, span, factor),
          })
        }
      })
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `instance ${operation} of ${service} answers ${caller} ${amount.toFixed(1)} times as slowly as its siblings (${inTime(spentNs)}): replace it, or see what its machine lacks.`,
})

function lengthsAt({ lengthNs }: ServerGroup, at: Uint32Array): Float64Array {
  const lengths = new Float64Array(at.length)
  for (let i = 0; i < at.length; i++) lengths[i] = lengthNs[at[i]!]!
  return lengths
}

/** Of all instances but one. */
function lengthsOf(group: ServerGroup, groups: readonly OfInstance[], without: OfInstance): Float64Array {
  const others = groups.filter((one) => one !== without)
  const all = new Float64Array(others.reduce((sum, { at }) => sum + at.length, 0))
  let next = 0
  for (const { at } of others) for (const i of at) all[next++] = group.lengthNs[i]!
  return all
}

/**
 * By how many standard deviations the share of an instance's requests that take longer than `cutNs` is beyond its
 * siblings' (test of two proportions, pooled): a p95 alone jumps where the slow are about one in twenty. Both sorted.
 */
function excess(own: Float64Array, usual: Float64Array, cutNs: number): number {
  const slow = own.length - countUpTo(own, cutNs)
  const usuallySlow = usual.length - countUpTo(usual, cutNs)
  const share = (slow + usuallySlow) / (own.length + usual.length)
  const sigma = Math.sqrt(share * (1 - share) * (1 / own.length + 1 / usual.length))
  const difference = slow / own.length - usuallySlow / usual.length
  return sigma === 0 ? 0 : difference / sigma
}

/** The instance's own work within a request: the span's, and of spans of the same service below it. */
function speedUp(counterfactual: Counterfactual, tree: TraceTree, span: number, factor: number): void {
  const instances = tree.spans.dictionary.shapeInstance
  const open = [span]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    counterfactual.setFactor(next, factor)
    const first = tree.firstChild[next]!
    for (let slot = first; slot < first + tree.live[next]!; slot++) {
      const c = tree.child[slot]!
      const own = tree.spans.dictionary.components[tree.component[c]!]!.kind === 'service'
      if (
        own &&
        tree.service[c] === tree.service[span] &&
        instances[tree.shape[c]!] === instances[tree.shape[span]!]
      )
        open.push(c)
    }
  }
}
