import { type Assigner, createAssigner, fitOf, guessSites, likeliest } from './assignment.ts'
import type { Beside } from './beside.ts'
import { assignAll } from './climb.ts'
import { createPairs, type EventPairs, eventPairsOf, fillPairs } from './event-pairs.ts'
import { timesOf } from './event-times.ts'
import type { LaterPlace } from './later-place.ts'
import type { LogNormal } from './log-normal.ts'
import { conservatively, isRuleForOne, undisproved, withWaits } from './waited-for.ts'

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
  /** Whether the times are whole milliseconds. */
  wholeMs: boolean
}

/** Readings of one clock are off by so much, ns; but no overlap of this share of the shorter is the clock's. */
const JITTER_NS = 100_000
const JITTER_SHARE = 0.2
/** Of whole milliseconds. */
const ROUNDING_NS = 1_000_000

/** By how much one child may run into what waited for it and still be taken to have ended before, ns. */
export function toleranceNs(wholeMs: boolean, shorterNs: number): number {
  return wholeMs ? ROUNDING_NS : Math.max(shorterNs / 100, Math.min(JITTER_NS, JITTER_SHARE * shorterNs))
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
  /** Another place of the program at which the call is made in some families. */
  readonly later?: LaterPlace
}
export type Site = Event & {
  readonly call: number
  readonly length: LogNormal
  /** Share of families that have it. */
  readonly presence: number
}
export type Structure = {
  /** Number of the parent's call and those above it. */
  readonly context: number
  /** How many it was learned from. */
  readonly families: number
  readonly sites: readonly Site[]
  readonly end: Event
  /** Log-likelihood an event that nearly all families reach, and that most do. */
  readonly usual: number
  readonly typical: number
}

/** This many families are needed before what they show overrides the rules for one trace. */
export const LEAST_FAMILIES = 30
/** ... and so many more for each child whose call is made more than once: which is which must be learned too. */
export const MORE_FOR_REPEATED = 5
/** More families than this teach nothing more. */
export const MOST_FAMILIES = 300
/** More children than this are a loop, not a program to be told apart site by site. */
export const MOST_SITES = 24

/** How many families of one signature are enough to learn from. */
export function enoughFamilies({ calls }: Family): number {
  const made = new Map<number, number>()
  for (let i = 0; i < calls.length; i++) made.set(calls[i]!, (made.get(calls[i]!) ?? 0) + 1)
  let repeated = 0
  for (const times of made.values()) if (times > 1) repeated += times
  return LEAST_FAMILIES + MORE_FOR_REPEATED * repeated
}

/** Learns the structure of families of one signature; undefined where it says no more than the rules for one trace. */
export function learnStructure(given: readonly Family[], context: number): Structure | undefined {
  // In an order of their own, so that what is learned does not depend on how they came.
  const families = [...given].sort(byTimes)
  const calls = Array.from(families[0]!.calls).sort((a, b) => a - b)
  const repeated = calls.some((call, i) => i > 0 && call === calls[i - 1])
  const overlapping = families.some(hasOverlap)
  const pairs = repeated && overlapping ? families.map(eventPairsOf) : undefined
  // With every call made once, or one after the other, there is nothing to guess.
  const assigned =
    pairs === undefined ? families.map((family) => guessSites(family, calls, 0)) : assignAll(pairs, calls)
  const times = timesOf(families, assigned, calls.length, pairs)
  if (!overlapping && isRuleForOne(times)) return undefined
  const found = withWaits(times, calls, overlapping ? conservatively : undisproved)
  const assigner = createAssigner(found)
  const one = createPairs(families[0]!, calls.length)
  const fits = new Float64Array(families.length)
  for (let f = 0; f < families.length; f++) {
    fits[f] = fitOf(assigner, pairs?.[f] ?? fillPairs(one, families[f]!), assigned[f]!)
  }
  fits.sort()
  return {
    context,
    families: families.length,
    ...found,
    usual: fits[Math.floor(UNUSUAL * fits.length)]!,
    typical: fits[Math.floor(TYPICAL * fits.length)]!,
  }
}

function byTimes(a: Family, b: Family): number {
  let order = a.lengthNs - b.lengthNs
  for (let i = 0; order === 0 && i < a.starts.length; i++) {
    order = a.starts[i]! - b.starts[i]! || a.ends[i]! - b.ends[i]! || a.calls[i]! - b.calls[i]!
  }
  return order
}

/** A family that fits as well as this share of those learned from is assigned well enough. */
const TYPICAL = 0.25
/** Of the families learned from, this share fits worse than what is called usual. */
const UNUSUAL = 0.01
/** A family of another signature must not fit worse than usual by more than this, log-likelihood an event. */
const WORSE = 0.5

/** A structure, and what is worked out once to find the children of its sites. */
export type Places = {
  structure: Structure
  /** Whether its evidence leaves anything open; by site, and of the end: 1: there. */
  ambiguous: boolean
  open: Uint8Array
  calls: Float64Array
  /** Whether two sites are of one call. */
  repeated: boolean
  assigner: Assigner
  /** Of the family at hand. */
  pairs: EventPairs | undefined
}

const placesKnown = new WeakMap<Structure, Places>()

export function placesOf(structure: Structure): Places {
  let places = placesKnown.get(structure)
  if (places === undefined) {
    const calls = Float64Array.from(structure.sites, (site) => site.call)
    const open = Uint8Array.from([...structure.sites, structure.end], (event) => (isOpen(event) ? 1 : 0))
    places = {
      structure,
      ambiguous: open.includes(1),
      open,
      calls,
      repeated: calls.some((call, s) => call === calls[s - 1]),
      assigner: createAssigner(structure),
      pairs: undefined,
    }
    placesKnown.set(structure, places)
  }
  return places
}

/**
 * The child at each site (-1: none) of a family of the structure's signature (`same`) or one like it; undefined where
 * the family does not look like it. Overwritten by the next family's.
 */
export function childrenOf(places: Places, family: Family, same: boolean): Int32Array | undefined {
  const { structure, calls, repeated, assigner } = places
  if (same && !repeated) return guessSites(family, calls, 0, assigner.best)
  places.pairs ??= createPairs(family)
  const pairs = fillPairs(places.pairs, family)
  const childAt = likeliest(assigner, pairs, calls)
  return same || fitOf(assigner, pairs, childAt) >= structure.usual - WORSE ? childAt : undefined
}

function isOpen({ waitsFor, certain, possible, beside, later }: Event): boolean {
  if (beside !== undefined || later !== undefined) return true
  return certain.length < waitsFor.length || possible.length > waitsFor.length
}

function hasOverlap({ starts, ends }: Family): boolean {
  let latest = 0
  for (let child = 0; child < starts.length; child++) {
    if (starts[child]! < latest) return true
    if (ends[child]! > latest) latest = ends[child]!
  }
  return false
}
