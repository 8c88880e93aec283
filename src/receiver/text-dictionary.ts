import { type ByteBuffer, copyBytes, createBytes, pushVarint } from './column-buffers.ts'
import { repairUtf8, viewOf } from './text.ts'

/**
 * The distinct values of a LowCardinality(String) column, numbered in order of appearance. `values` is laid out as
 * ClickHouse's Native format wants the dictionary: length as varint, bytes, one after the other.
 */
export type TextDictionary = {
  count: number
  /** Its own, and another once values were forgotten: a number from before may be another value's then. */
  generation: number
  values: ByteBuffer
  /** Where value i's bytes are in `values`, behind its length. */
  start: Uint32Array
  size: Uint32Array
  hash: Int32Array
  /** What `classify` made of value i, 0 without one. */
  tag: Uint8Array
  /** Open addressing: number + 1, 0 is free. A power of two, at most half full. */
  slots: Int32Array
  readonly classify: Classify | undefined
}

/** Says something about a value, once, when it is numbered. */
export type Classify = (bytes: Uint8Array, from: number, length: number) => number

/** An input made to collide ends here: beyond it a value is appended without being findable. */
const MAX_PROBES = 64
const INITIAL_VALUES = 128
/** An emptied dictionary keeps no larger table than this. */
const MAX_KEPT_SLOTS = 0x1_0000

/** Differs from process to process, so that collisions cannot be prepared. */
const SEED = (Math.random() * 0x1_0000_0000) | 0

/** Of all dictionaries. */
let generations = 0

export function createDictionary(classify?: Classify): TextDictionary {
  return {
    count: 0,
    generation: ++generations,
    values: createBytes(),
    start: new Uint32Array(INITIAL_VALUES),
    size: new Uint32Array(INITIAL_VALUES),
    hash: new Int32Array(INITIAL_VALUES),
    tag: new Uint8Array(INITIAL_VALUES),
    slots: new Int32Array(4 * INITIAL_VALUES),
    classify,
  }
}

/** The number of the value `source[from..from + length)`; bytes that are no UTF-8 are replaced. */
export function numberOf(
  dictionary: TextDictionary,
  source: Uint8Array,
  view: DataView,
  from: number,
  length: number,
): number {
  const hash = hashOf(view, from, length)
  const { slots, hash: hashes, size, start, values } = dictionary
  const mask = slots.length - 1
  let slot = hash & mask
  let probes = 0
  for (let entry = slots[slot]!; entry !== 0 && probes < MAX_PROBES; entry = slots[slot]!) {
    const n = entry - 1
    if (hashes[n] === hash && size[n] === length && isSame(view, from, values.view, start[n]!, length)) {
      return n
    }
    slot = (slot + 1) & mask
    probes++
  }
  const repaired = repairUtf8(source, from, length)
  if (repaired !== undefined) {
    return numberOf(dictionary, repaired, viewOf(repaired), 0, repaired.length)
  }
  return append(dictionary, source, view, from, length, hash, probes < MAX_PROBES ? slot : -1)
}

/** Whether value `n` is `source[from..from + length)`: a guess that is right spares the look-up. */
export function isValue(
  dictionary: TextDictionary,
  n: number,
  view: DataView,
  from: number,
  length: number,
): boolean {
  return (
    n < dictionary.count &&
    dictionary.size[n] === length &&
    isSame(view, from, dictionary.values.view, dictionary.start[n]!, length)
  )
}

/** Forgets the values from number `count` on. */
export function truncateDictionary(dictionary: TextDictionary, count: number): void {
  if (count >= dictionary.count) return
  dictionary.generation = ++generations
  takeBack(dictionary, count)
}

/** The same for values whose numbers nobody has been told yet: all that is known stays right, the generation is the same. */
export function takeBack(dictionary: TextDictionary, count: number): void {
  if (count >= dictionary.count) return
  if (count === 0) {
    if (dictionary.slots.length > MAX_KEPT_SLOTS) dictionary.slots = new Int32Array(4 * INITIAL_VALUES)
    else dictionary.slots.fill(0)
  } else {
    const { slots, hash } = dictionary
    const mask = slots.length - 1
    // Taken out in reverse order, none leaves a hole before another: the last one in is the last of its run of slots.
    for (let n = dictionary.count - 1; n >= count; n--) {
      let slot = hash[n]! & mask
      for (let probes = 0; slots[slot] !== n + 1 && probes < MAX_PROBES; probes++) slot = (slot + 1) & mask
      if (slots[slot] === n + 1) slots[slot] = 0
    }
  }
  dictionary.count = count
  dictionary.values.length = count === 0 ? 0 : dictionary.start[count - 1]! + dictionary.size[count - 1]!
}

function append(
  dictionary: TextDictionary,
  source: Uint8Array,
  view: DataView,
  from: number,
  length: number,
  hash: number,
  slot: number,
): number {
  const n = dictionary.count++
  if (n === dictionary.hash.length) {
    dictionary.start = widen(dictionary.start, new Uint32Array(2 * n))
    dictionary.size = widen(dictionary.size, new Uint32Array(2 * n))
    dictionary.hash = widen(dictionary.hash, new Int32Array(2 * n))
    dictionary.tag = widen(dictionary.tag, new Uint8Array(2 * n))
  }
  pushVarint(dictionary.values, length)
  dictionary.start[n] = dictionary.values.length
  dictionary.size[n] = length
  dictionary.hash[n] = hash
  if (dictionary.classify !== undefined) dictionary.tag[n] = dictionary.classify(source, from, length)
  copyBytes(source, view, from, length, dictionary.values)
  if (slot >= 0) dictionary.slots[slot] = n + 1
  if (2 * dictionary.count > dictionary.slots.length) rebuild(dictionary)
  return n
}

function widen<T extends Uint32Array | Int32Array | Uint8Array>(old: T, wide: T): T {
  wide.set(old)
  return wide
}

function rebuild(dictionary: TextDictionary): void {
  const slots = new Int32Array(4 * dictionary.slots.length)
  const mask = slots.length - 1
  for (let n = 0; n < dictionary.count; n++) {
    let slot = dictionary.hash[n]! & mask
    let probes = 0
    while (slots[slot] !== 0 && probes++ < MAX_PROBES) slot = (slot + 1) & mask
    if (slots[slot] === 0) slots[slot] = n + 1
  }
  dictionary.slots = slots
}

function hashOf(view: DataView, from: number, length: number): number {
  let hash = SEED ^ length
  let i = from
  const end = from + length
  for (const words = end - 3; i < words; i += 4) {
    hash = Math.imul(hash ^ view.getUint32(i, true), 0x9e3779b1)
    hash = (hash << 13) | (hash >>> 19)
  }
  for (; i < end; i++) hash = Math.imul(hash ^ view.getUint8(i), 0x85ebca6b)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 13)
}

/** Whether two runs of bytes are equal. */
export function isSame(a: DataView, atA: number, b: DataView, atB: number, length: number): boolean {
  let i = 0
  for (; i + 4 <= length; i += 4) {
    if (a.getUint32(atA + i, true) !== b.getUint32(atB + i, true)) return false
  }
  for (; i < length; i++) {
    if (a.getUint8(atA + i) !== b.getUint8(atB + i)) return false
  }
  return true
}
