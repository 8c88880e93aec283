import { type Component, compareComponents, OTHER_COMPONENT } from '../trace/component.ts'
import type { GroupComponent } from './bottlenecks.ts'
import {
  type Distribution,
  distributionOf,
  type Intervals,
  intervalsOf,
  rank,
  weightedMean,
} from './ranked.ts'
import { predict, type Replayable } from './replayable.ts'
import { componentKey } from './rollup.ts'
import { meetsTarget, type Target } from './target.ts'
import { statisticOf, suffices, type Verdict } from './verdict.ts'

const NOTHING = new Float64Array(0)

/** Pairs are looked for among this many components, those that save most. */
const COMPONENTS = 12

/** Two components that together suffice: `pair` and what would be left, beside an endpoint's `components`. */
export type Pair = {
  pair: [Component, Component]
  /** `samples`: how many were replayed. */
  pairFigures: { samples: number; ifInstant: Distribution } & Intervals
}

/** Whether the target is missed, and no component alone is enough. */
export function needsPair({ components }: { components: readonly { verdict: Verdict }[] }): boolean {
  const enough: readonly Verdict[] = ['bottleneck', 'target-met']
  return components.length > 0 && !components.some(({ verdict }) => enough.includes(verdict))
}

/**
 * The pair of components whose own work the target is met without, interval included, the one with the lowest
 * resulting statistic; undefined if no pair suffices. No request gets faster than its latency less the critical time of
 * both: pairs that could not suffice, or not be better than the best so far, are not replayed.
 */
export function findPair(replayable: Replayable, target: Target): Pair | undefined {
  const { group } = replayable
  const { durationsNs, weights } = group
  const parts = candidates()
    .map((part) => {
      const instant = durationsNs.slice()
      const criticalNs = new Float64Array(durationsNs.length)
      part.sample.forEach((sample, i) => {
        instant[sample] = part.ifInstantNs[i]!
        criticalNs[sample] = part.criticalNs[i]!
      })
      return { ...part, criticalNs, leftNs: statisticOf(ranked(instant), target) }
    })
    .sort((a, b) => a.leftNs - b.leftNs)
    .slice(0, COMPONENTS)

  const pairs = parts.flatMap((a, i) =>
    parts.slice(i + 1).map((b) => {
      const least = durationsNs.map((ns, s) => Math.max(0, ns - a.criticalNs[s]! - b.criticalNs[s]!))
      return { a: a.component, b: b.component, leastNs: statisticOf(ranked(least), target) }
    }),
  )
  pairs.sort((a, b) => a.leastNs - b.leastNs)

  let best: Pair | undefined
  let bestNs = Number.POSITIVE_INFINITY
  for (const { a, b, leastNs } of pairs) {
    if (leastNs >= bestNs || !meetsTarget(leastNs, target)) break
    const isOne = (c: Component) => compareComponents(c, a) === 0 || compareComponents(c, b) === 0
    const factorOf = (component: Component) => (isOne(component) ? 0 : 1)
    const latenciesNs = replayable.latenciesWith(factorOf)
    const leftNs = statisticOf(ranked(latenciesNs), target)
    if (leftNs >= bestNs || !suffices(ranked(latenciesNs), target)) continue
    const predicted = predict(replayable, factorOf, false, latenciesNs)
    if (!suffices(predicted, target)) continue
    bestNs = leftNs
    best = {
      pair: compareComponents(a, b) < 0 ? [a, b] : [b, a],
      pairFigures: {
        samples: durationsNs.length,
        ifInstant: distributionOf(predicted.ranked, predicted.meanNs),
        ...intervalsOf(predicted),
      },
    }
  }
  return best

  /**
   * Also components that nothing is saved by alone: they may be what takes over from the other one, those with the longest
   * spans first.
   */
  function candidates(): Pick<GroupComponent, 'component' | 'sample' | 'criticalNs' | 'ifInstantNs'>[] {
    const onPath = group.components
      .filter(({ component }) => !isOther(component))
      .toSorted((a, b) => compareComponents(a.component, b.component))
    const known = new Set(onPath.map(({ component }) => componentKey(component)))
    const nowhere = { sample: new Int32Array(0), criticalNs: NOTHING, ifInstantNs: NOTHING }
    const beside = replayable
      .components()
      .filter(({ component }) => !known.has(componentKey(component)))
      .sort((a, b) => b.spansNs - a.spansNs || compareComponents(a.component, b.component))
    return [...onPath, ...beside.map(({ component }) => ({ component, ...nowhere }))]
  }

  function ranked(latenciesNs: Float64Array) {
    return { ranked: rank(latenciesNs, weights), meanNs: weightedMean(latenciesNs, weights) }
  }
}

function isOther(component: Component): boolean {
  return compareComponents(component, OTHER_COMPONENT) === 0
}
