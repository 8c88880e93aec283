/** Runs of this length are sorted by insertion before they are merged. */
const RUN = 12

/**
 * Sorts `items[from..to)` with `before(a, b)` (true: a strictly before b), stably, in O(n log n), in O(n) where they
 * are sorted already. `scratch` has room for `to - from` items.
 */
export function sortRange(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  before: (a: number, b: number) => boolean,
): void {
  let sorted = from + 1
  while (sorted < to && !before(items[sorted]!, items[sorted - 1]!)) sorted++
  if (sorted >= to) return

  for (let low = from; low < to; low += RUN) {
    const high = Math.min(low + RUN, to)
    for (let i = low + 1; i < high; i++) {
      const item = items[i]!
      let j = i - 1
      while (j >= low && before(item, items[j]!)) {
        items[j + 1] = items[j]!
        j--
      }
      items[j + 1] = item
    }
  }

  const count = to - from
  for (let width = RUN; width < count; width *= 2) {
    for (let low = from; low + width < to; low += 2 * width) {
      const middle = low + width
      const high = Math.min(middle + width, to)
      if (!before(items[middle]!, items[middle - 1]!)) continue
      // The left run steps aside; the merge never overtakes the right one.
      const left = middle - low
      for (let i = 0; i < left; i++) scratch[i] = items[low + i]!
      let l = 0
      let r = middle
      let out = low
      while (l < left && r < high) {
        if (before(items[r]!, scratch[l]!)) items[out++] = items[r++]!
        else items[out++] = scratch[l++]!
      }
      while (l < left) items[out++] = scratch[l++]!
    }
  }
}
