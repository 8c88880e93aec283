import type { Family } from './structure.ts'

/**
 * Families of one signature, all of as many children, packed into one list of numbers: an object and three lists a
 * family would be most of what garbage collection has to move while a batch is learned from.
 */
export type FamilyStore = {
  readonly count: number
  /**
   * Adds those of a log at these places, and forgets all but so many; newer batches stay before older ones, and within a
   * batch lower ranks before higher ones.
   */
  add(log: FamilyLog, places: Int32Array, most: number): void
  list(): Family[]
  /** Calls `look` for each, where there is one child: its start and end, and the parent's length. */
  ofOneCall(look: (startNs: number, endNs: number, parentNs: number, wholeMs: boolean) => void): void
}

/** Before the times of the children: number of the batch, rank, length, whether times are whole milliseconds. */
const HEAD = 4

export function createFamilyStore(children: number): FamilyStore {
  const width = HEAD + 3 * children
  let numbers = new Float64Array(0)
  return {
    get count() {
      return numbers.length / width
    },
    add(log, places, most) {
      const before = numbers
      const all = new Float64Array(before.length + places.length * width)
      all.set(before)
      let at = before.length
      for (let i = 0; i < places.length; i++) {
        for (let from = log.from[places[i]!]!, to = from + width; from < to; from++) {
          all[at++] = log.numbers[from]!
        }
      }
      numbers = at > most * width ? newest(all, most) : all
    },
    list() {
      const families: Family[] = []
      for (let from = 0; from < numbers.length; from += width) {
        const at = from + HEAD
        families.push({
          calls: numbers.subarray(at, at + children),
          starts: numbers.subarray(at + children, at + 2 * children),
          ends: numbers.subarray(at + 2 * children, from + width),
          lengthNs: numbers[from + 2]!,
          wholeMs: numbers[from + 3] === 1,
        })
      }
      return families
    },
    ofOneCall(look) {
      for (let from = 0; from < numbers.length; from += width) {
        look(
          numbers[from + HEAD + 1]!,
          numbers[from + HEAD + 2]!,
          numbers[from + 2]!,
          numbers[from + 3] === 1,
        )
      }
    },
  }

  function newest(all: Float64Array, most: number): Float64Array<ArrayBuffer> {
    const newestFirst = Array.from({ length: all.length / width }, (_, family) => family * width)
    newestFirst.sort((a, b) => all[b]! - all[a]! || all[a + 1]! - all[b + 1]! || a - b)
    const kept = new Float64Array(most * width)
    newestFirst.slice(0, most).forEach((from, i) => {
      kept.set(all.subarray(from, from + width), i * width)
    })
    return kept
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

/** Places in the log by signature, in the order of the log. */
export function placesBySignature({ count, signature }: FamilyLog, signatures: number): Int32Array[] {
  const sizes = new Int32Array(signatures)
  for (let i = 0; i < count; i++) sizes[signature[i]!]!++
  const places = new Int32Array(count)
  const next = new Int32Array(signatures)
  for (let s = 1; s < signatures; s++) next[s] = next[s - 1]! + sizes[s - 1]!
  for (let i = 0; i < count; i++) places[next[signature[i]!]!++] = i
  return Array.from(sizes, (size, s) => places.subarray(next[s]! - size, next[s]!))
}

function widen<Numbers extends Int32Array | Float64Array>(numbers: Numbers, wider: Numbers): Numbers {
  wider.set(numbers)
  return wider
}
