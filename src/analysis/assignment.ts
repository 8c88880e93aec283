import { uniformOf } from './calls.ts'
import type { EventPairs } from './event-pairs.ts'
import type { LogNormal } from './log-normal.ts'
import type { Event, Family, Structure } from './structure.ts'

/** A start before what it should have waited for is this unlikely, log. */
const VIOLATION = -60
/** No site. */
const NONE = -1
/** A site is never so sure to be there, or not to be, that its share is nearer to 0 or 1. */
const LEAST_SHARE = 0.01
/** A single time is never more unlikely than at this many sigmas (squared). */
const MOST_SQUARE = 50

/** First guesses of which occurrence a child is: by start, by end, by length, by the gap before it. */
const ORDERS: readonly ((family: Family, child: number) => number)[] = [
  (family, child) => family.starts[child]!,
  (family, child) => family.ends[child]!,
  (family, child) => family.ends[child]! - family.starts[child]!,
  (family, child) => {
    let ready = 0
    for (let other = 0; other < child; other++) {
      const end = family.ends[other]!
      if (end > ready && end <= family.starts[child]!) ready = end
    }
    return family.starts[child]! - ready
  },
]
export const GUESSES = ORDERS.map((_, guess) => guess)

/** Scratch of `guessSites`, by child: by what they are sorted, and those sorted so far. */
let keys = new Float64Array(64)
let sorted = new Int32Array(64)

/**
 * The child at each site (-1: none), in `childAt`: children of one call in the guessed order take the first sites of that
 * call.
 */
export function guessSites(
  family: Family,
  calls: ArrayLike<number>,
  guess: number,
  childAt: Int32Array = new Int32Array(calls.length),
): Int32Array {
  const order = ORDERS[guess]!
  const n = family.calls.length
  if (keys.length < n) {
    keys = new Float64Array(2 * n)
    sorted = new Int32Array(2 * n)
  }
  for (let child = 0; child < n; child++) {
    // Children come by start, so the guess by start is sorted within a call already.
    let at = child
    const call = family.calls[child]!
    const key = order(family, child)
    keys[child] = key
    while (at > 0) {
      const other = sorted[at - 1]!
      const byCall = family.calls[other]! - call
      if (byCall < 0 || (byCall === 0 && keys[other]! <= key)) break
      sorted[at] = other
      at--
    }
    sorted[at] = child
  }
  let next = 0
  for (let site = 0; site < calls.length; site++) {
    // Children without a site of their own were not foreseen; there are none among the families learned from.
    while (next < n && family.calls[sorted[next]!]! < calls[site]!) next++
    childAt[site] = next < n && family.calls[sorted[next]!] === calls[site] ? sorted[next++]! : -1
  }
  return childAt
}

/** The likeliest assignment from several first guesses, of which some are often the same. */
export function likeliest(pairs: EventPairs, calls: ArrayLike<number>, { improve }: Assigner): Int32Array {
  const guesses: Int32Array[] = []
  let best: Int32Array | undefined
  let likelihood = Number.NEGATIVE_INFINITY
  for (const guess of GUESSES) {
    const guessed = guessSites(pairs.family, calls, guess)
    if (guesses.some((before) => isSame(before, guessed))) continue
    guesses.push(guessed)
    const childAt = guessed.slice()
    const { sum } = improve(pairs, childAt, 0)
    if (sum > likelihood) {
      likelihood = sum
      best = childAt
    }
  }
  return best!
}

export function isSame(some: Int32Array, others: Int32Array): boolean {
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false
  return true
}

/** Assigns the children of families to the sites of one structure; scratch is kept from family to family. */
export type Assigner = {
  /**
   * Swaps children of one call between sites while that makes the family likelier, if need be together with those of two
   * sites that wait for them: branches of the same calls change places one call after the other, and each swap on its own
   * would cut both. With a temperature, swaps are now and then made also where they do not (annealing), so that a bad
   * first guess is left behind.
   */
  improve(pairs: EventPairs, childAt: Int32Array, temperature: number): { changed: boolean; sum: number }
  /** Log-likelihood an event of a family whose children are assigned. */
  fitOf(pairs: EventPairs, childAt: Int32Array): number
}

type Times = { mean: Float64Array; inverse: Float64Array; logSigma: Float64Array }

function timesOf(all: readonly LogNormal[]): Times {
  const { length } = all
  const times = {
    mean: new Float64Array(length),
    inverse: new Float64Array(length),
    logSigma: new Float64Array(length),
  }
  for (let i = 0; i < length; i++) {
    const { mean, sigma } = all[i]!
    times.mean[i] = mean
    times.inverse[i] = 1 / sigma
    times.logSigma[i] = Math.log(sigma)
  }
  return times
}

export function createAssigner({ sites, end }: Pick<Structure, 'sites' | 'end'>): Assigner {
  const n = sites.length
  const events: readonly Event[] = [...sites, end]
  const call = sites.map((site) => site.call)
  const gap = timesOf(events.map((event) => event.gap))
  const length = timesOf(sites.map((site) => site.length))
  const present = sites.map(({ presence }) => Math.log(Math.max(LEAST_SHARE, presence)))
  const absent = sites.map(({ presence }) => Math.log(Math.max(LEAST_SHARE, 1 - presence)))
  const waits = events.map((event) => event.waitsFor)
  // Calls in either order wait for each other: the later one for the earlier one.
  const eitherOrder = waits.map((list, j) => list.map((k) => j < n && waits[k]!.includes(j)))
  /** Events whose likelihood changes with the child at a site: the site's own, and those that wait for it. Ascending. */
  const touched = sites.map((): number[] => [])
  /** Sites that certainly wait for a site. */
  const next = sites.map((): number[] => [])
  for (let j = 0; j <= n; j++) {
    if (j < n) {
      touched[j]!.push(j)
      for (const k of sites[j]!.certain) next[k]!.push(j)
    }
    for (const k of waits[j]!) touched[k]!.push(j)
  }
  const terms = new Float64Array(n + 1)
  const after = new Float64Array(n + 1)
  const stamp = new Int32Array(n + 1)
  let stamps = 0
  let salt = 0
  let childAt = new Int32Array(0)
  let pairs: EventPairs

  return {
    improve(of, at, temperature) {
      let sum = begin(of, at)
      let changed = false
      salt = Math.round(of.family.lengthNs) | 0
      const passes = temperature > 0 ? 2 : n
      for (let pass = 0; pass < passes; pass++) {
        let improved = false
        for (let a = 0; a < n; a++) {
          for (let b = a + 1; b < n && call[b] === call[a]; b++) {
            if (at[a] === at[b]) continue
            const gain = swapped(at, a, b, temperature)
            if (gain === 0) continue
            sum += gain
            improved = true
          }
        }
        if (!improved) break
        changed = true
      }
      return { changed, sum }
    },
    fitOf(of, at) {
      return begin(of, at) / (of.children + 1)
    },
  }

  function begin(of: EventPairs, at: Int32Array): number {
    pairs = of
    childAt = at as Int32Array<ArrayBuffer>
    let sum = 0
    for (let j = 0; j <= n; j++) {
      terms[j] = termOf(j)
      sum += terms[j]!
    }
    return sum
  }

  /** Swaps the children of two sites, alone or with those of sites that wait for them, if it pays; what is gained, else 0. */
  function swapped(at: Int32Array, a: number, b: number, temperature: number): number {
    swap(at, a, b)
    let gain = gainOf(a, b, NONE, NONE)
    if (pays(gain, temperature)) return accept(a, b, NONE, NONE, gain)
    for (const c of next[a]!) {
      for (const d of next[b]!) {
        if (c === d || c === b || d === a || call[c] !== call[d] || at[c] === at[d]) continue
        swap(at, c, d)
        gain = gainOf(a, b, c, d)
        if (pays(gain, temperature)) return accept(a, b, c, d, gain)
        swap(at, c, d)
      }
    }
    swap(at, a, b)
    return 0
  }

  function pays(gain: number, temperature: number): boolean {
    if (temperature === 0) return gain > 1e-9
    salt++
    // The logarithm is below 0.
    return gain >= 0 || gain > temperature * Math.log(uniformOf(salt - 1, n, 0))
  }

  /** What is gained by what two sites, or two and two, have now. */
  function gainOf(a: number, b: number, c: number, d: number): number {
    stamps++
    const gain = gainAt(b, gainAt(a, 0))
    return c === NONE ? gain : gainAt(d, gainAt(c, gain))
  }

  function gainAt(site: number, before: number): number {
    const list = touched[site]!
    let gain = before
    for (let i = 0; i < list.length; i++) {
      const j = list[i]!
      if (stamp[j] === stamps) continue
      stamp[j] = stamps
      after[j] = termOf(j)
      gain += after[j]! - terms[j]!
    }
    return gain
  }

  function accept(a: number, b: number, c: number, d: number, gain: number): number {
    for (const j of touched[a]!) terms[j] = after[j]!
    for (const j of touched[b]!) terms[j] = after[j]!
    if (c === NONE) return gain
    for (const j of touched[c]!) terms[j] = after[j]!
    for (const j of touched[d]!) terms[j] = after[j]!
    return gain
  }

  function termOf(j: number): number {
    if (j === n) return startTerm(n, pairs.children)
    const child = childAt[j]!
    if (child < 0) return absent[j]!
    return present[j]! + density(pairs.lengthLog[child]!, length, j) + startTerm(j, child)
  }

  /** Of the start of a site's child, or of the parent's end. */
  function startTerm(j: number, event: number): number {
    const { children, gapLog, startLog } = pairs
    const list = waits[j]!
    let term = 0
    let log = startLog[event]!
    for (let i = 0; i < list.length; i++) {
      const child = childAt[list[i]!]!
      if (child < 0) continue
      const since = gapLog[event * children + child]!
      if (since < log) log = since
      else if (since === Number.POSITIVE_INFINITY && !(eitherOrder[j]![i]! && beganAfter(child, event)))
        term += VIOLATION
    }
    return term + density(log, gap, j)
  }

  /** Whether a child began when another one had ended. */
  function beganAfter(child: number, other: number): boolean {
    const { starts, ends } = pairs.family
    return starts[child]! >= starts[other]! + (ends[other]! - starts[other]!)
  }
}

/** Logarithm of a lognormal density at a time of that logarithm, up to a constant. */
function density(x: number, { mean, inverse, logSigma }: Times, i: number): number {
  const z = (x - mean[i]!) * inverse[i]!
  const square = z * z
  return -x - logSigma[i]! - 0.5 * (square < MOST_SQUARE ? square : MOST_SQUARE)
}

function swap(values: Int32Array, a: number, b: number): void {
  const kept = values[a]!
  values[a] = values[b]!
  values[b] = kept
}
