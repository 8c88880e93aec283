import { meanIntervalOf } from './mean-interval.ts'
import { Z_95 } from './quantile.ts'
import { type Predicted, predictedInterval, quantileAt } from './ranked.ts'
import { meetsTarget, type Target } from './target.ts'

export type Verdict = 'bottleneck' | 'contributor' | 'not a bottleneck' | 'target-met' | 'leader'

/** At least this share of the target's percentile must be gone for a component to be a contributor. */
export const CONTRIBUTOR_SHARE = 0.05

/** Against a target: would the endpoint meet it without the component's own work? */
export function verdictOf(target: Target, observed: Predicted, instant: Predicted): Verdict {
  const before = statisticOf(observed, target)
  if (meetsTarget(before, target)) return 'target-met'
  if (suffices(instant, target)) return 'bottleneck'
  const after = statisticOf(instant, target)
  return before - after >= CONTRIBUTOR_SHARE * before ? 'contributor' : 'not a bottleneck'
}

/** Whether what would be left meets the target, interval included; where there is none the point estimate decides. */
export function suffices(instant: Predicted, target: Target): boolean {
  const interval =
    target.quantile === undefined ? meanIntervalOf(instant) : predictedInterval(instant, target.quantile)
  return meetsTarget(interval === undefined ? statisticOf(instant, target) : interval[1], target)
}

/** The target's statistic, ns. */
export function statisticOf({ ranked, meanNs }: Predicted, target: Target): number {
  return target.quantile === undefined ? meanNs : quantileAt(ranked, target.quantile)
}

/**
 * Half the width of the 95 % confidence interval of the difference between quantile q of two distributions over the
 * same samples, ns; undefined where either has no interval. The standard error of each is its own interval's; their
 * correlation is that of "at or below its quantile" (`bothShare`: share of the weight that is so in both; the delta
 * method for quantiles, Serfling, Approximation Theorems, 2.3.3). Without the share they count as independent.
 */
export function differenceMargin(
  a: Predicted,
  b: Predicted,
  q: number,
  bothShare = q ** 2,
): number | undefined {
  const errors = [a, b].map((predicted) => {
    const interval = predictedInterval(predicted, q)
    return interval === undefined ? undefined : (interval[1] - interval[0]) / (2 * Z_95)
  })
  const [errorA, errorB] = errors
  if (errorA === undefined || errorB === undefined) return undefined
  const correlation = Math.max(-1, Math.min(1, (bothShare - q ** 2) / (q * (1 - q))))
  return Z_95 * Math.sqrt(Math.max(0, errorA ** 2 + errorB ** 2 - 2 * correlation * errorA * errorB))
}

/** Share of the weight whose value is at or below limitA in `a` and at or below limitB in `b`. */
export function shareOfBoth(
  a: { values: Float64Array; limitNs: number },
  b: { values: Float64Array; limitNs: number },
  weights: Float64Array | undefined,
): number {
  let both = 0
  let total = 0
  for (let i = 0; i < a.values.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    total += weight
    if (a.values[i]! <= a.limitNs && b.values[i]! <= b.limitNs) both += weight
  }
  return total === 0 ? 0 : both / total
}
