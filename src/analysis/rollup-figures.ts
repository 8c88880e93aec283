import type { Component } from '../trace/component.ts'
import { compareComponents } from '../trace/component.ts'
import type { Bottleneck, BottleneckComponent } from './bottlenecks.ts'
import { sumValue } from './exact-sum.ts'
import { counterfactual, cumulativeBins, type Histogram, isEmpty } from './histogram.ts'
import {
  distributionOf,
  type Intervals,
  intervalsOf,
  type Predicted,
  type Ranked,
  structuralRangeOf,
} from './ranked.ts'
import { type ComponentRollup, componentKey, type Rollup, type RollupKey } from './rollup.ts'
import { ENOUGH, type Sampling, type SamplingBias } from './sampling-bias.ts'
import { meetsTarget, type Target } from './target.ts'
import { CONTRIBUTOR_SHARE, differenceMargin, statisticOf, suffices, verdictOf } from './verdict.ts'

/** As from samples, with what the bins of the stored histograms leave open. */
export type RollupBottleneck = Omit<Bottleneck, 'components'> & {
  components: (BottleneckComponent & {
    /** Within the 1 % of the bins the verdict could be another. */
    uncertain?: true
  })[]
}

/**
 * What holds an endpoint back, from its rollup: the same formulas over bins instead of samples. `most`: components that are
 * given, of those that save most at p95.
 */
export function bottleneckOfRollup(
  key: RollupKey,
  rollup: Rollup,
  target?: Target,
  most = Number.POSITIVE_INFINITY,
): RollupBottleneck {
  const observed = predictedOf(rollup.observed, rollup, meanNs(rollup))
  const distribution = distributionOf(observed.ranked, observed.meanNs)
  const totalNs = sumValue(rollup.durationNs)
  const measured = [...rollup.components.values()].map((part) => {
    const predicted = predictedWithout(rollup, part)
    return {
      component: part.component,
      criticalShare: totalNs === 0 ? 0 : sumValue(part.criticalNs) / totalNs,
      presentShare: rollup.weight === 0 ? 0 : part.present / rollup.weight,
      ifInstant: distributionOf(predicted.ranked, predicted.meanNs),
      predicted,
    }
  })
  measured.sort(
    (a, b) => a.ifInstant.p95Ns - b.ifInstant.p95Ns || compareComponents(a.component, b.component),
  )
  const leads = (measured[0]?.ifInstant.p95Ns ?? distribution.p95Ns) < distribution.p95Ns
  const tie = target === undefined && leads ? tiedWithLeader(measured, distribution.p95Ns) : []
  const sampling = samplingOfRollup(rollup)
  return {
    service: key.service,
    operation: key.operation,
    scope: key.scope,
    environment: key.environment,
    namespace: key.namespace,
    entries: rollup.samples,
    observed: distribution,
    components: measured.slice(0, most).map(({ component, predicted, ...figures }, place) => {
      return {
        kind: component.kind,
        name: component.name,
        ...figures,
        ...intervalsOfBins(predicted),
        verdict:
          target !== undefined
            ? verdictOf(target, observed, predicted)
            : place === 0 && leads
              ? 'leader'
              : 'not a bottleneck',
        ...(target !== undefined && isUncertain(target, observed, predicted)
          ? { uncertain: true as const }
          : {}),
      }
    }),
    ...(tie.length === 0 ? {} : { tie }),
    ...(sampling === undefined ? {} : { sampling }),
  }
}

export function meanNs(rollup: Rollup): number {
  return rollup.weight === 0 ? 0 : sumValue(rollup.durationNs) / rollup.weight
}

/** Mean latency of all if the component took no time. */
export function meanWithout(rollup: Rollup, part: ComponentRollup): number {
  if (rollup.weight === 0) return 0
  return meanNs(rollup) - (sumValue(part.presentNs) - sumValue(part.ifInstantNs)) / rollup.weight
}

/**
 * As quantiles, intervals and verdicts see it: `range`, and with it the intervals, goes to the bounds of the bins and of
 * what the evidence for dependencies leaves open. `bins`: with every value at a bound of its bin; those of the samples
 * lie in between. `open`: the ends of what the evidence leaves open, where it does.
 */
export type PredictedBins = Predicted & {
  bins: { lowest: Predicted; highest: Predicted }
  open?: { earliest: Ranked; latest: Ranked }
}

/** A histogram as a distribution. */
export function predictedOf(histogram: Histogram, rollup: Rollup, meanNs: number): PredictedBins {
  const { values, lowest, highest } = rankedBins(histogram, rollup)
  return {
    ranked: values,
    meanNs,
    range: { earliest: lowest, latest: highest },
    bins: { lowest: { ranked: lowest, meanNs }, highest: { ranked: highest, meanNs } },
  }
}

/** The latencies of all if a component took no time. */
function predictedWithout(rollup: Rollup, part: ComponentRollup): PredictedBins {
  const likely = counterfactual(rollup.observed, part.shift)
  const predicted = predictedOf(likely, rollup, meanWithout(rollup, part))
  if (isEmpty(part.earlier) && isEmpty(part.later)) return predicted
  const earliest = rankedBins(counterfactual(likely, part.earlier), rollup)
  const latest = rankedBins(counterfactual(likely, part.later), rollup)
  const { lowest, highest } = predicted.bins
  // Bins round each value, but at both ends alike.
  const meanRange = {
    earliestNs: predicted.meanNs + meanOfBins(earliest.values) - meanOfBins(predicted.ranked),
    latestNs: predicted.meanNs + meanOfBins(latest.values) - meanOfBins(predicted.ranked),
  }
  return {
    ...predicted,
    meanRange,
    range: { earliest: earliest.lowest, latest: latest.highest },
    bins: {
      lowest: { ...lowest, meanRange, range: { earliest: earliest.lowest, latest: latest.lowest } },
      highest: { ...highest, meanRange, range: { earliest: earliest.highest, latest: latest.highest } },
    },
    open: { earliest: earliest.values, latest: latest.values },
  }
}

function intervalsOfBins(predicted: PredictedBins): Intervals {
  const { structuralRange: _, ...intervals } = intervalsOf(predicted)
  return predicted.open === undefined
    ? intervals
    : { ...intervals, structuralRange: structuralRangeOf(predicted, predicted.open) }
}

/** A histogram by what is reported for its bins, and by their bounds. */
function rankedBins(histogram: Histogram, rollup: Rollup): Record<'values' | 'lowest' | 'highest', Ranked> {
  const samples = effectiveSamples(rollup)
  const { values, lowest, highest, cumulative } = cumulativeBins(histogram)
  return {
    values: rankedBy(values, cumulative, samples),
    lowest: rankedBy(lowest, cumulative, samples),
    highest: rankedBy(highest, cumulative, samples),
  }
}

function rankedBy(values: Float64Array, cumulative: Float64Array, samples: number): Ranked {
  return { values, cumulative, samplesAt: () => samples, samplesOfMean: () => samples }
}

function meanOfBins({ values, cumulative }: Ranked): number {
  let sum = 0
  let before = 0
  for (let i = 0; i < values.length; i++) {
    sum += values[i]! * (cumulative![i]! - before)
    before = cumulative![i]!
  }
  return before === 0 ? 0 : sum / before
}

/** (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965): the number itself where all weigh the same. */
export function effectiveSamples({ weight, weightSquares, samples }: Rollup): number {
  if (weightSquares === 0) return 0
  return isEvenlyWeighted({ weight, weightSquares, samples }) ? samples : weight ** 2 / weightSquares
}

function isEvenlyWeighted({
  weight,
  weightSquares,
  samples,
}: Pick<Rollup, 'weight' | 'weightSquares' | 'samples'>) {
  return Math.abs(weightSquares * samples - weight ** 2) <= 1e-9 * weight ** 2
}

function samplingOfRollup(rollup: Rollup): Sampling | undefined {
  const { samples, weight, errors } = rollup
  const biases: SamplingBias[] = []
  if (samples >= ENOUGH && errors === weight) biases.push('only-errors')
  if (!isEvenlyWeighted(rollup)) biases.push('unequal-weights')
  if (samples === weight && biases.length === 0) return undefined
  return { represents: weight, effectiveSamples: Math.round(effectiveSamples(rollup)), biases }
}

type Measured = { component: Component; ifInstant: { p95Ns: number }; predicted: Predicted }

/**
 * Those that save something at p95, and not certainly less than the leader, the first. Which samples both save in is
 * not known here, so they count as independent, which ties rather more.
 */
function tiedWithLeader([leader, ...others]: readonly Measured[], observedP95Ns: number): Component[] {
  return others
    .filter(({ ifInstant, predicted }) => {
      if (ifInstant.p95Ns >= observedP95Ns) return false
      const marginNs = differenceMargin(leader!.predicted, predicted, 0.95) ?? 0
      return ifInstant.p95Ns - leader!.ifInstant.p95Ns <= marginNs
    })
    .map(({ component }) => component)
}

/** Whether the bins' bounds leave room for another verdict. */
function isUncertain(target: Target, observed: PredictedBins, instant: PredictedBins): boolean {
  const bounds = ({ bins }: PredictedBins): [number, number] => [
    statisticOf(bins.lowest, target),
    statisticOf(bins.highest, target),
  ]
  const [low, high] = bounds(observed)
  if (meetsTarget(low, target) !== meetsTarget(high, target)) return true
  if (meetsTarget(high, target)) return false
  // The samples' own value, or bound of the interval, lies between those of its bin.
  const isEnough = suffices(instant.bins.highest, target)
  if (isEnough !== suffices(instant.bins.lowest, target)) return true
  if (isEnough) return false
  const [lowWithout, highWithout] = bounds(instant)
  const least = 1 - highWithout / low
  const most = 1 - lowWithout / high
  return least < CONTRIBUTOR_SHARE && most >= CONTRIBUTOR_SHARE && statisticOf(observed, target) > 0
}

/** Mean critical time of each component, over all samples, ns; they add up to the mean latency. */
export function meanCriticalNs(rollup: Rollup): Map<string, number> {
  return new Map(
    [...rollup.components.values()].map((part) => [
      componentKey(part.component),
      rollup.weight === 0 ? 0 : sumValue(part.criticalNs) / rollup.weight,
    ]),
  )
}
