import { chargeSpans } from '../trace/charge.ts'
import { hasMillisecondClock } from '../trace/clock.ts'
import { linkSpans } from '../trace/identity.ts'
import { loadSpans } from '../trace/load.ts'
import { areMany, readTimes } from '../trace/read-through.ts'
import type { RepairLog } from '../trace/repair-log.ts'
import { type ClockOffsets, settle } from '../trace/settle.ts'
import { growTree, type TraceTree } from '../trace/tree.ts'

/** Entries of a trace: `order[orderFrom[e]..orderFrom[e + 1])` are the spans of `entries[e]`. Empty: nothing was left. */
export type Assembled = { entries: number[]; orderFrom: number[]; millisecondClock: boolean }

/** Brings one trace into the tree: loaded, linked, every entry settled (by known clocks) and charged. */
export function assembleTrace(
  tree: TraceTree,
  rows: Uint32Array,
  from: number,
  to: number,
  repairs: RepairLog,
  clocks?: ClockOffsets,
): Assembled {
  return settleTrace(tree, linkTrace(tree, rows, from, to, repairs), repairs, clocks)
}

/** The first half of it: loaded and linked, times as the clocks showed them. Returns the spans without a parent. */
export function linkTrace(
  tree: TraceTree,
  rows: Uint32Array,
  from: number,
  to: number,
  repairs: RepairLog,
): number[] {
  growTree(tree, to - from)
  loadSpans(tree, rows, from, to, repairs)
  return tree.count === 0 ? [] : linkSpans(tree, repairs)
}

/** The second half: `entries` are the spans without a parent, to which those met below them are added. */
export function settleTrace(
  tree: TraceTree,
  entries: number[],
  repairs: RepairLog,
  clocks?: ClockOffsets,
): Assembled {
  if (tree.count === 0) return { entries, orderFrom: [0], millisecondClock: false }

  if (areMany(tree.count)) {
    readTimes(tree.start, tree.count)
    readTimes(tree.end, tree.count)
  }
  const millisecondClock = hasMillisecondClock(tree)
  // Outer entries first: they move what hangs below them. Inner ones join the list as they are met.
  const ofFirst = settle(tree, entries[0]!, 0, millisecondClock, repairs, entries, clocks)
  chargeSpans(tree, 0, ofFirst)
  const orderFrom = [0, ofFirst]
  for (let e = 1; e < entries.length; e++) {
    const from = orderFrom[e]!
    const to = settle(tree, entries[e]!, from, millisecondClock, repairs, entries, clocks)
    chargeSpans(tree, from, to)
    orderFrom.push(to)
  }
  return { entries, orderFrom, millisecondClock }
}
