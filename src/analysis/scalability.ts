/** Load in one stretch of time: requests running on average, and started a second. */
export type LoadPoint = { concurrency: number; throughput: number }

/**
 * Universal Scalability Law (Gunther, Guerrilla Capacity Planning): N requests at a time give
 * X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)). lambda: of one alone; sigma: share of the work that is done one
 * after the other; kappa: what agreeing with each other costs. The knee is where more concurrency gives no more
 * throughput, sqrt((1 - sigma) / kappa).
 */
export type ScalabilityFit = {
  lambda: number
  sigma: number
  kappa: number
  /** Root of the mean square of the relative error of throughput. */
  error: number
  points: number
  knee: { concurrency: number; throughput: number } | null
}

/** A fit, or why the data cannot tell. */
export type Scalability =
  | { fit: ScalabilityFit; reason: null }
  | { fit: ScalabilityFit | null; reason: string }

/** Fewer points than this are no curve. */
const FEWEST_POINTS = 20
/** Concurrency has to vary at least this much between its 5th and 95th percentile, and to reach this many. */
const LEAST_SPREAD = 2
const LEAST_CONCURRENCY = 2
/** A worse fit is none. */
const WORST_ERROR = 0.2
/** A knee this many times beyond the highest concurrency seen is guesswork. */
const FARTHEST_KNEE = 2
/** A coefficient of no more than so many standard errors may as well be 0. */
const SURE = 1.96

export function fitScalability(points: readonly LoadPoint[]): Scalability {
  const used = points.filter(({ concurrency, throughput }) => concurrency > 0 && throughput > 0)
  if (used.length < FEWEST_POINTS)
    return cannotTell(`${used.length} stretches with traffic; ${FEWEST_POINTS} are needed`)
  const sorted = used.map(({ concurrency }) => concurrency).sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!
  if (at(0.95) < LEAST_CONCURRENCY) return cannotTell('requests hardly ever run at the same time')
  if (at(0.95) < LEAST_SPREAD * at(0.05)) return cannotTell('the load was about the same all the time')
  const { coefficients, errors, error } = leastSquares(used)
  const [one, serial, coherence] = coefficients
  const fit: ScalabilityFit = {
    lambda: 1 / one,
    sigma: serial / one,
    kappa: coherence / one,
    error,
    points: used.length,
    knee: null,
  }
  if (!(error <= WORST_ERROR)) return { fit, reason: 'throughput does not follow concurrency closely enough' }
  if (serial <= SURE * errors[1] && coherence <= SURE * errors[2]) {
    return { fit, reason: 'no saturation shows at the loads seen' }
  }
  if (coherence <= SURE * errors[2] || fit.sigma >= 1) {
    return { fit, reason: 'throughput levels off, but no load seen shows it falling: there is no knee yet' }
  }
  const concurrency = Math.sqrt((1 - fit.sigma) / fit.kappa)
  if (concurrency > FARTHEST_KNEE * sorted.at(-1)!) {
    return { fit, reason: 'the knee would be far beyond the loads seen' }
  }
  return { fit: { ...fit, knee: { concurrency, throughput: throughputAt(fit, concurrency) } }, reason: null }
}

function cannotTell(reason: string): Scalability {
  return { fit: null, reason }
}

export function throughputAt({ lambda, sigma, kappa }: ScalabilityFit, concurrency: number): number {
  const others = Math.max(0, concurrency - 1)
  return (lambda * concurrency) / (1 + sigma * others + kappa * concurrency * others)
}

type Three = [number, number, number]

/**
 * N / X = a + b (N - 1) + c N (N - 1), linear in its coefficients; each point weighs by its own N / X, so that relative
 * errors count. None is negative: of the models that leave some out, the best without one that is.
 */
function leastSquares(points: readonly LoadPoint[]): { coefficients: Three; errors: Three; error: number } {
  const rows = points.map(({ concurrency, throughput }): Three => {
    const time = concurrency / throughput
    const others = Math.max(0, concurrency - 1)
    return [1 / time, others / time, (concurrency * others) / time]
  })
  let best: { coefficients: Three; errors: Three; squares: number } | undefined
  for (const terms of [[0, 1, 2], [0, 1], [0, 2], [0]]) {
    const solved = solve(rows, terms)
    if (solved === undefined || solved.coefficients.some((c) => c < 0) || solved.coefficients[0] <= 0)
      continue
    if (best === undefined || solved.squares < best.squares) best = solved
  }
  if (best === undefined) throw new RangeError('no model fits: every point has time')
  return { ...best, error: Math.sqrt(best.squares / points.length) }
}

/** Least squares of `row . coefficients = 1` over some of the terms, by the normal equations. */
function solve(rows: readonly Three[], terms: readonly number[]) {
  const size = terms.length
  // [A | I], A = sum of products.
  const matrix = terms.map((i, r) => [
    ...terms.map((j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    ...terms.map((_, c) => (r === c ? 1 : 0)),
  ])
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = matrix[pivot]![pivot]!
    if (!(Math.abs(scale) > 1e-300)) return undefined
    matrix[pivot] = matrix[pivot]!.map((value) => value / scale)
    for (let r = 0; r < size; r++) {
      if (r === pivot) continue
      const factor = matrix[r]![pivot]!
      matrix[r] = matrix[r]!.map((value, c) => value - factor * matrix[pivot]![c]!)
    }
  }
  const inverse = (r: number, c: number) => matrix[r]![size + c]!
  const right = terms.map((i) => rows.reduce((sum, row) => sum + row[i]!, 0))
  const coefficients: Three = [0, 0, 0]
  const errors: Three = [0, 0, 0]
  terms.forEach((term, r) => {
    coefficients[term] = right.reduce((sum, value, c) => sum + inverse(r, c) * value, 0)
  })
  const squares = rows.reduce(
    (sum, row) => sum + (1 - row.reduce((sum, value, i) => sum + value * coefficients[i]!, 0)) ** 2,
    0,
  )
  const variance = squares / Math.max(1, rows.length - size)
  terms.forEach((term, r) => {
    errors[term] = Math.sqrt(Math.max(0, inverse(r, r) * variance))
  })
  return { coefficients, errors, squares }
}
