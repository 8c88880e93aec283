/** Times spread over decades: normal in the logarithm. Of ns. */
export type LogNormal = { readonly mean: number; readonly sigma: number }

/** Times below this are the clock's, not the program's, ns. */
export const TRIFLE_NS = 1000
/** Nothing is so steady that its spread is known to be less. */
export const LEAST_SIGMA = 0.05
export function logOf(ns: number): number {
  return Math.log(ns > TRIFLE_NS ? ns : TRIFLE_NS)
}

/** From a count of logarithms, their sum and the sum of their squares. */
export function logNormalOf(count: number, sum: number, squares: number): LogNormal {
  if (count === 0) return { mean: Math.log(TRIFLE_NS), sigma: 1 }
  const mean = sum / count
  return { mean, sigma: Math.max(LEAST_SIGMA, Math.sqrt(Math.max(0, squares / count - mean * mean))) }
}

/** Log-likelihood of times under the distribution fitted to them, up to a constant a time. */
export function bestLogDensity(count: number, sum: number, squares: number): number {
  if (count === 0) return 0
  const mean = sum / count
  const variance = Math.max(0, squares / count - mean * mean)
  const sigma = Math.max(LEAST_SIGMA, Math.sqrt(variance))
  return -sum - count * (Math.log(sigma) + (0.5 * variance) / (sigma * sigma))
}

/** Probability below z standard deviations; error < 1e-7 (Abramowitz & Stegun, 26.2.17). */
export function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const tail =
    0.3989422804014327 *
    Math.exp(-0.5 * z * z) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return z > 0 ? 1 - tail : tail
}
