/** So many items, or fewer, are ranked by comparing all with each other. */
export const FEW = 12
/** Bits of a digit at most. */
const MOST_BITS = 11

/** Of the items being ranked: parts of the keys' range, and how many come before. */
const partOf = new Int32Array(FEW)
const rankOf = new Int32Array(FEW)

/**
 * Sorts few `items[from..to)` by which of 2^30 equal parts of `least` to `most` their keys are in. Stable; without a
 * branch that depends on the keys: of unsorted ones a processor would guess every second one wrong.
 */
export function rankFew(
  items: Int32Array,
  from: number,
  to: number,
  scratch: Int32Array,
  keys: Float64Array,
  least: number,
  most: number,
): void {
  const count = to - from
  const perUnit = 2 ** 30 / (most - least)
  for (let i = 0; i < count; i++) {
    const item = items[from + i]!
    const part = ((keys[item]! - least) * perUnit) | 0
    let rank = i
    for (let j = 0; j < i; j++) {
      // -1 if this one comes before the other, else 0.
      const isBefore = (part - partOf[j]!) >> 31
      rankOf[j] = rankOf[j]! - isBefore
      rank += isBefore
    }
    scratch[i] = item
    partOf[i] = part
    rankOf[i] = rank
  }
  for (let i = 0; i < count; i++) items[from + rankOf[i]!] = scratch[i]!
}

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
