import { CLIENT, PRODUCER } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type Calls, hashPair } from './calls.ts'
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
  /** Works out the calls of `order[from..to)`, parents before children; `wholeMs`: of a trace of millisecond clocks. */
  read(from: number, to: number, wholeMs: boolean): void
  contextOf(parent: number): number
  /** The signature of a parent, NaN if there is nothing to learn: no children, too many, or one call's transit. */
  signatureOf(parent: number): number
  /** A parent that has that signature, with its children; overwritten by the next one of as many children. */
  familyOf(parent: number, signature: number): KnownFamily
}

export function createFamilyReader(tree: TraceTree, calls: Calls): FamilyReader {
  /** Of spans with children; what a leaf is called is worked out where it is asked for. */
  let call = new Float64Array(0)
  let context = new Float64Array(0)
  let wholeMs = false
  /** By the number of children. */
  const families: KnownFamily[] = []
  return {
    read(from, to, whole) {
      const { order, shape, component, kind, firstChild, child, parent } = tree
      const { shapeComponent } = tree.spans.dictionary
      wholeMs = whole
      if (call.length < tree.capacity) {
        call = new Float64Array(tree.capacity)
        context = new Float64Array(tree.capacity)
      }
      for (let at = from; at < to; at++) {
        const span = order[at]!
        const slot = firstChild[span]!
        if (slot === firstChild[span + 1]!) continue
        let number = calls.number(shape[span]!, component[span]!)
        // `GET` says little; what was reached says more.
        if (kind[span] === CLIENT) {
          const callee = shape[child[slot]!]!
          number = hashPair(number, calls.number(callee, shapeComponent[callee]!))
        }
        const p = parent[span]!
        context[span] = hashPair(p < 0 ? 0 : context[p]!, number)
        call[span] = number
      }
    },
    contextOf: (parent) => context[parent]!,
    signatureOf,
    familyOf(parent, signature) {
      const { firstChild, child, entry, start, end } = tree
      const from = firstChild[parent]!
      const to = firstChild[parent + 1]!
      let count = 0
      for (let slot = from; slot < to; slot++) if (entry[child[slot]!] === NOT_ENTRY) count++
      const family = (families[count] ??= createFamily(count))
      const { children, calls: numbers, starts, ends } = family
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
        numbers[i] = callOf(c)
        starts[i] = start[c]! - origin
        ends[i] = end[c]! - origin
      }
      family.context = context[parent]!
      family.signature = signature
      family.lengthNs = end[parent]! - origin
      family.wholeMs = wholeMs
      return family
    },
  }

  function callOf(span: number): number {
    const { firstChild, shape, component } = tree
    return firstChild[span]! < firstChild[span + 1]!
      ? call[span]!
      : calls.number(shape[span]!, component[span]!)
  }

  function signatureOf(parent: number): number {
    const { firstChild, child, entry, kind } = tree
    const from = firstChild[parent]!
    const to = firstChild[parent + 1]!
    if (to === from || to - from > MOST_SITES) return Number.NaN
    if (to - from === 1 && (kind[parent] === CLIENT || kind[parent] === PRODUCER)) return Number.NaN
    // Sums of words: the same for any order of the children.
    let low = 0
    let high = 0
    let n = 0
    for (let slot = from; slot < to; slot++) {
      const c = child[slot]!
      if (entry[c] !== NOT_ENTRY) continue
      const number = callOf(c)
      const upper = Math.floor(number / 2 ** 32)
      low = (low + Math.imul(number | 0, 0x9e3779b1)) | 0
      high = (high + Math.imul(upper ^ (number | 0), 0x85ebca6b)) | 0
      n++
    }
    return n === 0
      ? Number.NaN
      : hashPair(hashPair(context[parent]!, n), (high >>> 11) * 2 ** 32 + (low >>> 0))
  }
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
