import type { FamilyReader } from './family.ts'
import type { Family } from './structure.ts'

/**
 * Families of one signature, all of as many children, packed into one array: an object and three lists a family would
 * be most of what garbage collection has to move while a batch is learned from.
 */
export type FamilyStore = {
  readonly count: number
  /** The family of a parent in a trace of that rank; those of one trace in an order of their own. */
  add(reader: FamilyReader, parent: number, batch: number, rank: number): void
  /** Forgets all but so many; newer batches stay before older ones, and within a batch lower ranks before higher ones. */
  keepNewest(most: number): void
  list(): Family[]
}

/** Before the times of the children: number of the batch, rank, length, whether times are whole milliseconds. */
const HEAD = 4
/** Families for which there is room at first. */
const FEW = 4

export function createFamilyStore(children: number): FamilyStore {
  const width = HEAD + 3 * children
  let numbers = new Float64Array(FEW * width)
  let count = 0
  return {
    get count() {
      return count
    },
    add(reader, parent, batch, rank) {
      const at = width * count++
      if (at === numbers.length) {
        const wider = new Float64Array(2 * at)
        wider.set(numbers)
        numbers = wider
      }
      numbers[at] = batch
      numbers[at + 1] = rank
      numbers[at + 2] = reader.lengthOf(parent)
      numbers[at + 3] = reader.wholeMs ? 1 : 0
      reader.writeFamily(parent, numbers, at + HEAD, children)
    },
    keepNewest(most) {
      if (count <= most) return
      const before = numbers
      const newestFirst = Array.from({ length: count }, (_, family) => family * width)
      newestFirst.sort((a, b) => before[b]! - before[a]! || before[a + 1]! - before[b + 1]! || a - b)
      numbers = new Float64Array(most * width)
      for (count = 0; count < most; count++) {
        const from = newestFirst[count]!
        numbers.set(before.subarray(from, from + width), count * width)
      }
    },
    list: () =>
      Array.from({ length: count }, (_, family): Family => {
        const at = family * width + HEAD
        return {
          calls: numbers.subarray(at, at + children),
          starts: numbers.subarray(at + children, at + 2 * children),
          ends: numbers.subarray(at + 2 * children, at + 3 * children),
          lengthNs: numbers[at - 2]!,
          wholeMs: numbers[at - 1] === 1,
        }
      }),
  }
}
