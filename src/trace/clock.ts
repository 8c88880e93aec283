import { SERVER } from './span.ts'
import type { TraceTree } from './tree.ts'

const MILLISECOND_NS = 1e6
const WORD = 2 ** 32

function isWholeMillisecond(ns: number): boolean {
  return Math.floor(ns / MILLISECOND_NS) * MILLISECOND_NS === ns
}

/** The origin's distance from the whole millisecond before it. */
function offsetOf({ originLow, originHigh }: TraceTree): number {
  return (originHigh * (WORD % MILLISECOND_NS) + originLow) % MILLISECOND_NS
}

/** Whether every start and end of the trace is a whole millisecond of epoch time. Before any skew move. */
export function hasMillisecondClock(tree: TraceTree): boolean {
  const { start, end, count } = tree
  if (count > 0 && !isWholeMillisecond(end[0]! - start[0]!)) return false
  const offset = offsetOf(tree)
  for (let i = 0; i < count; i++) {
    if (!isWholeMillisecond(start[i]! + offset) || !isWholeMillisecond(end[i]! + offset)) return false
  }
  return true
}

/**
 * Of a trace without a millisecond clock, the spans whose whole subtree has one (a service-scope sample looks at its
 * own subtree only); undefined if no SERVER is among them. `order` holds the whole trace, parents first.
 */
export function millisecondSubtrees(tree: TraceTree, orderTo: number): Uint8Array | undefined {
  const { order, kind, parent, count } = tree
  const offset = offsetOf(tree)
  let any = false
  for (let i = 0; i < count && !any; i++) any = kind[i] === SERVER && isWhole(tree, i, offset)
  if (!any) return undefined
  const subtree = new Uint8Array(count).fill(1)
  for (let at = orderTo - 1; at >= 0; at--) {
    const i = order[at]!
    if (!isWhole(tree, i, offset)) subtree[i] = 0
    if (subtree[i] === 0 && parent[i]! >= 0) subtree[parent[i]!] = 0
  }
  return subtree
}

function isWhole({ start, end, shift }: TraceTree, i: number, offset: number): boolean {
  return (
    isWholeMillisecond(start[i]! - shift[i]! + offset) && isWholeMillisecond(end[i]! - shift[i]! + offset)
  )
}
