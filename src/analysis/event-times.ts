import { createPairs, type EventPairs, fillPairs } from './event-pairs.ts'
import type { Family } from './structure.ts'

/**
 * Times by family f and event j, of children whose sites are known: `starts[f * width + j]`, NaN where there is none.
 * The last event of each row is the parent's end.
 */
export type Times = {
  width: number
  count: number
  starts: Float64Array
  ends: Float64Array
  /** By family. */
  wholeMs: readonly boolean[]
  /** Logarithm of an event's time since the parent's start, `[j * count + f]`; NaN: there is none, or it came before. */
  startLog: Float64Array
  /** ... and since the end of site k, `[(j * (width - 1) + k) * count + f]`; Infinity: it had not ended. */
  gapLog: Float64Array
  /** Of a site's length, `[k * count + f]`. */
  lengthLog: Float64Array
}

/** `pairs`: of each family, where they are at hand. */
export function timesOf(
  families: readonly Family[],
  assigned: readonly Int32Array[],
  sites: number,
  pairs?: readonly EventPairs[],
): Times {
  const times = createTimes(families, sites)
  const one = pairs === undefined ? createPairs(families[0]!, sites) : undefined
  for (let f = 0; f < families.length; f++) {
    setFamily(times, f, one === undefined ? pairs![f]! : fillPairs(one, families[f]!), assigned[f]!)
  }
  return times
}

/** Room for the times of families. */
export function createTimes(families: readonly Family[], sites: number): Times {
  const width = sites + 1
  const count = families.length
  return {
    width,
    count,
    starts: new Float64Array(width * count),
    ends: new Float64Array(width * count),
    wholeMs: families.map((family) => family.wholeMs),
    startLog: new Float64Array(width * count),
    gapLog: new Float64Array(width * sites * count),
    lengthLog: new Float64Array(sites * count),
  }
}

/** The times of family f, of which the child at each site is known (-1: none). */
export function setFamily(times: Times, f: number, pair: EventPairs, childAt: Int32Array): void {
  const { width, count, starts, ends, startLog, gapLog, lengthLog } = times
  const { family, children } = pair
  const sites = width - 1
  for (let j = 0; j < width; j++) {
    const event = j === sites ? children : childAt[j]!
    const none = event < 0
    const start = none ? Number.NaN : j === sites ? family.lengthNs : family.starts[event]!
    starts[f * width + j] = start
    ends[f * width + j] = none ? Number.NaN : j === sites ? 2 * family.lengthNs : family.ends[event]!
    startLog[j * count + f] = start >= 0 ? pair.startLog[event]! : Number.NaN
    if (j < sites) lengthLog[j * count + f] = none ? 0 : pair.lengthLog[event]!
    const row = event * children
    for (let k = 0, at = j * sites * count + f; k < sites; k++, at += count) {
      const child = childAt[k]!
      gapLog[at] = none || child < 0 ? Number.POSITIVE_INFINITY : pair.gapLog[row + child]!
    }
  }
}
