import { type DealRoom, dealOut, FEW } from './deal.ts'

/** Runs of this length are sorted by insertion before they are merged. */
const RUN = 12

/**
 * Sorts `items[from..to)` by `keys[item]` and, among equal keys, by `before(of, a, b)` (true: a strictly before b).
 * Stable; O(n log n), O(n) where they are sorted already. `scratch` has room for `to - from` items.
 */
export function sortRange<T>(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  keys: Float64Array,
  of: T,
  before: (of: T, a: number, b: number) => boolean,
): void {
  let sorted = from + 1
  for (; sorted < to; sorted++) {
    const item = items[sorted]!
    const last = items[sorted - 1]!
    const key = keys[item]!
    const lastKey = keys[last]!
    if (key < lastKey || (key === lastKey && before(of, item, last))) break
  }
  if (sorted >= to) return

  for (let low = from; low < to; low += RUN) {
    const high = Math.min(low + RUN, to)
    for (let i = low + 1; i < high; i++) {
      const item = items[i]!
      const key = keys[item]!
      let j = i - 1
      for (; j >= low; j--) {
        const other = items[j]!
        const otherKey = keys[other]!
        if (key > otherKey || (key === otherKey && !before(of, item, other))) break
        items[j + 1] = other
      }
      items[j + 1] = item
    }
  }

  const count = to - from
  for (let width = RUN; width < count; width *= 2) {
    for (let low = from; low + width < to; low += 2 * width) {
      const middle = low + width
      const high = Math.min(middle + width, to)
      if (keys[items[middle]!]! > keys[items[middle - 1]!]!) continue
      // The left run steps aside; the merge never overtakes the right one.
      const left = middle - low
      for (let i = 0; i < left; i++) scratch[i] = items[low + i]!
      let l = 0
      let r = middle
      let out = low
      while (l < left && r < high) {
        const a = items[r]!
        const b = scratch[l]!
        const keyA = keys[a]!
        const keyB = keys[b]!
        if (keyA < keyB || (keyA === keyB && before(of, a, b))) {
          items[out++] = a
          r++
        } else {
          items[out++] = b
          l++
        }
      }
      while (l < left) items[out++] = scratch[l++]!
    }
  }
}

/** From this length on, keys are sorted by counting all of their digits. */
const MANY = 1024
const WORD = 2 ** 32
const counts = new Int32Array(2048)
const room: DealRoom = {
  part: new Int32Array(MANY),
  dealt: new Int32Array(MANY),
  dealtPart: new Int32Array(MANY),
}

/**
 * Sorts `items[from..to)` by whole numbers `keys[item]` that lie less than 2^53 apart. Stable; O(n) for many items (a
 * radix sort from the lowest digit up), and where they are sorted already. `scratch` has room for `to - from` items.
 */
export function sortByWhole(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  keys: Float64Array,
): void {
  let least = keys[items[from]!]!
  let most = least
  let sorted = true
  for (let i = from, last = least; i < to; i++) {
    const key = keys[items[i]!]!
    if (key < last) sorted = false
    if (key < least) least = key
    if (key > most) most = key
    last = key
  }
  if (sorted) return
  if (to - from <= FEW) {
    insert(items, from, to, keys)
    return
  }
  if (to - from < MANY) {
    dealOut(items, from, to, room, keys, least, most)
    sortParts(items, from, to, scratch, keys)
    return
  }
  const low = most - least < WORD ? most - least : WORD - 1
  sortByDigits(items, from, to, scratch, keys, least, 1, low)
  if (most - least >= WORD) {
    sortByDigits(items, from, to, scratch, keys, least, WORD, Math.floor((most - least) / WORD))
  }
}

/** Sorts what was dealt out to one part each; of crowded ones by comparing. */
function sortParts(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  keys: Float64Array,
): void {
  const { part } = room
  let first = from
  for (let i = from + 1; i <= to; i++) {
    if (i < to && part[i - from] === part[first - from]) continue
    if (i - first > FEW) sortRange(items, first, i, scratch, keys, undefined, neverBefore)
    else if (i - first > 1) insert(items, first, i, keys)
    first = i
  }
}

/** Stable; for few items, or those that are nearly sorted. */
function insert(items: Int32Array, from: number, to: number, keys: Float64Array): void {
  for (let i = from + 1; i < to; i++) {
    const item = items[i]!
    const key = keys[item]!
    let j = i - 1
    for (; j >= from && keys[items[j]!]! > key; j--) items[j + 1] = items[j]!
    items[j + 1] = item
  }
}

function neverBefore(): boolean {
  return false
}

/** Sorts by the word of 32 bits that is `(key - least) / unit`, at most `most`. */
function sortByDigits(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  keys: Float64Array,
  least: number,
  unit: number,
  most: number,
): void {
  const bits = 32 - Math.clz32(most)
  const digits = Math.ceil(bits / (to - from < 1024 ? 8 : 11))
  const width = Math.ceil(bits / digits)
  const mask = 2 ** width - 1
  let source = items
  let first = from
  for (let shift = 0; shift < bits; shift += width) {
    counts.fill(0, 0, mask + 1)
    const end = first + to - from
    for (let i = first; i < end; i++) {
      counts[((((keys[source[i]!]! - least) / unit) >>> 0) >>> shift) & mask]!++
    }
    const target = source === items ? scratch : items
    const base = target === items ? from : 0
    for (let digit = 0, next = base; digit <= mask; digit++) {
      const count = counts[digit]!
      counts[digit] = next
      next += count
    }
    for (let i = first; i < end; i++) {
      const item = source[i]!
      target[counts[((((keys[item]! - least) / unit) >>> 0) >>> shift) & mask]!++] = item
    }
    source = target
    first = base
  }
  if (source !== items) items.set(scratch.subarray(0, to - from), from)
}
