import { meanIntervalOf, meanSamplesMissing } from './mean-interval.ts'
import { intervalRanks, rankOf, samplesNeeded } from './quantile.ts'

/**
 * Values ascending, and how many requests each stands for. Exact values and the bins of a histogram alike: quantiles,
 * intervals and verdicts ask no more of a distribution than this.
 */
export type Ranked = {
  values: Float64Array
  /** Weight of the values up to each; undefined: one each. */
  cumulative: Float64Array | undefined
  /** How many samples of equal weight say as much about quantile q, and about the mean. */
  samplesAt(q: number): number
  samplesOfMean(): number
}

/** `weights` by value; undefined: one each. The arrays stay as they are. */
export function rank(values: Float64Array, weights?: Float64Array): Ranked {
  if (weights === undefined) {
    const samples = () => values.length
    return {
      values: values.slice().sort(),
      cumulative: undefined,
      samplesAt: samples,
      samplesOfMean: samples,
    }
  }
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const cumulative = new Float64Array(values.length)
  const squares = new Float64Array(values.length)
  let weight = 0
  let square = 0
  order.forEach((from, i) => {
    weight += weights[from]!
    square += weights[from]! ** 2
    cumulative[i] = weight
    squares[i] = square
  })
  const ranked = { values: Float64Array.from(order, (i) => values[i]!), cumulative }
  return {
    ...ranked,
    samplesAt: (q) => effectiveSamples(ranked.values.length, cumulative, squares, q),
    samplesOfMean: () => effectiveSamplesOfMean(values, weights),
  }
}

/** ... for which their mean varies as much: with Var = sum w^2 (x - m)^2 / (sum w)^2 (the ratio estimator). */
function effectiveSamplesOfMean(values: Float64Array, weights: Float64Array): number {
  const mean = weightedMean(values, weights)
  let weight = 0
  let squares = 0
  let weighted = 0
  for (let i = 0; i < values.length; i++) {
    const square = (values[i]! - mean) ** 2
    weight += weights[i]!
    squares += weights[i]! * square
    weighted += weights[i]! ** 2 * square
  }
  return weighted === 0 ? values.length : (squares * weight) / weighted
}

/**
 * Samples kept with unequal probability say less about a quantile than their number: the number of equally weighted
 * ones for which the share below it varies as much, q(1-q) / Var, with Var = sum w^2 (I - q)^2 / (sum w)^2 (Woodruff,
 * Confidence intervals for medians and other position measures, JASA 1952). More than there are where the tail was kept
 * more often than the rest.
 */
function effectiveSamples(count: number, cumulative: Float64Array, squares: Float64Array, q: number): number {
  if (count === 0) return 0
  const weight = cumulative[count - 1]!
  const square = squares[count - 1]!
  if (Math.abs(square * count - weight ** 2) <= 1e-9 * weight ** 2) return count
  // The value at q lies on both sides of it.
  const at = positionOf(cumulative, q * weight)
  const lighter = at === 0 ? 0 : cumulative[at - 1]!
  const before = at === 0 ? 0 : squares[at - 1]!
  const share = (q * weight - lighter) / (cumulative[at]! - lighter)
  const below = before + share * (squares[at]! - before)
  const variance = ((1 - q) ** 2 * below + q ** 2 * (square - below)) / weight ** 2
  return (q * (1 - q)) / variance
}

/** Nearest rank: the smallest value that at least the share q of all weight does not exceed; 0 of nothing. */
export function quantileAt({ values, cumulative }: Ranked, q: number): number {
  if (values.length === 0) return 0
  if (cumulative === undefined) return values[rankOf(values.length, q) - 1]!
  return values[positionOf(cumulative, q * cumulative.at(-1)!)]!
}

/** 95 % confidence interval of a quantile (see intervalRanks), undefined where there are too few samples. */
export function intervalAt(ranked: Ranked, q: number): [number, number] | undefined {
  const { values, cumulative } = ranked
  const samples = ranked.samplesAt(q)
  const ranks = intervalRanks(samples, q)
  if (ranks === undefined) return undefined
  if (cumulative === undefined) return [values[ranks.lower - 1]!, values[ranks.upper - 1]!]
  const share = cumulative.at(-1)! / samples
  return [
    values[positionOf(cumulative, ranks.lower * share)]!,
    values[positionOf(cumulative, ranks.upper * share)]!,
  ]
}

/** How many more samples as these `intervalAt` needs; 0: none. */
export function samplesMissing(ranked: Ranked, q: number): number {
  if (intervalAt(ranked, q) !== undefined) return 0
  return Math.max(1, Math.ceil(samplesNeeded(q) - ranked.samplesAt(q)))
}

/** The first position with at least this much weight up to it; the last if there is none. */
function positionOf(cumulative: Float64Array, weight: number): number {
  // Sums of weights differ by rounding.
  const wanted = weight * (1 - 1e-12)
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (cumulative[middle]! >= wanted) high = middle
    else low = middle + 1
  }
  return low
}

export type Distribution = { p50Ns: number; p95Ns: number; p99Ns: number; meanNs: number }

export function distributionOf(ranked: Ranked, meanNs: number): Distribution {
  return {
    p50Ns: quantileAt(ranked, 0.5),
    p95Ns: quantileAt(ranked, 0.95),
    p99Ns: quantileAt(ranked, 0.99),
    meanNs,
  }
}

export type Interval = [number, number]

/**
 * A predicted distribution, and between which two the evidence for what waited for what leaves it and its mean, where it
 * does.
 */
export type Predicted = {
  ranked: Ranked
  meanNs: number
  range?: { earliest: Ranked; latest: Ranked }
  meanRange?: { earliestNs: number; latestNs: number }
}

/** The two ends, from the latencies (ns) of each sample at them. */
export function rangeOf(
  earliestNs: Float64Array,
  latestNs: Float64Array,
  weights: Float64Array | undefined,
): Required<Pick<Predicted, 'range' | 'meanRange'>> {
  return {
    range: { earliest: rank(earliestNs, weights), latest: rank(latestNs, weights) },
    meanRange: {
      earliestNs: weightedMean(earliestNs, weights),
      latestNs: weightedMean(latestNs, weights),
    },
  }
}

/** 95 % confidence interval of a predicted quantile: of sampling, widened by the range that the evidence leaves. */
export function predictedInterval({ ranked, range }: Predicted, q: number): Interval | undefined {
  const own = intervalAt(ranked, q)
  if (own === undefined || range === undefined) return own
  const earliest = intervalAt(range.earliest, q) ?? own
  const latest = intervalAt(range.latest, q) ?? own
  return [Math.min(own[0], earliest[0]), Math.max(own[1], latest[1])]
}

/** 95 % confidence intervals of the percentiles that are shown, and of the mean; null where there are too few samples. */
export type Intervals = {
  p50Interval: Interval | null
  p95Interval: Interval | null
  p99Interval: Interval | null
  meanInterval: Interval | null
  /** How many more samples as these a bound needs, where there is none. */
  needMore?: { p50?: number; p95?: number; p99?: number; mean?: number }
  /** Percentiles and mean, if calls waited for as little, and for as much, as the evidence allows; where it leaves that open. */
  structuralRange?: StructuralRange
}

export type StructuralRange = { p50Ns: Interval; p95Ns: Interval; p99Ns: Interval; meanNs: Interval }

const SHOWN = { p50: 0.5, p95: 0.95, p99: 0.99 } as const

export function intervalsOf(predicted: Predicted): Intervals {
  const { ranked, range } = predicted
  const needMore: Record<string, number> = {}
  for (const [name, q] of Object.entries(SHOWN)) {
    const missing = samplesMissing(ranked, q)
    if (missing > 0) needMore[name] = missing
  }
  const missing = meanSamplesMissing(predicted)
  if (missing > 0) needMore.mean = missing
  return {
    p50Interval: predictedInterval(predicted, 0.5) ?? null,
    p95Interval: predictedInterval(predicted, 0.95) ?? null,
    p99Interval: predictedInterval(predicted, 0.99) ?? null,
    meanInterval: meanIntervalOf(predicted) ?? null,
    ...(Object.keys(needMore).length === 0 ? {} : { needMore }),
    ...(range === undefined ? {} : { structuralRange: structuralRangeOf(predicted, range) }),
  }
}

/** Percentiles and mean at either end of what the evidence leaves open. */
export function structuralRangeOf(
  { meanNs, meanRange = { earliestNs: meanNs, latestNs: meanNs } }: Predicted,
  { earliest, latest }: { earliest: Ranked; latest: Ranked },
): StructuralRange {
  const between = (q: number): Interval => [quantileAt(earliest, q), quantileAt(latest, q)]
  return {
    p50Ns: between(0.5),
    p95Ns: between(0.95),
    p99Ns: between(0.99),
    meanNs: [meanRange.earliestNs, meanRange.latestNs],
  }
}

export function weightedMean(values: Float64Array, weights?: Float64Array): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < values.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!
    sum += weight * values[i]!
    total += weight
  }
  return total === 0 ? 0 : sum / total
}
