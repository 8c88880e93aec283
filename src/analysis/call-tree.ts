import type { TraceTree } from '../trace/tree.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** Frames of a stack at the most; deeper spans count for the last: chains of 100,000 spans exist. */
export const DEEPEST_STACK = 128
/** Nodes of one entry at the most; what has no room counts for its caller. */
const NODES_PER_ENTRY = 1000
/** Slots of the table of an entry's nodes: a power of two, so that at most half of them are taken. */
const SLOTS = 2048

/**
 * Gathers, for one entry at a time, its critical time by call stack: a node a distinct stack of (component, operation).
 * Call `beginCalls`, then `addCritical` for each segment, in any order; `callsOf` then says how often the path entered a
 * component from another one. Functions of it are no closures: those would be compiled anew for each batch.
 */
export type CallTree = {
  tree: TraceTree
  result: ResultBuilder
  /** Of each span met: its node, and the span by which its component was entered. Stamped, so never cleared. */
  nodeOf: Int32Array
  enteredBy: Int32Array
  stampOf: Int32Array
  /** Stamps: the span has had critical time; something of its component, entered by it, has. */
  timedOf: Int32Array
  calledOf: Int32Array
  stamp: number
  /** By component: how often it was entered, under the stamp beside it. */
  calls: Int32Array
  callStamps: Int32Array
  firstNode: number
  /** Of each node of the entry: how deep it is, and how many there are. */
  depths: Int32Array
  nodeCount: number
  /** The entry's nodes by parent and frame: in the first slot from their hash on that was free under the stamp. */
  slots: Int32Array
  slotStamps: Int32Array
  above: number[]
}

export function createCallTree(tree: TraceTree, result: ResultBuilder): CallTree {
  const none = new Int32Array(0)
  return {
    tree,
    result,
    nodeOf: none,
    enteredBy: none,
    stampOf: none,
    timedOf: none,
    calledOf: none,
    stamp: 0,
    calls: none,
    callStamps: none,
    firstNode: 0,
    depths: new Int32Array(NODES_PER_ENTRY),
    nodeCount: 0,
    slots: new Int32Array(SLOTS),
    slotStamps: new Int32Array(SLOTS),
    above: [],
  }
}

export function beginCalls(calls: CallTree, entry: number): void {
  growCalls(calls)
  calls.stamp++
  calls.firstNode = calls.result.nodes.count
  calls.nodeCount = 0
  calls.stampOf[entry] = calls.stamp
  calls.enteredBy[entry] = entry
  calls.nodeOf[entry] = nodeUnder(calls, -1, entry)
}

export function addCritical(calls: CallTree, span: number, lengthNs: number): void {
  const { nodes } = calls.result
  const { stamp, timedOf, calledOf } = calls
  const node = calls.firstNode + place(calls, span)
  nodes.criticalNs[node]! += lengthNs
  if (timedOf[span] === stamp) return
  timedOf[span] = stamp
  nodes.calls[node]!++
  const entered = calls.enteredBy[span]!
  if (calledOf[entered] === stamp) return
  calledOf[entered] = stamp
  const component = calls.tree.component[entered]!
  calls.calls[component] = callsOf(calls, component) + 1
  calls.callStamps[component] = stamp
}

export function callsOf({ calls, callStamps, stamp }: CallTree, component: number): number {
  return callStamps[component] === stamp ? calls[component]! : 0
}

function growCalls(calls: CallTree): void {
  const { count, capacity, spans } = calls.tree
  if (calls.nodeOf.length < count) {
    for (const column of ['nodeOf', 'enteredBy', 'stampOf', 'timedOf', 'calledOf'] as const) {
      calls[column] = new Int32Array(capacity)
    }
  }
  const components = spans.dictionary.components.length
  if (calls.calls.length < components) {
    calls.calls = new Int32Array(2 * components)
    calls.callStamps = new Int32Array(2 * components)
  }
}

/** The node of a span of the entry: spans above it get theirs on the way. */
function place(calls: CallTree, span: number): number {
  const { stamp, stampOf, nodeOf, enteredBy, above } = calls
  const { parent, component } = calls.tree
  let at = span
  while (stampOf[at] !== stamp) {
    above.push(at)
    at = parent[at]!
  }
  let node = nodeOf[at]!
  while (above.length > 0) {
    const below = above.pop()!
    enteredBy[below] = component[below] === component[at] ? enteredBy[at]! : below
    at = below
    node = nodeUnder(calls, node, below)
    nodeOf[below] = node
    stampOf[below] = stamp
  }
  return node
}

/** Nodes are numbered within the entry. */
function nodeUnder(calls: CallTree, parent: number, span: number): number {
  const { tree, result, depths, slots, slotStamps, stamp, firstNode } = calls
  const { nodes } = result
  const depth = parent < 0 ? 1 : depths[parent]! + 1
  if (depth > DEEPEST_STACK) return parent
  const frame = tree.spans.dictionary.frame(tree.shape[span]!, tree.component[span]!)
  let slot = slotOf(parent, frame)
  for (; slotStamps[slot] === stamp; slot = (slot + 1) % SLOTS) {
    const node = slots[slot]!
    if (nodes.parent[firstNode + node] === parent && nodes.frame[firstNode + node] === frame) return node
  }
  if (calls.nodeCount === NODES_PER_ENTRY) return parent
  makeRoom(result, nodes, nodes.count + 1, nodes.frame.length)
  const at = nodes.count++
  nodes.parent[at] = parent
  nodes.frame[at] = frame
  nodes.criticalNs[at] = 0
  nodes.calls[at] = 0
  const node = calls.nodeCount++
  slots[slot] = node
  slotStamps[slot] = stamp
  depths[node] = depth
  return node
}

function slotOf(parent: number, frame: number): number {
  const hash = Math.imul(Math.imul(parent + 1, 0x9e3779b1) ^ frame, 0x85ebca6b)
  return (hash >>> 16) % SLOTS
}
