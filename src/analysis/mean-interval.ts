import { Z_95 } from './quantile.ts'
import type { Interval, Predicted, Ranked } from './ranked.ts'

/**
 * The mean of this many samples, and of this many times the square of their skewness, is near enough to normal for a
 * 95 % interval (Cochran, Sampling Techniques, 1977, 2.15).
 */
const LEAST_SAMPLES = 30
const TIMES_SKEWNESS = 25

/**
 * 95 % confidence interval of the mean, of sampling; undefined where there are too few samples. Widened by the means at
 * either end of what the evidence for what waited for what leaves open.
 */
export function meanIntervalOf(predicted: Predicted): Interval | undefined {
  const { ranked, meanNs, meanRange } = predicted
  const { samples, needed, variance } = meanFigures(ranked)
  if (samples < needed) return undefined
  const marginNs = Z_95 * Math.sqrt(variance / (samples - 1))
  const { earliestNs, latestNs } = meanRange ?? { earliestNs: meanNs, latestNs: meanNs }
  return [Math.max(0, Math.min(meanNs, earliestNs) - marginNs), Math.max(meanNs, latestNs) + marginNs]
}

/** How many more samples as these `meanIntervalOf` needs; 0: none. */
export function meanSamplesMissing({ ranked }: Predicted): number {
  const { samples, needed } = meanFigures(ranked)
  return samples >= needed ? 0 : Math.max(1, Math.ceil(needed - samples))
}

type MeanFigures = { samples: number; needed: number; variance: number }

const known = new WeakMap<Ranked, MeanFigures>()

/** Samples of equal weight that say as much about the mean, how many that takes, and the variance of one (square ns). */
function meanFigures(ranked: Ranked): MeanFigures {
  let figures = known.get(ranked)
  if (figures === undefined) {
    const { variance, skewness } = momentsOf(ranked)
    const needed = Math.max(LEAST_SAMPLES, TIMES_SKEWNESS * skewness ** 2)
    figures = { samples: ranked.samplesOfMean(), needed, variance }
    known.set(ranked, figures)
  }
  return figures
}

function momentsOf({ values, cumulative }: Ranked): { variance: number; skewness: number } {
  const count = values.length
  const weightAt = (i: number) =>
    cumulative === undefined ? 1 : cumulative[i]! - (i === 0 ? 0 : cumulative[i - 1]!)
  const weight = cumulative === undefined ? count : (cumulative[count - 1] ?? 0)
  if (weight === 0) return { variance: 0, skewness: 0 }
  let sum = 0
  for (let i = 0; i < count; i++) sum += weightAt(i) * values[i]!
  const mean = sum / weight
  let squares = 0
  let cubes = 0
  for (let i = 0; i < count; i++) {
    const off = values[i]! - mean
    squares += weightAt(i) * off ** 2
    cubes += weightAt(i) * off ** 3
  }
  const variance = squares / weight
  return { variance, skewness: variance === 0 ? 0 : cubes / weight / variance ** 1.5 }
}
