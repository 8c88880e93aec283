import { comesBefore } from '../trace/settle.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import {
  assignSites,
  type Family,
  LEAST_FAMILIES,
  learnStructure,
  MOST_FAMILIES,
  MOST_SITES,
  type Structure,
} from './structure.ts'

/** Callers that tell one use of an operation from another. */
const CONTEXT_DEPTH = 8

/** Structures by signature: a kind of parent and the calls it makes. */
export type Model = { readonly structures: ReadonlyMap<string, Structure> }

/**
 * Dependencies of the root at hand that were learned; where there are none the rules for one trace hold. Children that
 * a child waited for are `list[first[slot]..last[slot])`, those that a parent's end waited for
 * `list[joinedFirst[span]..joinedLast[span])`.
 */
export type Dependencies = {
  learned: Uint8Array
  first: Int32Array
  last: Int32Array
  /** Slot of each child of a learned parent. */
  slotOf: Int32Array
  joinedFirst: Int32Array
  joinedLast: Int32Array
  list: number[]
}

export function createDependencies(): Dependencies {
  const none = new Int32Array(0)
  return {
    learned: new Uint8Array(0),
    first: none,
    last: none,
    slotOf: none,
    joinedFirst: none,
    joinedLast: none,
    list: [],
  }
}

export function growDependencies(dependencies: Dependencies, spans: number): void {
  if (dependencies.learned.length >= spans) return
  dependencies.learned = new Uint8Array(spans)
  for (const name of ['first', 'last', 'slotOf', 'joinedFirst', 'joinedLast'] as const) {
    dependencies[name] = new Int32Array(spans)
  }
}

/** Gathers families of all parents; call `add` with every settled and charged root, then `learn`. */
export function createLearner(): { add(tree: TraceTree, from: number, to: number): void; learn(): Model } {
  const families = new Map<string, Family[]>()
  return {
    add(tree, from, to) {
      for (let at = from; at < to; at++) {
        const family = familyOf(tree, tree.order[at]!)
        if (family === undefined) continue
        const known = families.get(family.signature)
        if (known === undefined) families.set(family.signature, [family])
        else if (known.length < MOST_FAMILIES) known.push(family)
      }
    },
    learn() {
      const structures = new Map<string, Structure>()
      for (const [signature, members] of families) {
        if (members.length >= LEAST_FAMILIES) structures.set(signature, learnStructure(members))
      }
      return { structures }
    },
  }
}

type KnownFamily = Family & { signature: string; children: number[] }

/** A parent with its children, undefined if there is nothing to learn: fewer than two, or too many. */
function familyOf(tree: TraceTree, parent: number): KnownFamily | undefined {
  const { firstChild, child, entry, start, end, shape, component } = tree
  const from = firstChild[parent]!
  const to = firstChild[parent + 1]!
  if (to - from < 2 || to - from > MOST_SITES) return undefined
  const children: number[] = []
  for (let slot = from; slot < to; slot++) if (entry[child[slot]!] === NOT_ENTRY) children.push(child[slot]!)
  if (children.length < 2) return undefined
  children.sort((a, b) => start[a]! - start[b]! || a - b)
  const { dictionary } = tree.spans
  const origin = start[parent]!
  // Where the parent was called from: one operation may run different code for different callers.
  let context = ''
  for (let up = parent, depth = 0; up >= 0 && depth < CONTEXT_DEPTH; up = tree.parent[up]!, depth++) {
    context += `${dictionary.call(shape[up]!, component[up]!)}/`
  }
  const calls = children.map((c) => dictionary.call(shape[c]!, component[c]!))
  const signature = `${context}:${[...calls].sort((a, b) => a - b).join(',')}`
  return {
    signature,
    children,
    calls,
    starts: children.map((c) => start[c]! - origin),
    ends: children.map((c) => end[c]! - origin),
    lengthNs: end[parent]! - origin,
  }
}

/** Works out the learned dependencies of a settled and charged root, behind those already in the list. */
export function applyModel(
  model: Model,
  tree: TraceTree,
  dependencies: Dependencies,
  from: number,
  to: number,
): void {
  growDependencies(dependencies, tree.capacity)
  for (let at = from; at < to; at++) {
    const parent = tree.order[at]!
    dependencies.learned[parent] = 0
    if (tree.live[parent]! < 1) continue
    const family = familyOf(tree, parent)
    const structure = family === undefined ? undefined : model.structures.get(family.signature)
    if (structure !== undefined) applyStructure(structure, family!, tree, dependencies, parent)
  }
}

function applyStructure(
  structure: Structure,
  family: KnownFamily,
  tree: TraceTree,
  dependencies: Dependencies,
  parent: number,
): void {
  const { list } = dependencies
  const { firstChild, child, live, detached, cutStart, cutEnd } = tree
  const siteOf = assignSites(family, structure)
  const childAt = new Int32Array(siteOf.length)
  const siteOfSpan = new Map<number, number>()
  siteOf.forEach((site, i) => {
    childAt[site] = family.children[i]!
    siteOfSpan.set(family.children[i]!, site)
  })
  const from = firstChild[parent]!
  for (let slot = from; slot < from + live[parent]!; slot++) {
    const c = child[slot]!
    dependencies.slotOf[c] = slot
    dependencies.first[slot] = list.length
    for (const site of structure.sites[siteOfSpan.get(c)!]!.waitsFor) {
      const waited = childAt[site]!
      if (detached[waited] === 0 && cutEnd[waited]! <= cutStart[c]! && comesBefore(tree, waited, c))
        list.push(waited)
    }
    dependencies.last[slot] = list.length
  }
  dependencies.joinedFirst[parent] = list.length
  structure.sites.forEach((site, s) => {
    if (site.joined && detached[childAt[s]!] === 0) list.push(childAt[s]!)
  })
  dependencies.joinedLast[parent] = list.length
  dependencies.learned[parent] = 1
}

/** Of `list[first..last)`, the last to end (ties: the first in span order); -1 if there is none. */
export function lastToEnd(tree: TraceTree, { list }: Dependencies, first: number, last: number): number {
  const { cutEnd } = tree
  let latest = -1
  for (let i = first; i < last; i++) {
    const c = list[i]!
    if (
      latest < 0 ||
      cutEnd[c]! > cutEnd[latest]! ||
      (cutEnd[c] === cutEnd[latest] && comesBefore(tree, c, latest))
    ) {
      latest = c
    }
  }
  return latest
}

/** The child that a learned parent's end waited for last; -1 if it waited for none. */
export function lastJoined(tree: TraceTree, dependencies: Dependencies, parent: number): number {
  return lastToEnd(tree, dependencies, dependencies.joinedFirst[parent]!, dependencies.joinedLast[parent]!)
}

/** The child that the one in a slot of a learned parent waited for last; -1 if it waited for none. */
export function lastWaitedFor(tree: TraceTree, dependencies: Dependencies, slot: number): number {
  return lastToEnd(tree, dependencies, dependencies.first[slot]!, dependencies.last[slot]!)
}
