import { CLIENT, PRODUCER } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type Calls, hashPair } from './calls.ts'
import { type Family, MOST_SITES } from './structure.ts'

/** A parent with its children: what was called, and from where. */
export type KnownFamily = Family & {
  /** Number of the parent's call and those above it: one operation may run different code for different callers. */
  context: number
  /** The spans, by start. */
  readonly children: Int32Array
}

/** Numbers of the calls of spans of one tree; scratch that is reused. */
export type FamilyReader = {
  /** Works out the calls of `order[from..to)`, parents before children; `wholeMs`: of a trace of millisecond clocks. */
  read(from: number, to: number, wholeMs: boolean): void
  /** Whether the times are whole milliseconds. */
  readonly wholeMs: boolean
  contextOf(parent: number): number
  /** The signature of a parent, NaN if there is nothing to learn: no children, too many, or one call's transit. */
  signatureOf(parent: number): number
  /** How many children of a parent with a signature belong to its family. */
  sizeOf(parent: number): number
  lengthOf(parent: number): number
  /** Calls of those children, by start, then their starts, then their ends: so many each, from `at` on. */
  writeFamily(parent: number, numbers: Float64Array, at: number, size: number): void
  /** A parent that has a signature, with its children; holds until the next one is asked for. */
  familyOf(parent: number): KnownFamily
}

export function createFamilyReader(tree: TraceTree, calls: Calls): FamilyReader {
  /** Of spans with children; what a leaf is called is worked out where it is asked for. */
  let call = new Float64Array(0)
  let context = new Float64Array(0)
  let wholeMs = false
  const sorted = new Int32Array(MOST_SITES)
  /** By size. */
  const families: Scratch[] = []
  return {
    get wholeMs() {
      return wholeMs
    },
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
    sizeOf,
    lengthOf,
    writeFamily,
    familyOf(parent) {
      const size = sizeOf(parent)
      const family = (families[size] ??= createScratch(size))
      writeFamily(parent, family.numbers, 0, size)
      family.children.set(sorted.subarray(0, size))
      family.context = context[parent]!
      family.lengthNs = lengthOf(parent)
      family.wholeMs = wholeMs
      return family
    },
  }

  function sizeOf(parent: number): number {
    const { firstChild, child, entry } = tree
    let size = 0
    for (let slot = firstChild[parent]!; slot < firstChild[parent + 1]!; slot++) {
      if (entry[child[slot]!] === NOT_ENTRY) size++
    }
    return size
  }

  function lengthOf(parent: number): number {
    return tree.end[parent]! - tree.start[parent]!
  }

  function writeFamily(parent: number, numbers: Float64Array, at: number, size: number): void {
    const { firstChild, child, entry, start, end } = tree
    let count = 0
    for (let slot = firstChild[parent]!; slot < firstChild[parent + 1]!; slot++) {
      const c = child[slot]!
      if (entry[c] !== NOT_ENTRY) continue
      let place = count++
      for (; place > 0; place--) {
        const other = sorted[place - 1]!
        if (start[other]! < start[c]! || (start[other] === start[c] && other < c)) break
        sorted[place] = other
      }
      sorted[place] = c
    }
    const origin = start[parent]!
    for (let i = 0; i < size; i++) {
      const c = sorted[i]!
      numbers[at + i] = callOf(c)
      numbers[at + size + i] = start[c]! - origin
      numbers[at + 2 * size + i] = end[c]! - origin
    }
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

type Scratch = KnownFamily & { readonly numbers: Float64Array }

function createScratch(size: number): Scratch {
  const numbers = new Float64Array(3 * size)
  return {
    context: 0,
    children: new Int32Array(size),
    calls: numbers.subarray(0, size),
    starts: numbers.subarray(size, 2 * size),
    ends: numbers.subarray(2 * size),
    lengthNs: 0,
    wholeMs: false,
    numbers,
  }
}
