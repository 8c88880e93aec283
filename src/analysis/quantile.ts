/** Nearest-rank quantile of values sorted ascending: the smallest that at least q of them do not exceed. */
export function quantileOf(sorted: Float64Array, q: number): number {
  return sorted[rankOf(sorted.length, q) - 1] ?? 0
}

/** Nearest rank, from 1. The subtracted trifle keeps 0.07 * 100 = 7.000000000000001 from being rank 8. */
export function rankOf(count: number, q: number): number {
  return Math.max(1, Math.ceil(q * count - 1e-9))
}

/**
 * Nearest-rank quantile of the first `count` values in any order; they change places. O(n) where a sort is O(n log n)
 * (selection by partition: Hoare, Algorithm 65: Find, CACM 1961).
 */
export function selectQuantile(values: Float64Array, count: number, q: number): number {
  if (count === 0) return 0
  const rank = rankOf(count, q) - 1
  let from = 0
  let to = count - 1
  // Each partition halves the range, more or less; what goes wrong too often is sorted.
  for (let left = MOST_PARTITIONS; from < to; left--) {
    if (left === 0) {
      values.subarray(from, to + 1).sort()
      break
    }
    const pivot = middleOf(values[from]!, values[(from + to) >> 1]!, values[to]!)
    let low = from
    let high = to
    while (low <= high) {
      while (values[low]! < pivot) low++
      while (values[high]! > pivot) high--
      if (low > high) break
      const value = values[low]!
      values[low++] = values[high]!
      values[high--] = value
    }
    if (rank <= high) to = high
    else if (rank >= low) from = low
    else break
  }
  return values[rank]!
}
const MOST_PARTITIONS = 64

function middleOf(a: number, b: number, c: number): number {
  return a < b ? (b < c ? b : a < c ? c : a) : a < c ? a : b < c ? c : b
}

/** 97.5 % quantile of the standard normal distribution. */
export const Z_95 = 1.96

/**
 * Ranks, from 1, of the order statistics that bound a quantile with 95 % confidence: np -+ 1.96 sqrt(np(1-p)), the lower
 * floored, the upper ceiled (normal approximation to the binomial; Conover, Practical Nonparametric Statistics, 3.2).
 * `count` is how many samples of equal weight say as much (it need not be whole). undefined where a rank is missing.
 */
export function intervalRanks(count: number, q: number): { lower: number; upper: number } | undefined {
  const spread = Z_95 * Math.sqrt(count * q * (1 - q))
  const lower = Math.floor(count * q - spread)
  const upper = Math.ceil(count * q + spread)
  return lower < 1 || upper > count ? undefined : { lower, upper }
}

/** The least number of samples for which `intervalRanks` has an answer, and more always has. */
export function samplesNeeded(q: number): number {
  let needed = NEEDED.get(q)
  if (needed === undefined) {
    needed = countNeeded(q)
    NEEDED.set(q, needed)
  }
  return needed
}
/** By q, of which few are ever asked for; it is asked for every component of every endpoint. */
const NEEDED = new Map<number, number>()

function countNeeded(q: number): number {
  let needed = 1
  // Flooring and ceiling make the answer come and go over a few counts before it stays.
  for (let count = 1; count < needed + SETTLED; count++) {
    if (intervalRanks(count, q) === undefined) needed = count + 1
  }
  return needed
}
const SETTLED = 1000

/** The interval of `intervalRanks` over values sorted ascending. */
export function quantileInterval(sorted: Float64Array, q: number): [number, number] | undefined {
  const ranks = intervalRanks(sorted.length, q)
  return ranks === undefined ? undefined : [sorted[ranks.lower - 1]!, sorted[ranks.upper - 1]!]
}

export function meanOf(values: Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}
