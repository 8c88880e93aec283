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
