import type { Times } from './event-times.ts'
import { LEAST_SIGMA, type LogNormal, TRIFLE_NS } from './log-normal.ts'

/**
 * A call that is made at either of two places of its program, the same calls being made in all: beside some of them, or
 * after them. One structure of all families would say that it never waited for these. Which it was is told by its gap, a
 * mixture of both readings: in a family of the one the time since the others' ends is as any gap is, in one of the other
 * it is what their lengths left of it. Share and gap are estimated by EM; gaps of both are of one distribution, as two
 * would fit any gap that is not lognormal better than one.
 */
export type LaterPlace = {
  /** Ends that were waited for there besides, if they came before. Places in `sites`. */
  readonly waitsFor: readonly number[]
  /** Share of families in which it was there, of those that can tell. */
  readonly share: number
  /** What comes after the last end, at both places. */
  readonly gap: LogNormal
}

/** Log-likelihood that every end must win. */
const WORTH = 8
/** A call that ended before in no more families than this tells nothing. */
const LEAST_CHANGED = 4
const ROUNDS = 8
const LEAST_SHARE = 0.01
/** Gaps of whole milliseconds below this are rounding, ns. */
const ROUNDED_NS = 500_000

/** The later place of the call at site j, if its gaps show one. `waitsFor`: what it waited for at the first. */
export function fitLaterPlace(times: Times, j: number, waitsFor: readonly number[]): LaterPlace | undefined {
  let left: number[] = []
  for (let k = 0; k < times.width - 1; k++) if (k !== j && !waitsFor.includes(k)) left.push(k)
  if (left.length === 0) return undefined
  const added: number[] = []
  let gaps = gapsSince(times, j, waitsFor)
  let best = mixtureOf(gaps)
  for (;;) {
    const tried = left.map((k) => withOneMore(times, j, k, gaps))
    const next = likeliestOf(tried)
    const found = tried[next]
    if (found === undefined || found.mixture.likelihood <= best.likelihood + WORTH) break
    gaps = found.gaps
    best = found.mixture
    added.push(left[next]!)
    left = left.filter((_, i) => i !== next)
  }
  if (added.length === 0) return undefined
  return { waitsFor: added.sort((a, b) => a - b), share: best.share, gap: best.gap }
}

type Tried = { gaps: Gaps; mixture: Mixture }

function withOneMore(times: Times, j: number, k: number, before: Gaps): Tried | undefined {
  const gaps = gapsWith(times, j, k, before)
  return gaps && { gaps, mixture: mixtureOf(gaps) }
}

/** -1: there is none. */
function likeliestOf(tried: readonly (Tried | undefined)[]): number {
  let best = -1
  let likelihood = Number.NEGATIVE_INFINITY
  tried.forEach((one, i) => {
    if (one === undefined || one.mixture.likelihood <= likelihood) return
    best = i
    likelihood = one.mixture.likelihood
  })
  return best
}

/** Logarithms of an event's gaps in the families that have it, as they are if it was at the first place and at the later. */
type Gaps = {
  families: readonly number[]
  first: Float64Array
  later: Float64Array
  /** 1: a call that would have been waited for at the later place was running. */
  running: Uint8Array
}

function gapsSince(
  { width, count, wholeMs, startLog, gapLog }: Times,
  j: number,
  waitsFor: readonly number[],
): Gaps {
  const families: number[] = []
  for (let f = 0; f < count; f++) if (!Number.isNaN(startLog[j * count + f]!)) families.push(f)
  const first = Float64Array.from(families, (f) => {
    let log = startLog[j * count + f]!
    for (const k of waitsFor) log = Math.min(log, gapLog[(j * (width - 1) + k) * count + f]!)
    return Math.max(log, leastLog(wholeMs[f]!))
  })
  return { families, first, later: first, running: new Uint8Array(families.length) }
}

/** With one more end that is waited for at the later place; undefined: it makes no difference. */
function gapsWith(
  { width, count, wholeMs, ends, gapLog }: Times,
  j: number,
  k: number,
  gaps: Gaps,
): Gaps | undefined {
  const { families } = gaps
  const later = gaps.later.slice()
  const running = gaps.running.slice()
  let changed = 0
  for (let i = 0; i < families.length; i++) {
    const f = families[i]!
    const log = gapLog[(j * (width - 1) + k) * count + f]!
    if (log === Number.POSITIVE_INFINITY && ends[f * width + k]! >= 0) running[i] = 1
    if (log >= later[i]!) continue
    const least = leastLog(wholeMs[f]!)
    if (later[i]! === least) continue
    later[i] = Math.max(log, least)
    changed++
  }
  return changed < LEAST_CHANGED ? undefined : { ...gaps, later, running }
}

function leastLog(wholeMs: boolean): number {
  return Math.log(wholeMs ? ROUNDED_NS : TRIFLE_NS)
}

type Mixture = { likelihood: number; share: number; gap: LogNormal }

/** By EM, from where every call was at the later place that may have been. */
function mixtureOf({ first, later, running }: Gaps): Mixture {
  const n = first.length
  let share = 0.5
  let gap = gapOf(
    n,
    later.reduce((sum, log) => sum + log, 0),
    later.reduce((sum, log) => sum + log * log, 0),
  )
  for (let round = 0; ; round++) {
    let likelihood = 0
    let told = 0
    let wasLater = 0
    let sum = 0
    let squares = 0
    for (let i = 0; i < n; i++) {
      const a = first[i]!
      const b = later[i]!
      let weight = 0
      likelihood += density(a, gap)
      if (a !== b) {
        const odds = logOdds(a, b, share, gap)
        weight = chanceOf(odds)
        // Of both together, over that of the first place alone.
        likelihood += Math.log(1 - share) + (odds > 0 ? odds - Math.log(weight) : -Math.log(1 - weight))
        told++
        wasLater += weight
      } else if (running[i] === 1) {
        likelihood += Math.log(1 - share)
        told++
      }
      sum += a + weight * (b - a)
      squares += a * a + weight * (b * b - a * a)
    }
    if (round === ROUNDS) return { likelihood, share, gap }
    if (told > 0) share = Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, wasLater / told))
    gap = gapOf(n, sum, squares)
  }
}

/** How much likelier the later place is, logarithm. */
function logOdds(firstLog: number, laterLog: number, share: number, gap: LogNormal): number {
  return Math.log(share / (1 - share)) + density(laterLog, gap) - density(firstLog, gap)
}

function chanceOf(odds: number): number {
  return 1 / (1 + Math.exp(-odds))
}

/** Logarithm of a lognormal density at a time of that logarithm, up to a constant. */
function density(log: number, { mean, sigma }: LogNormal): number {
  const z = (log - mean) / sigma
  return -log - Math.log(sigma) - 0.5 * z * z
}

function gapOf(count: number, sum: number, squares: number): LogNormal {
  const mean = sum / count
  return { mean, sigma: Math.max(LEAST_SIGMA, Math.sqrt(Math.max(0, squares / count - mean * mean))) }
}

/** How likely a call was made at the later place, by what its gap is at the first place and at the later one, ns. */
export function chanceOfLater(
  { share, gap }: LaterPlace,
  firstNs: number,
  laterNs: number,
  wholeMs: boolean,
): number {
  const least = leastLog(wholeMs)
  const first = Math.max(least, Math.log(Math.max(1, firstNs)))
  const later = Math.max(least, Math.log(Math.max(1, laterNs)))
  return chanceOf(first === later ? Math.log(share / (1 - share)) : logOdds(first, later, share, gap))
}
