import { type Component, compareComponents } from '../trace/component.ts'
import { sumValue } from './exact-sum.ts'
import { normalBelow } from './log-normal.ts'
import { Z_95 } from './quantile.ts'
import { type Distribution, distributionOf } from './ranked.ts'
import type { ComponentRollup, Rollup } from './rollup.ts'
import { effectiveSamples, meanNs, predictedOf } from './rollup-figures.ts'

/** The mean of something before and after, and whether the difference is larger than chance explains. */
export type Change = {
  beforeNs: number
  afterNs: number
  changeNs: number
  /** Half the width of the 95 % confidence interval of changeNs; null where there are too few samples. */
  marginNs: number | null
  beyondChance: boolean
}

export type ComponentChange = Component &
  Change & {
    /** Times a request enters the component on its critical path, and mean critical time of each, ns; of entries only. */
    calls: { before: number; after: number; beforeNsEach: number; afterNsEach: number } | null
    /** The parts of changeNs that are more (or fewer) calls, and slower (or faster) ones; they add up to it. */
    byCallsNs: number | null
    byTimeNs: number | null
  }

export type Comparison = {
  before: { entries: number; distribution: Distribution }
  after: { entries: number; distribution: Distribution }
  /** Of mean latency: the sum of the components' changes. */
  mean: Change
  components: ComponentChange[]
}

/** Fewer samples say nothing about how much they scatter. */
const FEWEST = 10

/**
 * Mean latency is the sum of the components' mean critical time, so its change is the sum of theirs: nothing is left
 * over. A change is beyond chance where Welch's test says so at 5 % (of components: all of them together, by
 * Bonferroni); requests of one time are more alike than the test assumes, so what is barely beyond chance may be it.
 */
export function compareRollups(before: Rollup, after: Rollup): Comparison {
  const keys = [...new Set([...before.components.keys(), ...after.components.keys()])]
  const total = (rollup: Rollup) => ({ mean: meanNs(rollup), squares: rollup.durationSquares })
  const components = keys.map((key): ComponentChange => {
    const [a, b] = [before.components.get(key), after.components.get(key)]
    const { component } = (a ?? b)!
    const change = changeOf(before, meansOf(before, a), after, meansOf(after, b), keys.length)
    return { kind: component.kind, name: component.name, ...change, ...callsOf(before, a, after, b) }
  })
  return {
    before: sideOf(before),
    after: sideOf(after),
    mean: changeOf(before, total(before), after, total(after), 1),
    components: components.sort(
      (a, b) => Math.abs(b.changeNs) - Math.abs(a.changeNs) || compareComponents(a, b),
    ),
  }
}

function sideOf(rollup: Rollup) {
  const observed = predictedOf(rollup.observed, rollup, meanNs(rollup))
  return { entries: rollup.samples, distribution: distributionOf(observed.ranked, observed.meanNs) }
}

/** Mean, ns, and the sum of squares, square seconds. */
type Means = { mean: number; squares: number }

function meansOf(rollup: Rollup, part: ComponentRollup | undefined): Means {
  if (part === undefined || rollup.weight === 0) return { mean: 0, squares: 0 }
  return { mean: sumValue(part.criticalNs) / rollup.weight, squares: part.criticalSquares }
}

function changeOf(before: Rollup, a: Means, after: Rollup, b: Means, tests: number): Change {
  const changeNs = b.mean - a.mean
  const error = Math.sqrt(errorSquare(before, a) + errorSquare(after, b))
  const known = Number.isFinite(error)
  return {
    beforeNs: a.mean,
    afterNs: b.mean,
    changeNs,
    marginNs: known ? Z_95 * error : null,
    beyondChance: known && Math.abs(changeNs) > normalQuantile(1 - 0.025 / tests) * error,
  }
}

/** Square of the standard error of a mean, square ns. */
function errorSquare(rollup: Rollup, { mean, squares }: Means): number {
  if (rollup.samples < FEWEST) return Number.POSITIVE_INFINITY
  const n = effectiveSamples(rollup)
  const variance = Math.max(0, (1e18 * squares) / rollup.weight - mean ** 2)
  return variance / (n - 1)
}

function callsOf(
  before: Rollup,
  a: ComponentRollup | undefined,
  after: Rollup,
  b: ComponentRollup | undefined,
) {
  const calls = {
    before: a === undefined ? 0 : a.calls / before.weight,
    after: b === undefined ? 0 : b.calls / after.weight,
  }
  const unknown =
    before.weight === 0 ||
    after.weight === 0 ||
    (a !== undefined && a.calls === 0) ||
    (b !== undefined && b.calls === 0)
  if (unknown) return { calls: null, byCallsNs: null, byTimeNs: null }
  const each = (part: ComponentRollup | undefined) =>
    part === undefined ? undefined : sumValue(part.criticalNs) / part.calls
  // A component that was not called has no time per call: all of the change is the calls'.
  const beforeNsEach = each(a) ?? each(b)!
  const afterNsEach = each(b) ?? each(a)!
  return {
    calls: { ...calls, beforeNsEach, afterNsEach },
    byCallsNs: ((calls.after - calls.before) * (beforeNsEach + afterNsEach)) / 2,
    byTimeNs: ((afterNsEach - beforeNsEach) * (calls.before + calls.after)) / 2,
  }
}

/** The z that a standard normal value is below with probability p, by bisection of the distribution function. */
export function normalQuantile(p: number): number {
  let low = -10
  let high = 10
  while (high - low > 1e-9) {
    const middle = (low + high) / 2
    if (normalBelow(middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/**
 * How much latency all requests after, as many as the samples stand for, have more or less than the same number before.
 * Below 0 where there were none on one side: nothing has become slower or faster there.
 */
export function totalChangeNs(before: Rollup, after: Rollup): number {
  if (before.weight === 0 || after.weight === 0) return -1
  return Math.abs(meanNs(after) - meanNs(before)) * after.weight
}
