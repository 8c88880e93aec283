import { bestLogDensity, LEAST_SIGMA, type LogNormal, logOf, normalBelow } from './log-normal.ts'

/**
 * Own work of a parent that goes on beside its calls and is waited for as they are: the next event comes after the later
 * of the two, plus a gap. Where the calls took longer the work left no mark but that it was shorter; so its times are
 * estimated by EM over work and gap, both lognormal, from how long it was from the beginning of the work to the last end
 * waited for (`callsNs`) and to the event (`allNs`): all = max(work, calls) + gap.
 */
export type Beside = {
  /** The site whose start began the work; -1: the parent's start. */
  readonly since: number
  /** The work began at the site's end: what a branch does after its last call. */
  readonly after?: true
  readonly work: LogNormal
  /** What comes after both. */
  readonly gap: LogNormal
}

type Times = { width: number; count: number; starts: Float64Array; ends: Float64Array }
type Spans = { callsNs: number[]; allNs: number[] }

/**
 * Gaps must fall with longer calls (correlation times the root of the number of families), and work beside the calls win
 * so much log-likelihood over none. Where several ends were certainly waited for, work after one of them looks much alike,
 * and more must be shown than where it is the call's own end.
 */
const SHOWN_ALONE = { falling: -3, worth: 6 }
export const SHOWN = { falling: -4, worth: 10 }
/** So many families must have both. */
export const LEAST_SHOWN = 30
/** ... and in so many another branch must have ended last: only these show the gap without the work. */
const LEAST_LAST = 15
const ROUNDS = 12

/** Work beside the calls, and the log-likelihood that it wins over none. */
export type Fitted = { beside: Beside; gain: number }

/**
 * Work beside the calls that event j waited for, if the gaps after them (`ready`) show it: since the start of one of them,
 * or since the end of one that was `certain`ly waited for while another branch went on.
 */
export function fitBeside(
  times: Times,
  j: number,
  waitsFor: readonly number[],
  certain: readonly number[],
  ready: Float64Array,
): Fitted | undefined {
  let best: Fitted | undefined
  for (const since of waitsFor) {
    const shown = certain.length === 1 && certain[0] === since ? SHOWN_ALONE : SHOWN
    best = likelier(best, fitShown(times, j, { since }, ready, shown))
  }
  if (waitsFor.length === 1) return best
  for (const since of certain) {
    best = likelier(best, fitShown(times, j, { since, after: true }, ready, SHOWN))
  }
  return best
}

/** With what the work began. */
type Began = Pick<Beside, 'since' | 'after'>

/** Work that began with one site, if it is shown. */
export function fitShown(
  times: Times,
  j: number,
  began: Began,
  ready: Float64Array,
  shown: typeof SHOWN,
): Fitted | undefined {
  const spans = spansOf(times, j, began, ready)
  if (spans.allNs.length < LEAST_SHOWN || falling(spans) > shown.falling) return undefined
  if (began.after && othersLast(spans) < LEAST_LAST) return undefined
  const { work, gap, gain } = fitBoth(spans)
  return gain > shown.worth ? { beside: { ...began, work, gap }, gain } : undefined
}

/** In how many families another branch ended later. */
function othersLast({ callsNs }: Spans): number {
  let last = 0
  for (const ns of callsNs) if (ns > 0) last++
  return last
}

export function likelier(one: Fitted | undefined, other: Fitted | undefined): Fitted | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return other.gain > one.gain ? other : one
}

function spansOf(
  { width, count, starts, ends }: Times,
  j: number,
  { since, after }: Began,
  ready: Float64Array,
): Spans {
  const spans: Spans = { callsNs: [], allNs: [] }
  const began = after ? ends : starts
  for (let f = 0; f < count; f++) {
    const from = began[f * width + since]!
    const event = starts[f * width + j]!
    // Both must be there: comparisons with NaN are false.
    if (!((after ? ready[f]! >= from : ready[f]! > from) && event >= ready[f]!)) continue
    spans.callsNs.push(ready[f]! - from)
    spans.allNs.push(event - from)
  }
  return spans
}

/** Correlation of the logarithms of gap and calls, times the root of their number. */
function falling({ callsNs, allNs }: Spans): number {
  const n = allNs.length
  let x = 0
  let y = 0
  let xx = 0
  let yy = 0
  let xy = 0
  for (let i = 0; i < n; i++) {
    const a = logOf(callsNs[i]!)
    const b = logOf(allNs[i]! - callsNs[i]!)
    x += a
    y += b
    xx += a * a
    yy += b * b
    xy += a * b
  }
  const spread = (xx - (x * x) / n) * (yy - (y * y) / n)
  return spread <= 0 ? 0 : ((xy - (x * y) / n) / Math.sqrt(spread)) * Math.sqrt(n)
}

/** Points at which a gap is tried where the work may have outlasted the calls: shares of the time after the calls. */
const SHARES = Float64Array.from({ length: 24 }, (_, i) => Math.exp((i - 23.5) * 0.25))
const LOG_SHARES = SHARES.map(Math.log)
const STEP = 0.25

/** A time from the work's beginning, until the calls had ended and until the event, and logarithms that are needed of it. */
type Case = {
  callsNs: number
  allNs: number
  callsLog: number
  afterLog: number
  /** By share: of a gap of that share, and of the work before it. */
  gapLog: Float64Array
  workLog: Float64Array
}

function createCase(): Case {
  const logs = () => new Float64Array(SHARES.length)
  return { callsNs: 0, allNs: 0, callsLog: 0, afterLog: 0, gapLog: logs(), workLog: logs() }
}

function fillCase(of: Case, callsNs: number, allNs: number): Case {
  of.callsNs = callsNs
  of.allNs = allNs
  const afterNs = afterCalls(of)
  of.callsLog = Math.log(Math.max(1, callsNs))
  of.afterLog = Math.log(afterNs)
  for (let i = 0; i < SHARES.length; i++) {
    const gapNs = afterNs * SHARES[i]!
    of.gapLog[i] = Math.log(gapNs)
    of.workLog[i] = Math.log(allNs - gapNs)
  }
  return of
}

function afterCalls({ callsNs, allNs }: Case): number {
  return Math.max(1, allNs - callsNs)
}

/**
 * Weights of what may have been, unnormalised: `[0]` the calls took longer; `[1 + i]` the work did, and the gap was
 * SHARES[i] of what came after the calls.
 */
function weigh(of: Case, work: LogNormal, gap: LogNormal, weights: Float64Array): number {
  const { allNs, callsLog, afterLog, gapLog, workLog } = of
  const afterNs = afterCalls(of)
  weights[0] = density(afterNs, afterLog, gap) * normalBelow((callsLog - work.mean) / work.sigma)
  let sum = weights[0]
  for (let i = 0; i < SHARES.length; i++) {
    const gapNs = afterNs * SHARES[i]!
    const weight = density(gapNs, gapLog[i]!, gap) * density(allNs - gapNs, workLog[i]!, work) * gapNs * STEP
    weights[i + 1] = weight
    sum += weight
  }
  return sum
}

/** Of a time, and its logarithm. */
function density(ns: number, log: number, { mean, sigma }: LogNormal): number {
  const z = (log - mean) / sigma
  return Math.exp(-0.5 * z * z) / (ns * sigma * 2.5066282746310002)
}

function fitBoth({ callsNs, allNs }: Spans): { work: LogNormal; gap: LogNormal; gain: number } {
  const n = allNs.length
  let sum = 0
  let squares = 0
  for (let i = 0; i < n; i++) {
    const log = logOf(allNs[i]! - callsNs[i]!)
    sum += log
    squares += log * log
  }
  const none = bestLogDensity(n, sum, squares) - n * Math.log(Math.sqrt(2 * Math.PI))
  const mean = sum / n
  // A first guess: gaps as short as the shorter of those seen, work as long as calls and gaps.
  const logs = Array.from(allNs, logOf).sort((a, b) => a - b)
  let gap: LogNormal = { mean: mean - 0.7, sigma: Math.max(0.3, Math.sqrt(squares / n - mean * mean)) }
  let work: LogNormal = { mean: logs[n >> 1]! - 0.3, sigma: 0.7 }
  const weights = new Float64Array(SHARES.length + 1)
  const cases = Array.from(allNs, (ns, i) => fillCase(createCase(), callsNs[i]!, ns))
  let likelihood = 0
  for (let round = 0; round < ROUNDS; round++) {
    likelihood = 0
    let workSum = 0
    let workSquares = 0
    let gapSum = 0
    let gapSquares = 0
    for (let i = 0; i < n; i++) {
      const { callsLog, afterLog, workLog: workLogs } = cases[i]!
      const total = weigh(cases[i]!, work, gap, weights)
      if (!(total > 1e-300)) {
        likelihood -= 690
        workSum += work.mean
        workSquares += work.mean ** 2 + work.sigma ** 2
        gapSum += logOf(allNs[i]! - callsNs[i]!)
        gapSquares += logOf(allNs[i]! - callsNs[i]!) ** 2
        continue
      }
      likelihood += Math.log(total)
      const shorter = weights[0]! / total
      // Moments of the normal below a bound.
      const z = (callsLog - work.mean) / work.sigma
      const below = normalBelow(z)
      const ratio = below > 1e-12 ? Math.exp(-0.5 * z * z) / 2.5066282746310002 / below : -z
      const first = work.mean - work.sigma * ratio
      const second = work.sigma ** 2 * (1 - z * ratio - ratio * ratio) + first * first
      workSum += shorter * first
      workSquares += shorter * second
      gapSum += shorter * afterLog
      gapSquares += shorter * afterLog * afterLog
      for (let s = 0; s < SHARES.length; s++) {
        const weight = weights[s + 1]! / total
        if (weight < 1e-9) continue
        const gapLog = afterLog + LOG_SHARES[s]!
        const workLog = workLogs[s]!
        workSum += weight * workLog
        workSquares += weight * workLog * workLog
        gapSum += weight * gapLog
        gapSquares += weight * gapLog * gapLog
      }
    }
    work = fromMoments(n, workSum, workSquares)
    gap = fromMoments(n, gapSum, gapSquares)
  }
  return { work, gap, gain: likelihood - none }
}

function fromMoments(n: number, sum: number, squares: number): LogNormal {
  const mean = sum / n
  return { mean, sigma: Math.max(LEAST_SIGMA, Math.sqrt(Math.max(0, squares / n - mean * mean))) }
}

const weights = new Float64Array(SHARES.length + 1)
const drawn = createCase()

/**
 * Own work beside the calls in one family, ns: drawn from what the times leave possible, by `uniform` in (0, 1), so that
 * over many families it is spread as the work was. At most `allNs`.
 */
export function drawWork(callsNs: number, allNs: number, { work, gap }: Beside, uniform: number): number {
  const total = weigh(fillCase(drawn, callsNs, allNs), work, gap, weights)
  if (!(total > 1e-300)) return 0
  let left = uniform * total
  if (left < weights[0]!) {
    // Shorter than the calls: the same quantile of the work below that bound.
    const bound = normalBelow((Math.log(Math.max(1, callsNs)) - work.mean) / work.sigma)
    const z = normalQuantile(Math.max(1e-9, (left / weights[0]!) * bound))
    return Math.min(callsNs, Math.round(Math.exp(work.mean + work.sigma * z)))
  }
  left -= weights[0]!
  const after = Math.max(1, allNs - callsNs)
  for (let i = 0; i < SHARES.length; i++) {
    left -= weights[i + 1]!
    if (left < 0 || i === SHARES.length - 1) return Math.max(0, Math.floor(allNs - after * SHARES[i]!))
  }
  return 0
}

/** Inverse of `normalBelow`, by bisection. */
function normalQuantile(share: number): number {
  let low = -8
  let high = 8
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    if (normalBelow(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}
