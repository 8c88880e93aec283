import { CLIENT, PRODUCER } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type Calls, hashPair } from './calls.ts'
import { type Family, MOST_SITES } from './structure.ts'

/** Callers that tell one use of an operation from another. */
const CONTEXT_DEPTH = 8

/** A parent with its children: what was called, and from where. */
export type KnownFamily = Family & {
  /** Number of the parent's call and those above it. */
  context: number
  /** ... and of what it called, how often each. */
  signature: number
  children: Int32Array
}

/** Numbers of the calls of spans of one tree; scratch that is reused. */
export type FamilyReader = {
  /** Works out the calls of `order[from..to)`. */
  read(from: number, to: number, wholeMs: boolean): void
  /** A parent with its children, undefined if there is nothing to learn: none, too many, or one call's transit. */
  familyOf(parent: number): KnownFamily | undefined
}

export function createFamilyReader(tree: TraceTree, calls: Calls): FamilyReader {
  let call = new Float64Array(0)
  let wholeMs = false
  return {
    read(from, to, whole) {
      wholeMs = whole
      const { order, shape, component, kind, firstChild, child } = tree
      if (call.length < tree.capacity) call = new Float64Array(tree.capacity)
      for (let at = to - 1; at >= from; at--) {
        const span = order[at]!
        let number = calls.number(shape[span]!, component[span]!)
        // `GET` says little; what was reached says more.
        if (kind[span] === CLIENT && firstChild[span]! < firstChild[span + 1]!) {
          const callee = child[firstChild[span]!]!
          number = hashPair(
            number,
            calls.number(shape[callee]!, tree.spans.dictionary.shapeComponent[shape[callee]!]!),
          )
        }
        call[span] = number
      }
    },
    familyOf(parent) {
      const { firstChild, child, entry, start, end, kind } = tree
      const from = firstChild[parent]!
      const to = firstChild[parent + 1]!
      if (to === from || to - from > MOST_SITES) return undefined
      if (to - from === 1 && (kind[parent] === CLIENT || kind[parent] === PRODUCER)) return undefined
      const children: number[] = []
      for (let slot = from; slot < to; slot++)
        if (entry[child[slot]!] === NOT_ENTRY) children.push(child[slot]!)
      if (children.length === 0) return undefined
      children.sort((a, b) => start[a]! - start[b]! || a - b)
      const origin = start[parent]!
      let context = 0
      for (let up = parent, depth = 0; up >= 0 && depth < CONTEXT_DEPTH; up = tree.parent[up]!, depth++) {
        context = hashPair(context, call[up]!)
      }
      const n = children.length
      const called = new Float64Array(n)
      const starts = new Float64Array(n)
      const ends = new Float64Array(n)
      for (let i = 0; i < n; i++) {
        const c = children[i]!
        called[i] = call[c]!
        starts[i] = start[c]! - origin
        ends[i] = end[c]! - origin
      }
      const sorted = called.slice().sort()
      let signature = context
      for (let i = 0; i < n; i++) signature = hashPair(signature, sorted[i]!)
      return {
        context,
        signature,
        children: Int32Array.from(children),
        calls: called,
        starts,
        ends,
        lengthNs: end[parent]! - origin,
        wholeMs,
      }
    },
  }
}
