import { uncleared } from './uncleared.ts'

type ColumnOf<T> = {
  new (memory: ArrayBufferLike, from: number, length: number): T
  readonly BYTES_PER_ELEMENT: number
}

/** Memory of more than so many times what is asked for is let go: that of the largest batch must not be kept for good. */
const MOST_SPARE = 8

/**
 * A column of `length` elements, which may be anything, in the memory of `before`, of which nothing is needed any more,
 * where that has the room: each time 64 MB of new columns came V8 collects everything, however few objects there are.
 */
export function columnIn<T>(
  before: { buffer: ArrayBufferLike } | undefined,
  column: ColumnOf<T>,
  length: number,
): T {
  const bytes = length * column.BYTES_PER_ELEMENT
  const memory = before?.buffer
  const fits = memory !== undefined && bytes <= memory.byteLength && memory.byteLength <= MOST_SPARE * bytes
  return new column(fits ? memory : uncleared(bytes), 0, length)
}
