import { logOf } from './log-normal.ts'
import { type Family, MOST_SITES, toleranceNs } from './structure.ts'

/**
 * What the events of one family have to do with each other, by child; the last event is the parent's end. Structure and
 * assignment are improved in turns, and the same gaps are looked at again and again.
 */
export type EventPairs = {
  family: Family
  children: number
  /**
   * Of event c and the end of child k, at `c * children + k`: logarithm of the time between; Infinity where k had not
   * ended by then, but for what clocks get wrong. The least of several is the gap after the last of them.
   */
  gapLog: Float64Array
  /** Of an event since the parent's start. */
  startLog: Float64Array
  /** Of a child's length. */
  lengthLog: Float64Array
}

/** Of a family that keeps its pairs. */
export function eventPairsOf(family: Family): EventPairs {
  return fillPairs(createPairs(family, family.calls.length), family)
}

/** Of one family after the other. */
export function createPairs(family: Family, most = MOST_SITES): EventPairs {
  return {
    family,
    children: 0,
    gapLog: new Float64Array((most + 1) * most),
    startLog: new Float64Array(most + 1),
    lengthLog: new Float64Array(most),
  }
}

export function fillPairs(pairs: EventPairs, family: Family): EventPairs {
  const { gapLog, startLog, lengthLog } = pairs
  const { starts, ends, lengthNs: parentNs, wholeMs } = family
  const children = family.calls.length
  pairs.family = family
  pairs.children = children
  for (let c = 0; c <= children; c++) {
    const start = c === children ? parentNs : starts[c]!
    const lengthNs = c === children ? parentNs : ends[c]! - start
    startLog[c] = logOf(start)
    if (c < children) lengthLog[c] = logOf(lengthNs)
    for (let k = 0; k < children; k++) {
      const end = ends[k]!
      let log = Number.POSITIVE_INFINITY
      if (end <= start) log = logOf(start - end)
      else if (end - start <= toleranceNs(wholeMs, Math.min(lengthNs, end - starts[k]!))) log = logOf(0)
      gapLog[c * children + k] = log
    }
  }
  return pairs
}
