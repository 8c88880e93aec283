import type { Family } from './structure.ts'

/**
 * Families of one signature, all of as many children, packed into one list of numbers: an object and three lists a
 * family would be most of what garbage collection has to move while a batch is learned from.
 */
export type FamilyStore = {
  readonly count: number
  /** Of a trace of that rank; those of one trace in an order of their own. */
  add(family: Family, batch: number, rank: number): void
  /** Forgets all but so many; newer batches stay before older ones, and within a batch lower ranks before higher ones. */
  keepNewest(most: number): void
  list(): Family[]
}

/** Before the times of the children: number of the batch, rank, length, whether times are whole milliseconds. */
const HEAD = 4

export function createFamilyStore(children: number): FamilyStore {
  const width = HEAD + 3 * children
  let numbers: number[] = []
  return {
    get count() {
      return numbers.length / width
    },
    add({ calls, starts, ends, lengthNs, wholeMs }, batch, rank) {
      numbers.push(batch, rank, lengthNs, wholeMs ? 1 : 0)
      for (const times of [calls, starts, ends]) for (let c = 0; c < children; c++) numbers.push(times[c]!)
    },
    keepNewest(most) {
      const count = numbers.length / width
      if (count <= most) return
      const before = numbers
      const newestFirst = Array.from({ length: count }, (_, family) => family * width)
      newestFirst.sort((a, b) => before[b]! - before[a]! || before[a + 1]! - before[b + 1]! || a - b)
      numbers = []
      for (const from of newestFirst.slice(0, most)) {
        for (let i = from; i < from + width; i++) numbers.push(before[i]!)
      }
    },
    list() {
      const families: Family[] = []
      for (let from = 0; from < numbers.length; from += width) {
        const at = from + HEAD
        families.push({
          calls: numbers.slice(at, at + children),
          starts: numbers.slice(at + children, at + 2 * children),
          ends: numbers.slice(at + 2 * children, from + width),
          lengthNs: numbers[from + 2]!,
          wholeMs: numbers[from + 3] === 1,
        })
      }
      return families
    },
  }
}
