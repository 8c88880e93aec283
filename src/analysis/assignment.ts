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
export const GUESSES = [0, 1, 2, 3]

/** By what the children of one call are in order. */
function keyOf({ starts, ends }: Family, guess: number, child: number): number {
  if (guess === 0) return starts[child]!
  if (guess === 1) return ends[child]!
  if (guess === 2) return ends[child]! - starts[child]!
  let ready = 0
  for (let other = 0; other < child; other++) {
    const end = ends[other]!
    if (end > ready && end <= starts[child]!) ready = end
  }
  return starts[child]! - ready
}

/** Scratch: children by call, and of one call by what a guess goes by; by child: what that is. */
let byCall = new Int32Array(64)
let guessed = new Int32Array(64)
let keys = new Float64Array(64)

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
  sortByCall(family)
  return takeSites(family, calls, guess, childAt)
}

/** Children of one call stay in their order. */
function sortByCall({ calls }: Family): void {
  const n = calls.length
  if (keys.length < n) {
    byCall = new Int32Array(2 * n)
    guessed = new Int32Array(2 * n)
    keys = new Float64Array(2 * n)
  }
  for (let child = 0; child < n; child++) {
    const call = calls[child]!
    let at = child
    for (; at > 0 && calls[byCall[at - 1]!]! > call; at--) byCall[at] = byCall[at - 1]!
    byCall[at] = child
  }
}

/** As `guessSites`, of the family whose children were sorted last. */
function takeSites(family: Family, calls: ArrayLike<number>, guess: number, childAt: Int32Array): Int32Array {
  const n = family.calls.length
  let next = 0
  for (let site = 0; site < calls.length; ) {
    const call = calls[site]!
    // Children without a site of their own were not foreseen; there are none among the families learned from.
    while (next < n && family.calls[byCall[next]!]! < call) next++
    const from = next
    while (next < n && family.calls[byCall[next]!] === call) next++
    const order = next - from > 1 ? sortGuessed(family, guess, from, next) : byCall
    for (let at = from; site < calls.length && calls[site] === call; site++, at++) {
      childAt[site] = at < next ? order[at]! : -1
    }
  }
  return childAt
}

/** Children [from, to) by call, those of one, in the guessed order. */
function sortGuessed(family: Family, guess: number, from: number, to: number): Int32Array {
  for (let i = from; i < to; i++) {
    const child = byCall[i]!
    const key = keyOf(family, guess, child)
    keys[child] = key
    let at = i
    for (; at > from && keys[guessed[at - 1]!]! > key; at--) guessed[at] = guessed[at - 1]!
    guessed[at] = child
  }
  return guessed
}

/**
 * The likeliest assignment from several first guesses, of which some are often the same; overwritten by the next family's.
 */
export function likeliest(assigner: Assigner, pairs: EventPairs, calls: ArrayLike<number>): Int32Array {
  const { guesses } = assigner
  let likelihood = Number.NEGATIVE_INFINITY
  let settled: Int32Array | undefined
  sortByCall(pairs.family)
  for (const guess of GUESSES) {
    const guessed = takeSites(pairs.family, calls, guess, guesses[guess]!)
    if (isAmong(guesses, guess, guessed)) continue
    const { tried, best } = assigner
    tried.set(guessed)
    improve(assigner, pairs, tried, 0, settled)
    if (assigner.sum > likelihood) {
      likelihood = assigner.sum
      assigner.best = tried
      assigner.tried = best
      settled = assigner.settled ? tried : undefined
    }
  }
  return assigner.best
}

/** Whether one of the first guesses is the same. */
function isAmong(guesses: readonly Int32Array[], count: number, guessed: Int32Array): boolean {
  for (let i = 0; i < count; i++) if (isSame(guesses[i]!, guessed)) return true
  return false
}

export function isSame(some: Int32Array, others: Int32Array): boolean {
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false
  return true
}

type Times = { mean: Float64Array; inverse: Float64Array; logSigma: Float64Array }

/**
 * Assigns the children of families to the sites of one structure; scratch is kept from family to family. Functions of it
 * are no closures: code compiled for those is lost with them, and that of each batch is slow anew.
 */
export type Assigner = {
  /** How many sites; the event of that number is the parent's end. */
  sites: number
  call: Float64Array
  gap: Times
  length: Times
  /** Log-likelihood that a site has a child, and that it has none. */
  present: Float64Array
  absent: Float64Array
  /** Sites that event j waits for are `waits[firstWait[j]..firstWait[j + 1])`. */
  firstWait: Int32Array
  waits: Int32Array
  /** Of each of these: 1: calls come in either order, so that the later one waits for the earlier one. */
  eitherOrder: Uint8Array
  /** Events whose likelihood changes with the child at a site: the site's own, and those that wait for it. Ascending. */
  touched: readonly (readonly number[])[]
  /** Sites that certainly wait for a site. */
  next: readonly (readonly number[])[]
  /** Log-likelihood by event, of the family at hand as it is, and where `stamp` is `stamps` after a swap that is tried. */
  terms: Float64Array
  after: Float64Array
  stamp: Int32Array
  stamps: number
  salt: number
  /** Pairs of sites of one call. */
  couples: number
  /** Of the family at hand: the child at each site, log-likelihood, and whether no swap is known to pay any more. */
  childAt: Int32Array
  sum: number
  settled: boolean
  /** Of `likeliest`: the child at each site by first guess, by the one being improved, and by the likeliest so far. */
  guesses: readonly Int32Array[]
  tried: Int32Array
  best: Int32Array
}

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
  const touched = sites.map((): number[] => [])
  const next = sites.map((): number[] => [])
  const firstWait = new Int32Array(n + 2)
  for (let j = 0; j <= n; j++) firstWait[j + 1] = firstWait[j]! + events[j]!.waitsFor.length
  const waits = new Int32Array(firstWait[n + 1]!)
  const eitherOrder = new Uint8Array(waits.length)
  for (let j = 0; j <= n; j++) {
    const { waitsFor } = events[j]!
    if (j < n) {
      touched[j]!.push(j)
      for (const k of sites[j]!.certain) next[k]!.push(j)
    }
    for (let i = 0; i < waitsFor.length; i++) {
      const k = waitsFor[i]!
      waits[firstWait[j]! + i] = k
      eitherOrder[firstWait[j]! + i] = j < n && events[k]!.waitsFor.includes(j) ? 1 : 0
      touched[k]!.push(j)
    }
  }
  const children = () => new Int32Array(n)
  return {
    sites: n,
    call: Float64Array.from(sites, (site) => site.call),
    gap: timesOf(events.map((event) => event.gap)),
    length: timesOf(sites.map((site) => site.length)),
    present: Float64Array.from(sites, ({ presence }) => Math.log(Math.max(LEAST_SHARE, presence))),
    absent: Float64Array.from(sites, ({ presence }) => Math.log(Math.max(LEAST_SHARE, 1 - presence))),
    firstWait,
    waits,
    eitherOrder,
    touched,
    next,
    terms: new Float64Array(n + 1),
    after: new Float64Array(n + 1),
    stamp: new Int32Array(n + 1),
    stamps: 0,
    salt: 0,
    couples: couplesOf(sites),
    childAt: children(),
    sum: 0,
    settled: false,
    guesses: GUESSES.map(children),
    tried: children(),
    best: children(),
  }
}

function couplesOf(sites: readonly { readonly call: number }[]): number {
  let couples = 0
  for (let a = 0; a < sites.length; a++) {
    for (let b = a + 1; b < sites.length && sites[b]!.call === sites[a]!.call; b++) couples++
  }
  return couples
}

/**
 * Swaps children of one call between sites while that makes the family likelier, if need be together with those of two
 * sites that wait for them: branches of the same calls change places one call after the other, and each swap on its own
 * would cut both. With a temperature, swaps are now and then made also where they do not (annealing), so that a bad
 * first guess is left behind. `settled`: an assignment that no swap makes likelier; to look on from there is in vain.
 * Whether anything changed; the log-likelihood is in `sum`.
 */
export function improve(
  assigner: Assigner,
  pairs: EventPairs,
  childAt: Int32Array,
  temperature: number,
  settled?: Int32Array,
): boolean {
  begin(assigner, pairs, childAt)
  assigner.salt = Math.round(pairs.family.lengthNs) | 0
  assigner.settled = settled !== undefined && isSame(childAt, settled)
  const { sites, call, couples } = assigner
  const passes = temperature > 0 ? 2 : sites
  let changed = false
  // Since the last swap. Where none of all couples pays, none will.
  let inVain = 0
  for (let pass = 0; pass < passes && !assigner.settled; pass++) {
    let improved = false
    for (let a = 0; a < sites && !assigner.settled; a++) {
      for (let b = a + 1; b < sites && call[b] === call[a] && !assigner.settled; b++) {
        const gain = childAt[a] === childAt[b] ? 0 : swapped(assigner, pairs, a, b, temperature)
        if (gain === 0) {
          assigner.settled = ++inVain === couples && temperature === 0
          continue
        }
        assigner.sum += gain
        improved = true
        inVain = 0
        assigner.settled = settled !== undefined && isSame(childAt, settled)
      }
    }
    if (!improved) break
    changed = true
  }
  return changed
}

/** Log-likelihood an event of a family whose children are assigned. */
export function fitOf(assigner: Assigner, pairs: EventPairs, childAt: Int32Array): number {
  begin(assigner, pairs, childAt)
  return assigner.sum / (pairs.children + 1)
}

function begin(assigner: Assigner, pairs: EventPairs, childAt: Int32Array): void {
  const { sites, terms } = assigner
  assigner.childAt = childAt
  let sum = 0
  for (let j = 0; j <= sites; j++) {
    terms[j] = termOf(assigner, pairs, j)
    sum += terms[j]!
  }
  assigner.sum = sum
}

/** Swaps the children of two sites, alone or with those of sites that wait for them, if it pays; what is gained, else 0. */
function swapped(assigner: Assigner, pairs: EventPairs, a: number, b: number, temperature: number): number {
  const { call, next, childAt } = assigner
  swap(childAt, a, b)
  let gain = gainOf(assigner, pairs, a, b, NONE, NONE)
  if (pays(assigner, gain, temperature)) return accept(assigner, a, b, NONE, NONE, gain)
  for (const c of next[a]!) {
    for (const d of next[b]!) {
      if (c === d || c === b || d === a || call[c] !== call[d] || childAt[c] === childAt[d]) continue
      swap(childAt, c, d)
      gain = gainOf(assigner, pairs, a, b, c, d)
      if (pays(assigner, gain, temperature)) return accept(assigner, a, b, c, d, gain)
      swap(childAt, c, d)
    }
  }
  swap(childAt, a, b)
  return 0
}

function pays(assigner: Assigner, gain: number, temperature: number): boolean {
  if (temperature === 0) return gain > 1e-9
  const salt = assigner.salt++
  // The logarithm is below 0.
  return gain >= 0 || gain > temperature * Math.log(uniformOf(salt, assigner.sites, 0))
}

/** What is gained by what two sites, or two and two, have now. */
function gainOf(assigner: Assigner, pairs: EventPairs, a: number, b: number, c: number, d: number): number {
  assigner.stamps++
  const gain = gainAt(assigner, pairs, b, gainAt(assigner, pairs, a, 0))
  return c === NONE ? gain : gainAt(assigner, pairs, d, gainAt(assigner, pairs, c, gain))
}

function gainAt(assigner: Assigner, pairs: EventPairs, site: number, before: number): number {
  const { stamp, stamps, after, terms } = assigner
  const list = assigner.touched[site]!
  let gain = before
  for (let i = 0; i < list.length; i++) {
    const j = list[i]!
    if (stamp[j] === stamps) continue
    stamp[j] = stamps
    after[j] = termOf(assigner, pairs, j)
    gain += after[j]! - terms[j]!
  }
  return gain
}

function accept(assigner: Assigner, a: number, b: number, c: number, d: number, gain: number): number {
  acceptAt(assigner, a)
  acceptAt(assigner, b)
  if (c === NONE) return gain
  acceptAt(assigner, c)
  acceptAt(assigner, d)
  return gain
}

function acceptAt({ terms, after, touched }: Assigner, site: number): void {
  const list = touched[site]!
  for (let i = 0; i < list.length; i++) terms[list[i]!] = after[list[i]!]!
}

function termOf(assigner: Assigner, pairs: EventPairs, j: number): number {
  if (j === assigner.sites) return startTerm(assigner, pairs, j, pairs.children)
  const child = assigner.childAt[j]!
  if (child < 0) return assigner.absent[j]!
  return (
    assigner.present[j]! +
    density(pairs.lengthLog[child]!, assigner.length, j) +
    startTerm(assigner, pairs, j, child)
  )
}

/** Of the start of a site's child, or of the parent's end. */
function startTerm(assigner: Assigner, pairs: EventPairs, j: number, event: number): number {
  const { childAt, firstWait, waits, eitherOrder } = assigner
  const { children, gapLog, startLog } = pairs
  let term = 0
  let log = startLog[event]!
  for (let i = firstWait[j]!; i < firstWait[j + 1]!; i++) {
    const child = childAt[waits[i]!]!
    if (child < 0) continue
    const since = gapLog[event * children + child]!
    if (since < log) log = since
    else if (since === Number.POSITIVE_INFINITY && !(eitherOrder[i] === 1 && beganAfter(pairs, child, event)))
      term += VIOLATION
  }
  return term + density(log, assigner.gap, j)
}

/** Whether a child began when another one had ended. */
function beganAfter({ family }: EventPairs, child: number, other: number): boolean {
  const { starts, ends } = family
  return starts[child]! >= starts[other]! + (ends[other]! - starts[other]!)
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
