import type { Family } from './structure.ts'

/**
 * Families of one signature, all of as many children, packed into one list of numbers: an object and three lists a
 * family would be most of what garbage collection has to move while a batch is learned from.
 */
export type FamilyStore = {
  readonly count: number
  add(family: Family, batch: number): void
  /** Forgets all but so many; newer batches stay before older ones, and within a batch what was added first. */
  keepNewest(most: number): void
  list(): Family[]
}

/** Before the times of the children: number of the batch, length, whether times are whole milliseconds. */
const HEAD = 3

export function createFamilyStore(children: number): FamilyStore {
  const width = HEAD + 3 * children
  let numbers: number[] = []
  return {
    get count() {
      return numbers.length / width
    },
    add({ calls, starts, ends, lengthNs, wholeMs }, batch) {
      numbers.push(batch, lengthNs, wholeMs ? 1 : 0)
      for (const times of [calls, starts, ends]) for (let c = 0; c < children; c++) numbers.push(times[c]!)
    },
    keepNewest(most) {
      const count = numbers.length / width
      if (count <= most) return
      const before = numbers
      const newestFirst = Array.from({ length: count }, (_, family) => family * width)
      newestFirst.sort((a, b) => before[b]! - before[a]! || a - b)
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
          lengthNs: numbers[from + 1]!,
          wholeMs: numbers[from + 2] === 1,
        })
      }
      return families
    },
  }
}
