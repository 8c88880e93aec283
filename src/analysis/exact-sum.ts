/** A sum of whole numbers beyond 2^53, kept exact: high * 2^32 + low. */
export type ExactSum = { high: number; low: number }

const WORD = 2 ** 32
const HALF_WORD = 2 ** 16

export function createSum(): ExactSum {
  return { high: 0, low: 0 }
}

/** Adds `value * weight`; value whole, 0 to 2^53, weight whole, 0 to 2^32. */
export function addProduct(sum: ExactSum, value: number, weight: number): void {
  if (weight > HALF_WORD) {
    // The words of the product would not be exact: the weight is taken in two halves.
    const half = Math.floor(weight / HALF_WORD)
    const shifted = createSum()
    addProduct(shifted, value, half)
    addWords(
      sum,
      (shifted.low % HALF_WORD) * HALF_WORD,
      shifted.high * HALF_WORD + Math.floor(shifted.low / HALF_WORD),
    )
    weight -= half * HALF_WORD
  }
  const high = Math.floor(value / WORD)
  addWords(sum, (value - high * WORD) * weight, high * weight)
}

/** Adds `high * 2^32 + low`: the words of a UInt64, or multiples of them below 2^52. */
export function addWords(sum: ExactSum, low: number, high: number): void {
  sum.low += low
  sum.high += high
  if (sum.low >= WORD) {
    const carry = Math.floor(sum.low / WORD)
    sum.high += carry
    sum.low -= carry * WORD
  }
}

export function addSum(to: ExactSum, { low, high }: ExactSum): void {
  addWords(to, low, high)
}

/** As a number: exact below 2^53, else the nearest. */
export function sumValue({ high, low }: ExactSum): number {
  return high * WORD + low
}
