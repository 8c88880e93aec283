import { rankOf } from './quantile.ts'
import { pushWord, type WordList } from './word-list.ts'

/**
 * Log-scale histograms of whole nanoseconds: bin 0 holds 0, bin b the integers in [1.02^(b-1), 1.02^b). The value
 * reported for a bin lies within 1 % of everything in it ((gamma - 1) / (gamma + 1); Masson, Rim, Lee: DDSketch, VLDB
 * 2019). Counts are whole weights, so adding histograms is exact and does not depend on the order.
 */
export type Histogram = {
  /** Bin of counts[0]. */
  first: number
  /** A count a bin, exact up to 2^53; may be negative in differences. */
  counts: Float64Array
}

const GAMMA = 1.02
const LOG_GAMMA = Math.log(GAMMA)
/** Enough for 2^53 ns, 104 days. */
export const BINS = 2 + Math.floor(Math.log(2 ** 53) / LOG_GAMMA)
/** Lowest whole number of each bin; equal to the next one's where a bin holds none. */
const LOWEST = Float64Array.from({ length: BINS + 1 }, (_, bin) =>
  bin === 0 ? 0 : Math.ceil(GAMMA ** (bin - 1) * (1 - 1e-15)),
)

/** The bin of a duration in ns (whole, 0 to 2^53). The logarithm only guesses; the table decides. */
export function binOf(valueNs: number): number {
  if (valueNs < 1) return 0
  let bin = 1 + Math.floor(Math.log(valueNs) / LOG_GAMMA)
  while (valueNs < LOWEST[bin]!) bin--
  while (valueNs >= LOWEST[bin + 1]!) bin++
  return bin
}

/** Least and greatest whole number of a bin, ns. */
export function binBounds(bin: number): [lowNs: number, highNs: number] {
  return [LOWEST[bin]!, Math.max(LOWEST[bin]!, LOWEST[bin + 1]! - 1)]
}

/** What is reported for a bin, ns: no further than 1 % from any of its values. */
export function binValue(bin: number): number {
  const [low, high] = binBounds(bin)
  if (low === high) return low
  const middle = (2 * low * high) / (low + high)
  // Rounding a small number could take it further away than 1 %.
  return middle > 1e6 ? Math.round(middle) : middle
}

/** binValue and binBounds of every bin. */
const VALUES = Float64Array.from({ length: BINS }, (_, bin) => binValue(bin))
const HIGHEST = Float64Array.from({ length: BINS }, (_, bin) => binBounds(bin)[1])

/** From the first bin that is not empty to the last: values, least and greatest values, and the weight up to each. */
export type CumulativeBins = {
  values: Float64Array
  lowest: Float64Array
  highest: Float64Array
  cumulative: Float64Array
}

export function cumulativeBins({ first, counts }: Histogram): CumulativeBins {
  let begin = 0
  let end = counts.length
  while (begin < end && counts[begin] === 0) begin++
  while (end > begin && counts[end - 1] === 0) end--
  const cumulative = new Float64Array(end - begin)
  let weight = 0
  for (let i = begin; i < end; i++) {
    weight += counts[i]!
    cumulative[i - begin] = weight
  }
  const of = (table: Float64Array) => table.subarray(first + begin, first + end)
  return { values: of(VALUES), lowest: of(LOWEST), highest: of(HIGHEST), cumulative }
}

/** With room for the bins from `first` to `last`, where they are known. */
export function createHistogram(first = 0, last = -1): Histogram {
  return { first, counts: last < first ? NO_COUNTS : new Float64Array(last - first + 1) }
}
const NO_COUNTS = new Float64Array(0)

/** Makes [from, to] addressable. */
function cover(histogram: Histogram, from: number, to: number): void {
  const { first, counts } = histogram
  if (counts.length > 0 && from >= first && to < first + counts.length) return
  // At least twice as wide each time, or adding one by one would cost its square.
  const room = Math.max(16, counts.length)
  const low = counts.length > 0 && from >= first ? first : Math.max(0, from - room)
  const end = counts.length > 0 && to < first + counts.length ? first + counts.length : to + 1 + room
  const wider = new Float64Array(end - low)
  wider.set(counts, counts.length === 0 ? 0 : first - low)
  histogram.first = low
  histogram.counts = wider
}

/** `weight` more (fewer, where negative) in a bin. */
export function addToBin(histogram: Histogram, bin: number, weight: number): void {
  const at = bin - histogram.first
  if (at >= 0 && at < histogram.counts.length) {
    histogram.counts[at]! += weight
    return
  }
  cover(histogram, bin, bin)
  histogram.counts[bin - histogram.first]! += weight
}

/** Adds `counts[i]` to `bins[i]` for i in [from, to); bins ascend, and may repeat. */
export function addSparse(
  histogram: Histogram,
  bins: ArrayLike<number>,
  counts: ArrayLike<number>,
  from: number,
  to: number,
): void {
  if (from >= to) return
  cover(histogram, bins[from]!, bins[to - 1]!)
  const { first, counts: into } = histogram
  for (let i = from; i < to; i++) into[bins[i]! - first]! += counts[i]!
}

export function addHistogram(to: Histogram, from: Histogram): void {
  let begin = 0
  let end = from.counts.length
  while (begin < end && from.counts[begin] === 0) begin++
  while (end > begin && from.counts[end - 1] === 0) end--
  if (begin === end) return
  cover(to, from.first + begin, from.first + end - 1)
  const { counts } = to
  const shift = from.first - to.first
  for (let i = begin; i < end; i++) counts[i + shift]! += from.counts[i]!
}

export function isEmpty({ counts }: Histogram): boolean {
  return counts.every((count) => count === 0)
}

/** All counts together. */
export function weightOf({ counts }: Histogram): number {
  let sum = 0
  for (let i = 0; i < counts.length; i++) sum += counts[i]!
  return sum
}

/** Appends the bins that are not 0; a count beyond `most` (of either sign) is said in pieces. */
export function appendSparse(
  { first, counts }: Histogram,
  bins: WordList,
  into: WordList,
  most = 2 ** 31 - 1,
): void {
  for (let i = 0; i < counts.length; i++) {
    let left = counts[i]!
    while (left !== 0) {
      const piece = Math.max(-most, Math.min(most, left))
      pushWord(bins, first + i)
      pushWord(into, piece)
      left -= piece
    }
  }
}

/**
 * The latencies of all entries if a component took no time: `all - present + ifInstantWherePresent`, the last two given
 * as their difference `shift`. @throws RangeError for a negative bin: the three were not made from one result set
 */
export function counterfactual(all: Histogram, shift: Histogram): Histogram {
  const result: Histogram = { first: all.first, counts: all.counts.slice() }
  addHistogram(result, shift)
  for (let i = 0; i < result.counts.length; i++) {
    if (result.counts[i]! < 0) {
      throw new RangeError(
        `${result.counts[i]} samples in bin ${result.first + i}: histograms of different samples`,
      )
    }
  }
  return result
}

/** Bin that holds the value of a rank (from 1); ranks beyond the last give the last. */
function binOfRank({ first, counts }: Histogram, rank: number): number {
  let below = 0
  let last = 0
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue
    below += counts[i]!
    last = first + i
    if (below >= rank) return last
  }
  return last
}

/** Bin of the nearest-rank quantile of `weight` samples (all the histogram holds). */
export function quantileBin(histogram: Histogram, weight: number, q: number): number {
  return binOfRank(histogram, rankOf(weight, q))
}

/** Nearest-rank quantile, ns, within 1 %; 0 where there are no samples. */
export function histogramQuantile(histogram: Histogram, weight: number, q: number): number {
  return weight === 0 ? 0 : binValue(quantileBin(histogram, weight, q))
}

/** 97.5 % quantile of the standard normal distribution. */
const Z_95 = 1.96

/**
 * 95 % confidence interval of a quantile: order statistics at ranks np -+ 1.96 sqrt(np(1-p)) (see quantileInterval),
 * widened to the bounds of their bins. `n`: how many samples the weight stands for, its effective number (Kish:
 * (sum w)^2 / sum w^2), the number itself where all weigh the same. undefined where there are too few.
 */
export function histogramInterval(
  histogram: Histogram,
  weight: number,
  n: number,
  q: number,
): [number, number] | undefined {
  const spread = Z_95 * Math.sqrt(n * q * (1 - q))
  const lower = Math.floor(n * q - spread)
  const upper = Math.ceil(n * q + spread)
  if (lower < 1 || upper > n) return undefined
  const scale = weight / n
  return [
    binBounds(binOfRank(histogram, lower * scale))[0],
    binBounds(binOfRank(histogram, upper * scale))[1],
  ]
}
