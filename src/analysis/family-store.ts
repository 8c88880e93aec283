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
 * be most of what garbage collection has to move. There are thousands of these: no functions of their own.
 */
export type FamilyStore = { readonly children: number; packed: Float64Array; count: number }

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
      for (let signature = 0; signature < counts.length; signature++) {
        next[signature + 1] = next[signature]! + counts[signature]!
        reserve(stores[signature]!, counts[signature]!)
      }
      const sorted = new Int32Array(starts.length)
      for (const from of starts) sorted[next[numbers[from]!]!++] = from
      for (const from of sorted) take(stores[numbers[from]!]!, numbers, from, batch)
    },
  }
}

const EMPTY = new Float64Array(0)

export function createFamilyStore(children: number): FamilyStore {
  return { children, packed: EMPTY, count: 0 }
}

function widthOf({ children }: FamilyStore): number {
  return HEAD + 3 * children
}

/** Makes room for so many families more. */
function reserve(store: FamilyStore, families: number): void {
  const { packed, count } = store
  const width = widthOf(store)
  store.packed = new Float64Array((count + families) * width)
  if (count > 0) store.packed.set(packed.subarray(0, count * width))
}

/** Takes one family from where it was read to. */
function take(store: FamilyStore, numbers: Float64Array, from: number, batch: number): void {
  const { packed } = store
  const width = widthOf(store)
  const to = width * store.count++
  packed[to] = batch
  for (let i = 1; i < width; i++) packed[to + i] = numbers[from + i]!
}

/** Forgets all but so many; newer batches stay before older ones, and within a batch lower ranks before higher ones. */
export function keepNewest(store: FamilyStore, most: number): void {
  const { packed, count } = store
  if (count <= most) return
  const width = widthOf(store)
  const newestFirst = Array.from({ length: count }, (_, family) => family * width)
  newestFirst.sort((a, b) => packed[b]! - packed[a]! || packed[a + 1]! - packed[b + 1]! || a - b)
  store.packed = new Float64Array(most * width)
  store.count = most
  for (let family = 0; family < most; family++) {
    const from = newestFirst[family]!
    store.packed.set(packed.subarray(from, from + width), family * width)
  }
}

export function listFamilies(store: FamilyStore): Family[] {
  const { packed, count, children } = store
  const width = widthOf(store)
  const families: Family[] = []
  for (let family = 0; family < count; family++) {
    const at = family * width + HEAD
    families.push({
      calls: packed.subarray(at, at + children),
      starts: packed.subarray(at + children, at + 2 * children),
      ends: packed.subarray(at + 2 * children, at + 3 * children),
      lengthNs: packed[at - 2]!,
      wholeMs: packed[at - 1] === 1,
    })
  }
  return families
}
