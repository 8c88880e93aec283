import type { TraceTree } from '../trace/tree.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** Frames of a stack at the most; deeper spans count for the last: chains of 100,000 spans exist. */
export const DEEPEST_STACK = 128
/** Nodes of one entry at the most; what has no room counts for its caller. */
const NODES_PER_ENTRY = 1000

/**
 * Gathers, for one entry at a time, its critical time by call stack: a node a distinct stack of (component, operation).
 * Call `begin`, then `add` for each segment, in any order; `callsOf` then says how often the path entered a component
 * from another one.
 */
export type CallTree = {
  begin(entry: number): void
  add(span: number, lengthNs: number): void
  callsOf(component: number): number
}

export function createCallTree(tree: TraceTree, result: ResultBuilder): CallTree {
  const { nodes } = result
  /** Of each span met: its node, and the span by which its component was entered. Stamped, so never cleared. */
  let nodeOf = new Int32Array(0)
  let enteredBy = new Int32Array(0)
  let stampOf = new Int32Array(0)
  /** Stamps: the span has had critical time; something of its component, entered by it, has. */
  let timedOf = new Int32Array(0)
  let calledOf = new Int32Array(0)
  let stamp = 0
  const calls = new Map<number, number>()
  let firstNode = 0
  const depths: number[] = []
  const known = new Map<number, number>()
  const above: number[] = []

  return {
    begin(entry) {
      if (nodeOf.length < tree.count) {
        nodeOf = new Int32Array(tree.capacity)
        enteredBy = new Int32Array(tree.capacity)
        stampOf = new Int32Array(tree.capacity)
        timedOf = new Int32Array(tree.capacity)
        calledOf = new Int32Array(tree.capacity)
        stamp = 0
      }
      calls.clear()
      stamp++
      firstNode = nodes.count
      depths.length = 0
      known.clear()
      stampOf[entry] = stamp
      enteredBy[entry] = entry
      nodeOf[entry] = nodeUnder(-1, entry)
    },
    add(span, lengthNs) {
      const node = firstNode + place(span)
      nodes.criticalNs[node]! += lengthNs
      if (timedOf[span] === stamp) return
      timedOf[span] = stamp
      nodes.calls[node]!++
      const entered = enteredBy[span]!
      if (calledOf[entered] === stamp) return
      calledOf[entered] = stamp
      const component = tree.component[entered]!
      calls.set(component, (calls.get(component) ?? 0) + 1)
    },
    callsOf: (component) => calls.get(component) ?? 0,
  }

  /** The node of a span of the entry: spans above it get theirs on the way. */
  function place(span: number): number {
    let at = span
    while (stampOf[at] !== stamp) {
      above.push(at)
      at = tree.parent[at]!
    }
    let node = nodeOf[at]!
    while (above.length > 0) {
      const below = above.pop()!
      enteredBy[below] = tree.component[below] === tree.component[at] ? enteredBy[at]! : below
      at = below
      node = nodeUnder(node, below)
      nodeOf[below] = node
      stampOf[below] = stamp
    }
    return node
  }

  /** Nodes are numbered within the entry. */
  function nodeUnder(parent: number, span: number): number {
    const depth = parent < 0 ? 1 : depths[parent]! + 1
    if (depth > DEEPEST_STACK) return parent
    const frame = tree.spans.dictionary.frame(tree.shape[span]!, tree.component[span]!)
    const key = (parent + 1) * 2 ** 32 + frame
    const node = known.get(key)
    if (node !== undefined) return node
    if (depths.length === NODES_PER_ENTRY) return parent
    makeRoom(result, nodes, nodes.count + 1, nodes.frame.length)
    const at = nodes.count++
    nodes.parent[at] = parent
    nodes.frame[at] = frame
    nodes.criticalNs[at] = 0
    nodes.calls[at] = 0
    known.set(key, at - firstNode)
    depths.push(depth)
    return at - firstNode
  }
}
