/** Nearest-rank quantile of values sorted ascending: the smallest that at least q of them do not exceed. */
export function quantileOf(sorted: Float64Array, q: number): number {
  return sorted[rankOf(sorted.length, q) - 1] ?? 0
}

/** Nearest rank, from 1. The subtracted trifle keeps 0.07 * 100 = 7.000000000000001 from being rank 8. */
export function rankOf(count: number, q: number): number {
  return Math.max(1, Math.ceil(q * count - 1e-9))
}

/** 97.5 % quantile of the standard normal distribution. */
const Z_95 = 1.96

/**
 * Distribution-free 95 % confidence interval of a quantile: the order statistics at ranks np -+ 1.96 sqrt(np(1-p)),
 * the lower floored, the upper ceiled (normal approximation to the binomial; Conover, Practical Nonparametric
 * Statistics, 3.2). undefined where there are too few values for either rank to exist.
 */
export function quantileInterval(sorted: Float64Array, q: number): [number, number] | undefined {
  const n = sorted.length
  const spread = Z_95 * Math.sqrt(n * q * (1 - q))
  const lower = Math.floor(n * q - spread)
  const upper = Math.ceil(n * q + spread)
  if (lower < 1 || upper > n) return undefined
  return [sorted[lower - 1]!, sorted[upper - 1]!]
}

export function meanOf(values: Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}
