import type { TraceTree } from './tree.ts'

/** Overlaps up to this share of the shorter of two siblings are clock jitter or rounding. */
const SHARE = 100
/** Siblings looked at one by one before the search for the next long enough one gets a tree. */
const LINEAR_STEPS = 32
/** Left in `detached` of a trimmed span, for the caller to report and clear. */
export const TRIM_MARK = 2

/**
 * Repair 7 over the live children in `child[from..to)`, sorted by start: one that runs into the start of a
 * later-starting one by no more than 1 % of the shorter of the two (or by `toleranceNs`) ends there, at the earliest
 * such start. Lengths are those before any trimming. True if any was trimmed; those carry TRIM_MARK.
 */
export function trimChildren(tree: TraceTree, from: number, to: number, toleranceNs: number): boolean {
  const { child, cutStart, cutEnd, keys, scratch } = tree
  let latestEnd = Number.NEGATIVE_INFINITY
  let overlaps = false
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    const s = cutStart[c]!
    const e = cutEnd[c]!
    if (s < latestEnd) overlaps = true
    if (e > latestEnd) latestEnd = e
    // Where a sibling that runs into this one may end at the latest.
    keys[slot] = s + allowance(e - s, toleranceNs)
  }
  if (!overlaps) return false

  let reaches: (from: number, atLeast: number) => number
  let built = false
  let trimmed = 0
  const latestStart = cutStart[child[to - 1]!]!
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    const s = cutStart[c]!
    const e = cutEnd[c]!
    // By as much as a sibling may run into this one: `keys` has it.
    const earliest = e - (keys[slot]! - s)
    // It goes on too long after every sibling's start.
    if (earliest > latestStart) continue
    let next = firstFrom(tree, slot + 1, to, Math.max(earliest, s), earliest <= s)
    let steps = 0
    while (next < to && cutStart[child[next]!]! < e && keys[next]! < e) {
      next++
      if (++steps === LINEAR_STEPS) {
        if (!built) {
          reaches = reachSearch(keys, from, to)
          built = true
        }
        next = reaches!(next, e)
      }
    }
    if (next < to && cutStart[child[next]!]! < e) {
      scratch[trimmed++] = slot
      // Applied after the loop: later siblings are compared with untrimmed ends.
      tree.byEnd[slot] = next
    }
  }
  for (let i = 0; i < trimmed; i++) {
    const slot = scratch[i]!
    const c = child[slot]!
    cutEnd[c] = cutStart[child[tree.byEnd[slot]!]!]!
    tree.detached[c] = TRIM_MARK
  }
  return trimmed > 0
}

function allowance(lengthNs: number, toleranceNs: number): number {
  const share = Math.floor(lengthNs / SHARE)
  return Math.max(share, toleranceNs)
}

/** First slot whose start is at least `bound` (`after`: beyond it); starts ascend. Near ones are found sooner. */
function firstFrom(tree: TraceTree, from: number, to: number, bound: number, after: boolean): number {
  const { child, cutStart } = tree
  let low = from
  let high = from
  for (let step = 1; high < to; step *= 2) {
    const s = cutStart[child[high]!]!
    if (after ? s > bound : s >= bound) break
    low = high + 1
    high = low + step
  }
  if (high > to) high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const s = cutStart[child[middle]!]!
    if (after ? s > bound : s >= bound) high = middle
    else low = middle + 1
  }
  return low
}

/** Search for the first slot at or after `slot` with `keys[slot] >= atLeast`, by a tree of maxima: O(log n). */
function reachSearch(
  keys: Float64Array,
  from: number,
  to: number,
): (slot: number, atLeast: number) => number {
  let leaves = 1
  while (leaves < to - from) leaves *= 2
  const maxima = new Float64Array(2 * leaves).fill(Number.NEGATIVE_INFINITY)
  for (let slot = from; slot < to; slot++) maxima[leaves + slot - from] = keys[slot]!
  for (let node = leaves - 1; node > 0; node--) {
    maxima[node] = Math.max(maxima[2 * node]!, maxima[2 * node + 1]!)
  }
  return (slot, atLeast) => {
    if (slot >= to) return to
    let node = leaves + slot - from
    // Up until a subtree to the right (or this leaf) reaches far enough, then down to its first leaf.
    while (maxima[node]! < atLeast) {
      while ((node & 1) === 1) {
        node >>>= 1
        if (node === 0) return to
      }
      node++
      if (node >= 2 * leaves) return to
    }
    while (node < leaves) node = maxima[2 * node]! >= atLeast ? 2 * node : 2 * node + 1
    return Math.min(node - leaves + from, to)
  }
}
