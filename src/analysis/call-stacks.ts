import { addProduct, addSum, addWords, createSum, type ExactSum } from './exact-sum.ts'

/**
 * Critical time of many entries by call stack. Nodes are numbered in the order they came, callers before what they
 * call; a frame is a number of the caller's choice.
 */
export type CallStacks = {
  parent: number[]
  frame: number[]
  criticalNs: ExactSum[]
  calls: number[]
  /** Node by caller and frame. */
  known: Map<number, number>
}

/** Nodes at the most: beyond, time counts for the caller. */
export const NODES_KEPT = 2000

export function createStacks(): CallStacks {
  return { parent: [], frame: [], criticalNs: [], calls: [], known: new Map() }
}

/** The node of a frame under a node (-1: of the entry); the caller's own where there is no room. */
export function nodeUnder(stacks: CallStacks, parent: number, frame: number): number {
  const key = (parent + 1) * 2 ** 32 + frame
  let node = stacks.known.get(key)
  if (node === undefined) {
    if (stacks.parent.length >= NODES_KEPT) return Math.max(0, parent)
    node = stacks.parent.length
    stacks.parent.push(parent)
    stacks.frame.push(frame)
    stacks.criticalNs.push(createSum())
    stacks.calls.push(0)
    stacks.known.set(key, node)
  }
  return node
}

/** Nodes as columns, from row `from` to `to`; parents count from the first of them, 1 being it, 0 none. */
export type NodeColumns = {
  parents: ArrayLike<number>
  frames: ArrayLike<number>
  /** UInt64 as two words. */
  nsWords: Uint32Array
  calls: ArrayLike<number>
}

/** Of the nodes being added, by place; used again, since samples are many and their nodes few. */
let added = new Int32Array(64)

/** Adds stacks, `weight` times. */
export function addNodes(
  stacks: CallStacks,
  { parents, frames, nsWords, calls }: NodeColumns,
  from: number,
  to: number,
  weight: number,
): void {
  if (added.length < to - from) added = new Int32Array(2 * (to - from))
  const nodeOf = added
  for (let i = from; i < to; i++) {
    const parent = parents[i]! === 0 ? -1 : nodeOf[parents[i]! - 1]!
    const node = nodeUnder(stacks, parent, frames[i]!)
    nodeOf[i - from] = node
    // Only samples have weights, and theirs are below 2^53.
    if (weight === 1) addWords(stacks.criticalNs[node]!, nsWords[2 * i]!, nsWords[2 * i + 1]!)
    else addProduct(stacks.criticalNs[node]!, nsWords[2 * i]! + nsWords[2 * i + 1]! * 2 ** 32, weight)
    stacks.calls[node]! += calls[i]! * weight
  }
}

export function addStacks(to: CallStacks, from: CallStacks): void {
  const nodeOf: number[] = []
  for (let i = 0; i < from.parent.length; i++) {
    const parent = from.parent[i]!
    const node = nodeUnder(to, parent < 0 ? -1 : nodeOf[parent]!, from.frame[i]!)
    nodeOf.push(node)
    addSum(to.criticalNs[node]!, from.criticalNs[i]!)
    to.calls[node]! += from.calls[i]!
  }
}
