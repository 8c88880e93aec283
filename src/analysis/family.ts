import { CLIENT, PRODUCER } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type Calls, callNumber, hashPair } from './calls.ts'
import { type Contexts, createContexts, placeOfContext } from './contexts.ts'
import { type Family, MOST_SITES } from './structure.ts'

/** A parent with its children: what was called, and from where. */
export type KnownFamily = Family & {
  /** Number of the parent's call and those above it: one operation may run different code for different callers. */
  context: number
  /** ... and of what it called, how often each. */
  signature: number
  children: Int32Array
  calls: Float64Array
  starts: Float64Array
  ends: Float64Array
}

/** Numbers of the calls of spans of one tree; scratch that is reused. */
export type FamilyReader = {
  tree: TraceTree
  contexts: Contexts
  /** Place of the context of spans with children; what a leaf is called is worked out where it is asked for. */
  placeOf: Int32Array
  parents: Int32Array
  count: number
  wholeMs: boolean
  /** By the number of children. */
  families: KnownFamily[]
}

/** `wants`: whether parents in a context are to be listed. */
export function createFamilyReader(
  tree: TraceTree,
  calls: Calls,
  wants: (context: number) => boolean,
): FamilyReader {
  return {
    tree,
    contexts: createContexts(calls, wants),
    placeOf: new Int32Array(0),
    parents: new Int32Array(0),
    count: 0,
    wholeMs: false,
    families: [],
  }
}

/**
 * Works out the calls of `order[from..to)`, parents before children, and lists the parents of which something may be
 * learned, or known: of a context that is wanted, with children, not too many, and not one call's transit. `wholeMs`: of
 * a trace of millisecond clocks.
 */
export function readParents(reader: FamilyReader, from: number, to: number, wholeMs: boolean): void {
  const { tree, contexts } = reader
  const { order, shape, component, kind, firstChild, child, parent } = tree
  if (reader.placeOf.length < tree.capacity) {
    reader.placeOf = new Int32Array(tree.capacity)
    reader.parents = new Int32Array(tree.capacity)
  }
  const { placeOf, parents } = reader
  let count = 0
  for (let at = from; at < to; at++) {
    const span = order[at]!
    const slot = firstChild[span]!
    const children = firstChild[span + 1]! - slot
    if (children === 0) continue
    const p = parent[span]!
    const callee = kind[span] === CLIENT ? shape[child[slot]!]! : -1
    const place = placeOfContext(contexts, p < 0 ? -1 : placeOf[p]!, shape[span]!, component[span]!, callee)
    placeOf[span] = place
    if (contexts.isWanted[place] === 0 || children > MOST_SITES) continue
    if (children === 1 && (kind[span] === CLIENT || kind[span] === PRODUCER)) continue
    parents[count++] = span
  }
  reader.count = count
  reader.wholeMs = wholeMs
}

/** A parent that has that signature, with its children; overwritten by the next one of as many children. */
export function familyOf(reader: FamilyReader, parent: number, signature: number): KnownFamily {
  const { tree, families } = reader
  const { firstChild, child, entry, start, end } = tree
  const from = firstChild[parent]!
  const to = firstChild[parent + 1]!
  let count = 0
  for (let slot = from; slot < to; slot++) if (entry[child[slot]!] === NOT_ENTRY) count++
  const family = (families[count] ??= createFamily(count))
  const { children, calls, starts, ends } = family
  let n = 0
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (entry[c] !== NOT_ENTRY) continue
    let at = n++
    for (; at > 0; at--) {
      const other = children[at - 1]!
      if (start[other]! < start[c]! || (start[other] === start[c] && other < c)) break
      children[at] = other
    }
    children[at] = c
  }
  const origin = start[parent]!
  for (let i = 0; i < n; i++) {
    const c = children[i]!
    calls[i] = callOf(reader, c)
    starts[i] = start[c]! - origin
    ends[i] = end[c]! - origin
  }
  family.context = reader.contexts.context[reader.placeOf[parent]!]!
  family.signature = signature
  family.lengthNs = end[parent]! - origin
  family.wholeMs = reader.wholeMs
  return family
}

function callOf({ tree, contexts, placeOf }: FamilyReader, span: number): number {
  const { firstChild, shape, component } = tree
  return firstChild[span]! < firstChild[span + 1]!
    ? contexts.call[placeOf[span]!]!
    : callNumber(contexts.calls, shape[span]!, component[span]!)
}

/** The signature of a parent that was listed, NaN if its children are entries. */
export function signatureOf(reader: FamilyReader, parent: number): number {
  const { tree, contexts, placeOf } = reader
  const { firstChild, child, entry } = tree
  const from = firstChild[parent]!
  const to = firstChild[parent + 1]!
  // Sums of words: the same for any order of the children.
  let low = 0
  let high = 0
  let n = 0
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (entry[c] !== NOT_ENTRY) continue
    const number = callOf(reader, c)
    const upper = Math.floor(number / 2 ** 32)
    low = (low + Math.imul(number | 0, 0x9e3779b1)) | 0
    high = (high + Math.imul(upper ^ (number | 0), 0x85ebca6b)) | 0
    n++
  }
  return n === 0
    ? Number.NaN
    : hashPair(hashPair(contexts.context[placeOf[parent]!]!, n), (high >>> 11) * 2 ** 32 + (low >>> 0))
}

function createFamily(children: number): KnownFamily {
  const numbers = () => new Float64Array(children)
  return {
    context: 0,
    signature: 0,
    children: new Int32Array(children),
    calls: numbers(),
    starts: numbers(),
    ends: numbers(),
    lengthNs: 0,
    wholeMs: false,
  }
}
