import { logDensity } from './log-normal.ts'
import type { Event, Family, Structure } from './structure.ts'

/** A start before what it should have waited for is this unlikely, log. */
const VIOLATION = -60
/** A site is never so sure to be there, or not to be, that its share is nearer to 0 or 1. */
const LEAST_SHARE = 0.01

/** First guesses of which occurrence a child is: by start, by end, by length. */
const ORDERS: readonly ((family: Family, child: number) => number)[] = [
  (family, child) => family.starts[child]!,
  (family, child) => family.ends[child]!,
  (family, child) => family.ends[child]! - family.starts[child]!,
]

/** The child at each site (-1: none): children of one call in the guessed order take the first sites of that call. */
export function guessSites(family: Family, calls: readonly number[], guess: number): Int32Array {
  const order = ORDERS[guess]!
  const children = Array.from(family.calls, (_, child) => child)
  children.sort((a, b) => family.calls[a]! - family.calls[b]! || order(family, a) - order(family, b) || a - b)
  const childAt = new Int32Array(calls.length).fill(-1)
  let next = 0
  for (let site = 0; site < calls.length; site++) {
    // Children without a site of their own were not foreseen; there are none among the families learned from.
    while (next < children.length && family.calls[children[next]!]! < calls[site]!) next++
    if (next < children.length && family.calls[children[next]!] === calls[site])
      childAt[site] = children[next++]!
  }
  return childAt
}

/** Assigns children anew by a structure: how many families changed, and the log-likelihood of all. */
export function assignFamilies(
  families: readonly Family[],
  assigned: readonly Int32Array[],
  structure: Structure,
): { changed: number; sum: number } {
  let changed = 0
  let sum = 0
  families.forEach((family, f) => {
    const better = improve(family, assigned[f]!, structure)
    if (better.changed) changed++
    sum += better.sum
  })
  return { changed, sum }
}

/** Swaps children of one call between sites while that makes the family likelier. */
export function improve(
  family: Family,
  childAt: Int32Array,
  { sites, end }: Structure,
): { changed: boolean; sum: number } {
  const n = childAt.length
  // Per event, so that a swap costs only what it changes: the sites themselves and those that wait for them.
  const terms = new Float64Array(n + 1)
  let sum = 0
  for (let j = 0; j <= n; j++) {
    terms[j] = termOf(j)
    sum += terms[j]!
  }
  let changed = false
  for (let pass = 0; pass < n; pass++) {
    let improved = false
    for (let a = 0; a < n; a++) {
      for (let b = a + 1; b < n && sites[b]!.call === sites[a]!.call; b++) {
        if (childAt[a] === childAt[b]) continue
        swap(childAt, a, b)
        let gain = 0
        for (let j = 0; j <= n; j++) if (depends(j, a, b)) gain += termOf(j) - terms[j]!
        if (gain > 1e-9) {
          for (let j = 0; j <= n; j++) if (depends(j, a, b)) terms[j] = termOf(j)
          sum += gain
          improved = true
        } else swap(childAt, a, b)
      }
    }
    if (!improved) break
    changed = true
  }
  return { changed, sum }

  function depends(j: number, a: number, b: number): boolean {
    if (j === a || j === b) return true
    const { waitsFor } = j === n ? end : sites[j]!
    return waitsFor.includes(a) || waitsFor.includes(b)
  }

  function termOf(j: number): number {
    if (j === n) return startTerm(end, family.lengthNs)
    const site = sites[j]!
    const child = childAt[j]!
    if (child < 0) return Math.log(Math.max(LEAST_SHARE, 1 - site.presence))
    const start = family.starts[child]!
    return (
      Math.log(Math.max(LEAST_SHARE, site.presence)) +
      logDensity(family.ends[child]! - start, site.length) +
      startTerm(site, start)
    )
  }

  function startTerm({ waitsFor, gap }: Event, start: number): number {
    let term = 0
    let ready = 0
    for (const k of waitsFor) {
      if (childAt[k]! < 0) continue
      const ended = family.ends[childAt[k]!]!
      if (ended > start) term += VIOLATION
      else if (ended > ready) ready = ended
    }
    return term + logDensity(start - ready, gap)
  }
}

function swap(values: Int32Array, a: number, b: number): void {
  const kept = values[a]!
  values[a] = values[b]!
  values[b] = kept
}
