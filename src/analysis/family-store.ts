import type { Family } from './structure.ts'

/**
 * Families of one signature, all of as many children, packed into one list of numbers: an object and three lists a
 * family would be most of what garbage collection has to move while a batch is learned from. A plain list: thousands of
 * short typed arrays, each with memory of its own, take longer.
 */
export type FamilyStore = { children: number; count: number; numbers: number[] }

/** Before the times of the children: number of the batch, rank, length, whether times are whole milliseconds. */
const HEAD = 4

export function createFamilyStore(children: number): FamilyStore {
  return { children, count: 0, numbers: [] }
}

/**
 * Adds those of a log at `places[from..to)`, and forgets all but so many; newer batches stay before older ones, and
 * within a batch lower ranks before higher ones.
 */
export function addFamilies(
  store: FamilyStore,
  log: FamilyLog,
  places: Int32Array,
  from: number,
  to: number,
  most: number,
): void {
  const width = HEAD + 3 * store.children
  const before = store.numbers
  const all = new Array<number>(before.length + (to - from) * width)
  let at = 0
  for (; at < before.length; at++) all[at] = before[at]!
  for (let i = from; i < to; i++) {
    const first = log.from[places[i]!]!
    for (let n = 0; n < width; n++) all[at++] = log.numbers[first + n]!
  }
  store.numbers = at > most * width ? newest(all, width, most) : all
  store.count = store.numbers.length / width
}

function newest(all: readonly number[], width: number, most: number): number[] {
  const newestFirst = Array.from({ length: all.length / width }, (_, family) => family * width)
  newestFirst.sort((a, b) => all[b]! - all[a]! || all[a + 1]! - all[b + 1]! || a - b)
  return newestFirst.slice(0, most).flatMap((from) => all.slice(from, from + width))
}

export function familiesIn({ children, numbers }: FamilyStore): Family[] {
  const families: Family[] = []
  for (let from = 0; from < numbers.length; from += HEAD + 3 * children) {
    const at = from + HEAD
    families.push({
      calls: numbers.slice(at, at + children),
      starts: numbers.slice(at + children, at + 2 * children),
      ends: numbers.slice(at + 2 * children, at + 3 * children),
      lengthNs: numbers[from + 2]!,
      wholeMs: numbers[from + 3] === 1,
    })
  }
  return families
}

/** Calls `look` for each, where there is one child: its start and end, and the parent's length. */
export function lookAtCalls(
  { numbers }: FamilyStore,
  look: (startNs: number, endNs: number, parentNs: number, wholeMs: boolean) => void,
): void {
  for (let from = 0; from < numbers.length; from += HEAD + 3) {
    look(numbers[from + HEAD + 1]!, numbers[from + HEAD + 2]!, numbers[from + 2]!, numbers[from + 3] === 1)
  }
}

/** Families of many signatures, one after the other as they are met. Family i is of signature `signature[i]`. */
export type FamilyLog = {
  count: number
  signature: Int32Array
  /** Where it begins in `numbers`, `length` of them. */
  from: Int32Array
  numbers: Float64Array
  length: number
}

export function createFamilyLog(): FamilyLog {
  return {
    count: 0,
    signature: new Int32Array(1024),
    from: new Int32Array(1024),
    numbers: new Float64Array(16_384),
    length: 0,
  }
}

/** A family of a trace of that rank; signatures are numbered from 0 on. */
export function logFamily(
  log: FamilyLog,
  { calls, starts, ends, lengthNs, wholeMs }: Family,
  signature: number,
  batch: number,
  rank: number,
): void {
  const children = calls.length
  if (log.count === log.from.length) {
    log.signature = widen(log.signature, new Int32Array(2 * log.count))
    log.from = widen(log.from, new Int32Array(2 * log.count))
  }
  if (log.length + HEAD + 3 * children > log.numbers.length) {
    log.numbers = widen(log.numbers, new Float64Array(2 * log.numbers.length))
  }
  const { numbers } = log
  let at = log.length
  log.signature[log.count] = signature
  log.from[log.count++] = at
  numbers[at++] = batch
  numbers[at++] = rank
  numbers[at++] = lengthNs
  numbers[at++] = wholeMs ? 1 : 0
  for (let c = 0; c < children; c++, at++) {
    numbers[at] = calls[c]!
    numbers[at + children] = starts[c]!
    numbers[at + 2 * children] = ends[c]!
  }
  log.length = at + 2 * children
}

/** Places in the log by signature, in the order of the log: those of signature s are `places[first[s]..first[s + 1])`. */
export function placesBySignature(
  { count, signature }: FamilyLog,
  signatures: number,
): { places: Int32Array; first: Int32Array } {
  const first = new Int32Array(signatures + 1)
  for (let i = 0; i < count; i++) first[signature[i]! + 1]!++
  for (let s = 0; s < signatures; s++) first[s + 1]! += first[s]!
  const places = new Int32Array(count)
  const next = first.slice()
  for (let i = 0; i < count; i++) places[next[signature[i]!]!++] = i
  return { places, first }
}

function widen<Numbers extends Int32Array | Float64Array>(numbers: Numbers, wider: Numbers): Numbers {
  wider.set(numbers)
  return wider
}
