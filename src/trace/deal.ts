/** So many items, or fewer, are sorted by insertion. */
export const FEW = 12
/** Bits of a digit at most. */
const MOST_BITS = 11

/** Where dealing leaves things on its way: room for as many as there are items. */
export type DealRoom = { part: Int32Array; dealt: Int32Array; dealtPart: Int32Array }

/** Items by the low and by the high digit of their part: how many, then where the next one goes. */
const low = new Int32Array(1 << MOST_BITS)
const high = new Int32Array(1 << MOST_BITS)

/**
 * Deals `items[from..to)` out to equal parts of the keys' range, about as many as the square of their number (up to 4
 * million): by the low digit of the part, then by the high one. Stable; leaves the part of `items[from + i]` in
 * `part[i]`.
 */
export function dealOut(
  items: Int32Array,
  from: number,
  to: number,
  { part, dealt, dealtPart }: DealRoom,
  keys: Float64Array,
  least: number,
  most: number,
): void {
  const count = to - from
  const bits = Math.min(MOST_BITS, 32 - Math.clz32(count))
  const digits = 1 << bits
  const mask = digits - 1
  const perUnit = (digits * digits - 1) / (most - least)
  low.fill(0, 0, digits)
  high.fill(0, 0, digits)
  for (let i = 0; i < count; i++) {
    const its = ((keys[items[from + i]!]! - least) * perUnit) | 0
    part[i] = its
    low[its & mask]!++
    high[its >> bits]!++
  }
  for (let digit = 0, nextLow = 0, nextHigh = 0; digit < digits; digit++) {
    const ofLow = low[digit]!
    const ofHigh = high[digit]!
    low[digit] = nextLow
    high[digit] = nextHigh
    nextLow += ofLow
    nextHigh += ofHigh
  }
  for (let i = 0; i < count; i++) {
    const its = part[i]!
    const to = low[its & mask]!++
    dealt[to] = items[from + i]!
    dealtPart[to] = its
  }
  for (let i = 0; i < count; i++) {
    const its = dealtPart[i]!
    const to = high[its >> bits]!++
    items[from + to] = dealt[i]!
    part[to] = its
  }
}
