import { rankOf } from '../analysis/quantile.ts'
import type { ServerGroup } from './observations.ts'
import type { Busy } from './server-history.ts'

/** Fills `load` of the groups' fresh observations: requests under way at each start, by instance. */
export function workOutLoad(requests: ReadonlyMap<number, Busy>, groups: readonly ServerGroup[]): void {
  const counters = new Map<number, OpenCounter>()
  for (const [instance, { startNs, endNs }] of requests) {
    counters.set(instance, countOpen(startNs.sort(), endNs.sort()))
  }
  for (const { instance, startNs, lengthNs, load, fresh } of groups) {
    for (let at = fresh; at < startNs.length; at++) {
      load[at] = counters.get(instance[at]!)!(startNs[at]!, lengthNs[at]!)
    }
  }
}

/** How many of the intervals are open at each start, itself included; one that ends at that moment is not. */
export function concurrencyAt(startNs: Float64Array, lengthNs: Float64Array): Uint32Array {
  const ends = new Float64Array(startNs.length)
  for (let i = 0; i < ends.length; i++) ends[i] = startNs[i]! + lengthNs[i]!
  const count = countOpen(startNs.slice().sort(), ends.sort())
  const load = new Uint32Array(startNs.length)
  for (let i = 0; i < load.length; i++) load[i] = count(startNs[i]!, lengthNs[i]!)
  return load
}

type OpenCounter = (startNs: number, lengthNs: number) => number

/** Counts by sorted starts and ends; quick where it is asked for moments that lie close together. */
function countOpen(starts: Float64Array, ends: Float64Array): OpenCounter {
  let started = 0
  let ended = 0
  return (startNs, lengthNs) => {
    started = notAfter(starts, startNs, started)
    ended = notAfter(ends, startNs, ended)
    // Its own end may be this moment as well.
    return lengthNs === 0 ? started - ended + 1 : started - ended
  }
}

/** How many of the sorted values are at most `limit`: searched for from `near` on, in steps that double. */
function notAfter(sorted: Float64Array, limit: number, near: number): number {
  let low = near
  let high = near
  if (near < sorted.length && sorted[near]! <= limit) {
    for (let step = 1; high < sorted.length && sorted[high]! <= limit; step *= 2) {
      low = high + 1
      high += step
    }
    if (high > sorted.length) high = sorted.length
  } else {
    for (let step = 1; low > 0 && sorted[low - 1]! > limit; step *= 2) {
      high = low - 1
      low -= step
    }
    if (low < 0) low = 0
  }
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Moments of high load are the tenth with the most; a burst now and then is what hurts. */
const LOADED = 0.9
/** Fewer observations at high load prove nothing. */
const LEAST_LOADED = 10

/**
 * Places of observations with a load: those of the third of moments with the least, and those of the most loaded tenth
 * (more than the others had). undefined where the load hardly differs. Of those only whose `valuesNs`, if given, is no
 * less than `leastNs`.
 */
export function byLoad(
  load: Uint32Array,
  valuesNs?: Float64Array,
  leastNs = 0,
): { low: Uint32Array; high: Uint32Array } | undefined {
  const known = new Uint32Array(load.length)
  let count = 0
  let most = 0
  for (let at = 0; at < load.length; at++) {
    if (load[at] === 0 || (valuesNs !== undefined && valuesNs[at]! < leastNs)) continue
    known[count++] = at
    if (load[at]! > most) most = load[at]!
  }
  /** By load: how many have it. */
  const having = new Uint32Array(most + 1)
  for (let i = 0; i < count; i++) having[load[known[i]!]!]!++
  const lowMost = loadAt(having, count, 1 / 3)
  const highLeast = Math.max(loadAt(having, count, LOADED), lowMost + 1)
  let lows = 0
  let highs = 0
  for (let l = 0; l <= most; l++) {
    if (l <= lowMost) lows += having[l]!
    if (l >= highLeast) highs += having[l]!
  }
  if (highs < LEAST_LOADED) return undefined
  const low = new Uint32Array(lows)
  const high = new Uint32Array(highs)
  lows = 0
  highs = 0
  for (let i = 0; i < count; i++) {
    const at = known[i]!
    if (load[at]! <= lowMost) low[lows++] = at
    else if (load[at]! >= highLeast) high[highs++] = at
  }
  return { low, high }
}

/** Nearest-rank quantile of loads. */
function loadAt(having: Uint32Array, count: number, q: number): number {
  if (count === 0) return 0
  let left = rankOf(count, q)
  let load = 0
  for (; (left -= having[load]!) > 0; load++);
  return load
}
