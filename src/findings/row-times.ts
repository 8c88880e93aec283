import type { SpanColumns } from '../trace/columns.ts'

const WORD = 2 ** 32

/**
 * By the span's own clock, ns since `originHigh`, the upper word of some epoch time; exact for 104 days around it. What
 * is remembered from batch to batch needs one for all of them.
 */
export function startAt({ start }: SpanColumns, row: number, originHigh: number): number {
  return (start[2 * row + 1]! - originHigh) * WORD + start[2 * row]!
}

/** The upper word of the first row's start. */
export function originOf({ start }: SpanColumns): number {
  return start[1]!
}

/** As it was sent, ns; 0 where it ends before it starts. */
export function lengthAt({ start, end }: SpanColumns, row: number): number {
  const ns = (end[2 * row + 1]! - start[2 * row + 1]!) * WORD + (end[2 * row]! - start[2 * row]!)
  return Math.max(0, ns)
}
