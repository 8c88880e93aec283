import type { FamilyReader } from './family.ts'
import type { Family } from './structure.ts'

/**
 * Families as they are read from a batch, one behind the other whatever their signature: going to the store of each
 * would be to wait for memory. They are dealt out at the end.
 */
export type ReadFamilies = {
  /** The family of a parent in a trace of that rank; `signature`: a number from 0 on. */
  add(reader: FamilyReader, parent: number, signature: number, rank: number): void
  /** Gives the stores, by signature, what is theirs; of one trace in the order of adding. */
  dealOut(stores: readonly FamilyStore[], batch: number): void
}

/**
 * Families of one signature, all of as many children, packed into one array: an object and three lists a family would
 * be most of what garbage collection has to move.
 */
export type FamilyStore = {
  readonly count: number
  /** Makes room for so many families more. */
  reserve(families: number): void
  /** Takes one from where it was read to. */
  take(numbers: Float64Array, from: number, batch: number): void
  /** Forgets all but so many; newer batches stay before older ones, and within a batch lower ranks before higher ones. */
  keepNewest(most: number): void
  list(): Family[]
}

/** Before the times of the children: signature, then number of the batch; rank, length, whether times are whole ms. */
const HEAD = 4
const FIRST_ROOM = 1 << 16

export function createReadFamilies(): ReadFamilies {
  let numbers = new Float64Array(FIRST_ROOM)
  let end = 0
  const starts: number[] = []
  const counts: number[] = []
  return {
    add(reader, parent, signature, rank) {
      const size = reader.sizeOf(parent)
      const at = end
      end += HEAD + 3 * size
      if (end > numbers.length) {
        const wider = new Float64Array(2 * end)
        wider.set(numbers)
        numbers = wider
      }
      starts.push(at)
      while (counts.length <= signature) counts.push(0)
      counts[signature]!++
      numbers[at] = signature
      numbers[at + 1] = rank
      numbers[at + 2] = reader.lengthOf(parent)
      numbers[at + 3] = reader.wholeMs ? 1 : 0
      reader.writeFamily(parent, numbers, at + HEAD, size)
    },
    dealOut(stores, batch) {
      const next = new Int32Array(counts.length + 1)
      counts.forEach((count, signature) => {
        next[signature + 1] = next[signature]! + count
        stores[signature]!.reserve(count)
      })
      const sorted = new Int32Array(starts.length)
      for (const from of starts) sorted[next[numbers[from]!]!++] = from
      for (const from of sorted) stores[numbers[from]!]!.take(numbers, from, batch)
    },
  }
}

export function createFamilyStore(children: number): FamilyStore {
  const width = HEAD + 3 * children
  let packed = new Float64Array(0)
  let count = 0
  return {
    get count() {
      return count
    },
    reserve(families) {
      const before = packed
      packed = new Float64Array((count + families) * width)
      packed.set(before.subarray(0, count * width))
    },
    take(numbers, from, batch) {
      const to = width * count++
      packed[to] = batch
      for (let i = 1; i < width; i++) packed[to + i] = numbers[from + i]!
    },
    keepNewest(most) {
      if (count <= most) return
      const before = packed
      const newestFirst = Array.from({ length: count }, (_, family) => family * width)
      newestFirst.sort((a, b) => before[b]! - before[a]! || before[a + 1]! - before[b + 1]! || a - b)
      packed = new Float64Array(most * width)
      for (count = 0; count < most; count++) {
        const from = newestFirst[count]!
        packed.set(before.subarray(from, from + width), count * width)
      }
    },
    list: () =>
      Array.from({ length: count }, (_, family): Family => {
        const at = family * width + HEAD
        return {
          calls: packed.subarray(at, at + children),
          starts: packed.subarray(at + children, at + 2 * children),
          ends: packed.subarray(at + 2 * children, at + 3 * children),
          lengthNs: packed[at - 2]!,
          wholeMs: packed[at - 1] === 1,
        }
      }),
  }
}
