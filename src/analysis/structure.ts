import { assignFamilies, guessSites, improve } from './assignment.ts'
import { type Beside, fitBeside } from './beside.ts'
import { bestLogDensity, type LogNormal, logNormalOf, logOf } from './log-normal.ts'

/**
 * What a span's children waited for, learned over many traces. One trace cannot tell a dependency from coincidence; over
 * many, a call that was started while another was still running did not wait for it.
 *
 * Children of one kind of parent are compared over many **families** (a parent with its children). Which place of the
 * program a child came from (its **site**) is latent where a call is repeated: children are assigned to the sites that
 * make their own lengths and gaps likely, and structure and assignment are improved in turns (hard EM).
 */

/** Children of one parent, in span order. Times are ns since the parent's start. */
export type Family = {
  /** What is called: same number, same call. Ascending order of numbers is no order of time. */
  calls: ArrayLike<number>
  starts: ArrayLike<number>
  ends: ArrayLike<number>
  lengthNs: number
}

/** Something that happens once others have: a child's start, or the parent's end. Numbers are places in `sites`. */
export type Event = {
  /** Ends that were waited for; none: the parent's start. */
  readonly waitsFor: readonly number[]
  /** Those of them without which the times are much harder to explain. */
  readonly certain: readonly number[]
  /** All ends that may have been waited for: no family shows the contrary. */
  readonly possible: readonly number[]
  /** Own work after the last of them. */
  readonly gap: LogNormal
  /** Own work of the parent that went on beside its calls and was waited for too. */
  readonly beside?: Beside
}
export type Site = Event & {
  readonly call: number
  readonly length: LogNormal
  /** Share of families that have it. */
  readonly presence: number
}
export type Structure = {
  /** How many it was learned from. */
  readonly families: number
  readonly sites: readonly Site[]
  readonly end: Event
}

/** This many families are needed before what they show overrides the rules for one trace. */
export const LEAST_FAMILIES = 30
/** More families than this teach nothing more. */
export const MOST_FAMILIES = 300
/** More children than this are a loop, not a program to be told apart site by site. */
export const MOST_SITES = 24
/** A dependency may look disproved in this share of the families: some children are assigned to the wrong site. */
const TOLERATED = 0.02
const ROUNDS = 8

/** Learns the structure of families whose children fit into `calls`, the calls of the sites in ascending order. */
export function learnStructure(families: readonly Family[], calls: readonly number[]): Structure {
  const repeated = new Set(calls).size < calls.length
  const overlapping = families.some(hasOverlap)
  let best: { times: Times; likelihood: number } | undefined
  // With every call made once, or one after the other, there is nothing to guess.
  for (const guess of repeated && overlapping ? [0, 1, 2] : [0]) {
    const assigned = families.map((family) => guessSites(family, calls, guess))
    let times = timesOf(families, assigned, calls)
    let likelihood = 0
    for (let round = 0; repeated && overlapping && round < ROUNDS; round++) {
      const structure = fit(families, times, calls, greedily)
      const { changed, sum } = assignFamilies(families, assigned, structure)
      likelihood = sum
      if (changed === 0) break
      times = timesOf(families, assigned, calls)
    }
    if (best === undefined || likelihood > best.likelihood) best = { times, likelihood }
  }
  return fit(families, best!.times, calls, overlapping ? conservatively : undisproved)
}

/** The child at each site (-1: none), by the structure. */
export function childrenAtSites(family: Family, structure: Structure): Int32Array {
  let best: Int32Array | undefined
  let likelihood = Number.NEGATIVE_INFINITY
  const calls = structure.sites.map((site) => site.call)
  const repeated = calls.some((call, s) => call === calls[s - 1])
  for (const guess of repeated ? [0, 1, 2] : [0]) {
    const childAt = guessSites(family, calls, guess)
    if (!repeated) return childAt
    const { sum } = improve(family, childAt, structure)
    if (sum > likelihood) {
      likelihood = sum
      best = childAt
    }
  }
  return best!
}

function hasOverlap({ starts, ends }: Family): boolean {
  let latest = 0
  for (let child = 0; child < starts.length; child++) {
    if (starts[child]! < latest) return true
    if (ends[child]! > latest) latest = ends[child]!
  }
  return false
}

/**
 * Times by family f and event j, of children whose sites are known: `starts[f * width + j]`, NaN where there is none.
 * The last event of each row is the parent's end.
 */
type Times = { width: number; count: number; starts: Float64Array; ends: Float64Array }
type Choice = { waitsFor: number[]; possible: number[] }
type ChooseWaits = (times: Times, j: number) => Choice

function timesOf(
  families: readonly Family[],
  assigned: readonly Int32Array[],
  calls: readonly number[],
): Times {
  const width = calls.length + 1
  const starts = new Float64Array(width * families.length).fill(Number.NaN)
  const ends = new Float64Array(width * families.length).fill(Number.NaN)
  families.forEach((family, f) => {
    assigned[f]!.forEach((child, site) => {
      if (child < 0) return
      starts[f * width + site] = family.starts[child]!
      ends[f * width + site] = family.ends[child]!
    })
    starts[f * width + width - 1] = family.lengthNs
  })
  return { width, count: families.length, starts, ends }
}

function fit(
  families: readonly Family[],
  times: Times,
  calls: readonly number[],
  choose: ChooseWaits,
): Structure {
  const final = choose !== greedily
  const { width, count, starts, ends } = times
  const events = Array.from({ length: width }, (_, j): Event => {
    const { waitsFor, possible } = choose(times, j)
    const ready = readyTimes(times, j, waitsFor)
    const { n, sum, squares } = gapsOf(times, j, ready)
    const beside = final ? fitBeside(times, j, waitsFor, ready) : undefined
    return {
      waitsFor,
      possible,
      certain: final ? certainOf(times, j, waitsFor) : waitsFor,
      gap: logNormalOf(n, sum, squares),
      ...(beside === undefined ? {} : { beside }),
    }
  })
  const sites = calls.map((call, j): Site => {
    let n = 0
    let sum = 0
    let squares = 0
    for (let at = j; at < count * width; at += width) {
      if (!(starts[at]! >= 0)) continue
      const log = logOf(ends[at]! - starts[at]!)
      n++
      sum += log
      squares += log * log
    }
    return { ...events[j]!, call, length: logNormalOf(n, sum, squares), presence: n / count }
  })
  return { families: families.length, sites, end: events[width - 1]! }
}

/** Per family, the last end of those waited for that have ended by event j; 0: the parent's start. */
function readyTimes(
  { width, count, starts, ends }: Times,
  j: number,
  waitsFor: readonly number[],
): Float64Array {
  const ready = new Float64Array(count)
  for (let f = 0; f < count; f++) {
    const start = starts[f * width + j]!
    for (const k of waitsFor) {
      const end = ends[f * width + k]!
      if (end > ready[f]! && end <= start) ready[f] = end
    }
  }
  return ready
}

type Sums = { n: number; sum: number; squares: number }

function gapsOf({ width, count, starts }: Times, j: number, ready: Float64Array): Sums {
  let n = 0
  let sum = 0
  let squares = 0
  for (let f = 0; f < count; f++) {
    const start = starts[f * width + j]!
    if (!(start >= 0)) continue
    const log = logOf(start - ready[f]!)
    n++
    sum += log
    squares += log * log
  }
  return { n, sum, squares }
}

/** How well starts are explained by gaps of one distribution after the ready times, log-likelihood. */
function explained(times: Times, j: number, ready: Float64Array): number {
  const { n, sum, squares } = gapsOf(times, j, ready)
  return bestLogDensity(n, sum, squares)
}

/** Families that show event j before the end of k, of those that have both. */
function disproved({ width, count, starts, ends }: Times, j: number, k: number) {
  let against = 0
  let both = 0
  for (let f = 0; f < count; f++) {
    const start = starts[f * width + j]!
    const end = ends[f * width + k]!
    if (!(start >= 0) || !(end >= 0)) continue
    both++
    if (end > start) against++
  }
  return { against, both }
}

/** Log-likelihood that one more predecessor must win, and that a counter-example costs. */
const WORTH = 4
const COUNTER_EXAMPLE = 8

/** While assignments are uncertain: adds the predecessor that explains the starts best, as long as one does. */
function greedily(times: Times, j: number): Choice {
  const { width, count, starts, ends } = times
  const chosen: number[] = []
  const against = Array.from({ length: width - 1 }, (_, k) => {
    const { against, both } = disproved(times, j, k)
    return k === j || both === 0 || against > both / 4 ? -1 : against
  })
  let ready = new Float64Array(count)
  let best = explained(times, j, ready)
  for (;;) {
    let next = -1
    let likelihood = best + WORTH
    let nextReady = ready
    for (let k = 0; k < width - 1; k++) {
      if (against[k]! < 0 || chosen.includes(k)) continue
      const later = ready.slice()
      for (let f = 0; f < count; f++) {
        const end = ends[f * width + k]!
        if (end > later[f]! && end <= starts[f * width + j]!) later[f] = end
      }
      const after = explained(times, j, later) - COUNTER_EXAMPLE * against[k]!
      if (after > likelihood) {
        likelihood = after
        next = k
        nextReady = later
      }
    }
    if (next < 0) return { waitsFor: chosen, possible: chosen }
    chosen.push(next)
    best = likelihood
    ready = nextReady
  }
}

/** Everything that was not disproved, as in one trace. */
function undisproved(times: Times, j: number): Choice {
  const kept: number[] = []
  for (let k = 0; k < times.width - 1; k++) {
    const { against, both } = disproved(times, j, k)
    if (k !== j && both > 0 && against <= TOLERATED * both) kept.push(k)
  }
  return { waitsFor: kept, possible: kept }
}

/** ... but for predecessors without which the starts are explained better (their gaps are steadier without them). */
function conservatively(times: Times, j: number): Choice {
  const { waitsFor: possible } = undisproved(times, j)
  let kept = possible
  let best = explained(times, j, readyTimes(times, j, kept))
  for (;;) {
    let dropped = -1
    for (const k of kept) {
      const after = explainedWithout(times, j, kept, k)
      if (after > best + WORTH) {
        best = after
        dropped = k
      }
    }
    if (dropped < 0) return { waitsFor: kept, possible }
    kept = kept.filter((m) => m !== dropped)
  }
}

function explainedWithout(times: Times, j: number, waitsFor: readonly number[], k: number): number {
  return explained(
    times,
    j,
    readyTimes(
      times,
      j,
      waitsFor.filter((m) => m !== k),
    ),
  )
}

/** Log-likelihood that is lost without a dependency that counts as proven. */
const PROOF = 8

function certainOf(times: Times, j: number, waitsFor: readonly number[]): number[] {
  const all = explained(times, j, readyTimes(times, j, waitsFor))
  return waitsFor.filter((k) => explainedWithout(times, j, waitsFor, k) < all - PROOF)
}
