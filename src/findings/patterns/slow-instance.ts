import type { Counterfactual } from '../../analysis/counterfactual.ts'
import { quantileOf } from '../../analysis/quantile.ts'
import type { TraceTree } from '../../trace/tree.ts'
import type { OfInstance } from '../by-instance.ts'
import type { ServerGroup } from '../observations.ts'
import { definePattern } from '../pattern.ts'
import { quantileAmong } from '../population.ts'
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
    middle: {
      value: 1.25,
      unit: 'times the median p50 of the instances',
      source: 'a slow machine is always slow, not only in the tail',
    },
    requests: { value: 20, unit: 'requests an instance', source: 'fewer have no p95' },
  },
  judge(population, limits, report) {
    for (const group of population.servers) {
      const groups = population.byInstance(group).filter(({ at }) => at.length >= limits.requests)
      if (groups.length < 2 || !meansDiffer(group, groups)) continue
      const figures = groups.map(({ instance, at }) => {
        const lengths = Float64Array.from(at, (i) => group.lengthNs[i]!).sort()
        return { instance, p50: quantileOf(lengths, 0.5), p95: quantileOf(lengths, 0.95) }
      })
      for (const one of figures) {
        const others = figures.filter((other) => other !== one)
        const medianNs = quantileAmong(
          others.map(({ p95 }) => p95),
          0.5,
        )
        const siblingNs = quantileAmong(
          others.map(({ p50 }) => p50),
          0.5,
        )
        if (one.p95 < limits.ratio * medianNs || one.p50 < limits.middle * siblingNs) continue
        if (one.p50 === 0) continue
        // As fast as its siblings usually are; the tail is cut by no more than the middle.
        const factor = Math.min(1, Math.max(siblingNs / one.p50, medianNs / one.p95))
        for (let at = group.fresh; at < group.lengthNs.length; at++) {
          if (group.instance[at] !== one.instance) continue
          report({
            subject: {
              component: { kind: 'service', name: group.endpoint.service },
              service: group.endpoint.service,
              caller: group.endpoint.operation,
              operation: population.instances[one.instance]!,
            },
            amount: one.p95 / medianNs,
            spentNs: group.lengthNs[at]!,
            trace: group.trace[at]!,
            row: group.row[at]!,
            change: (counterfactual, tree, span) => speedUp(counterfactual, tree, span, factor),
          })
        }
      }
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `instance ${operation} of ${service} answers ${caller} ${amount.toFixed(1)} times as slowly as its siblings (${inTime(spentNs)}): replace it, or see what its machine lacks.`,
})

/** What is twice as slow at p95, and slower in the middle, has another mean: sorting can be saved. */
function meansDiffer({ lengthNs }: ServerGroup, groups: readonly OfInstance[]): boolean {
  const means = groups.map(({ at }) => {
    let sumNs = 0
    for (let i = 0; i < at.length; i++) sumNs += lengthNs[at[i]!]!
    return sumNs / at.length
  })
  return Math.max(...means) > 1.1 * Math.min(...means)
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
