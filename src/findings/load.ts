import { quantileOf } from '../analysis/quantile.ts'
import type { ServerGroup } from './observations.ts'
import type { Busy } from './server-history.ts'

/** Fills `load` of the groups' fresh observations: requests under way at each start, by instance. */
export function workOutLoad(requests: ReadonlyMap<number, Busy>, groups: readonly ServerGroup[]): void {
  for (const { startNs, endNs } of requests.values()) {
    startNs.sort()
    endNs.sort()
  }
  for (const group of groups) {
    for (let at = group.fresh; at < group.startNs.length; at++) {
      const { startNs, endNs } = requests.get(group.instance[at]!)!
      group.load[at] = openAt(startNs, endNs, group.startNs[at]!, group.lengthNs[at]!)
    }
  }
}

/** How many of the intervals are open at each start, itself included; one that ends at that moment is not. */
export function concurrencyAt(startNs: Float64Array, lengthNs: Float64Array): Uint32Array {
  const starts = startNs.slice().sort()
  const ends = startNs.map((start, i) => start + lengthNs[i]!).sort()
  return Uint32Array.from(startNs, (start, i) => openAt(starts, ends, start, lengthNs[i]!))
}

function openAt(starts: Float64Array, ends: Float64Array, startNs: number, lengthNs: number): number {
  const open = notAfter(starts, startNs) - notAfter(ends, startNs)
  // Its own end may be this moment as well.
  return lengthNs === 0 ? open + 1 : open
}

/** How many of the sorted values are at most `limit`. */
function notAfter(sorted: Float64Array, limit: number): number {
  let low = 0
  let high = sorted.length
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
 * Indexes of observations with a load: those of the third of moments with the least, and those of the most loaded tenth
 * (more than the others had). undefined where the load hardly differs.
 */
export function byLoad(
  load: Uint32Array,
  accepts: (at: number) => boolean,
): { low: number[]; high: number[] } | undefined {
  const known: number[] = []
  for (let at = 0; at < load.length; at++) if (load[at]! > 0 && accepts(at)) known.push(at)
  const loads = Float64Array.from(known, (at) => load[at]!).sort()
  const lowMost = quantileOf(loads, 1 / 3)
  const highLeast = Math.max(quantileOf(loads, LOADED), lowMost + 1)
  const low = known.filter((at) => load[at]! <= lowMost)
  const high = known.filter((at) => load[at]! >= highLeast)
  return high.length < LEAST_LOADED ? undefined : { low, high }
}
