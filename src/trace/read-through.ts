/** Elements of 8 bytes that share a cache line. */
const A_LINE = 8
/** So many spans are long: what is looked at of all their columns does not fit the processor's second cache. */
export const LONG = 20_000

/** Of fewer spans all columns stay in the processor's second cache. */
const MANY = 2048

/**
 * Whether columns of so many spans, though not long, are to be read through: one fits the processor's second cache, but by the time
 * it is looked at others may have driven it out.
 */
export function areMany(count: number): boolean {
  return count > MANY && count <= LONG
}

/** What was read, so that reading is not optimized away. */
const read = { bits: 0 }

/**
 * Reads `words[from..to)` through, one word a cache line. What is then looked at in another order comes from the
 * processor's second cache, where each look would wait for its line by itself.
 */
export function readWords(words: Uint32Array | Int32Array, from: number, to: number): void {
  for (let i = from; i < to; i += 2 * A_LINE) read.bits ^= words[i]!
}

export function readTimes(times: Float64Array, count: number): void {
  for (let i = 0; i < count; i += A_LINE) read.bits ^= times[i]!
}

/** Where a trace's rows are in a column of the batch, `perRow` words each; of rows all over it the first ones. */
export function readRows(words: Uint32Array, perRow: number, rows: Int32Array, count: number): void {
  const first = rows[0]!
  const last = Math.min(rows[count - 1]!, first + 2 * count)
  readWords(words, perRow * first, perRow * (last + 1))
}
