import type { SpanColumns } from '../../src/trace/columns.ts'

/** 2026-01-01T00:00:00Z, and a bit: no millisecond clock. */
const EPOCH_NS = 1_767_225_600_000_000_123n

/**
 * Appends a span straight to the columns, which have room for it. `index` and `parent` (-1: none) number the spans of
 * the trace, `high` makes its id random; times are since an epoch of all traces.
 */
export function putSpan(
  columns: SpanColumns,
  { high, trace }: { high: number; trace: number },
  index: number,
  parent: number,
  startNs: number,
  endNs: number,
  failed: boolean,
  shape: number,
): void {
  const row = columns.count++
  columns.traceHigh[2 * row] = high
  columns.traceHigh[2 * row + 1] = trace
  columns.traceLow[2 * row] = trace * 31
  columns.traceLow[2 * row + 1] = high
  columns.spanId[2 * row] = Math.imul(index + 1, 0x9e3779b1) >>> 0
  columns.spanId[2 * row + 1] = trace
  columns.parentId[2 * row] = parent < 0 ? 0 : Math.imul(parent + 1, 0x9e3779b1) >>> 0
  columns.parentId[2 * row + 1] = parent < 0 ? 0 : trace
  putTime(columns.start, row, startNs)
  putTime(columns.end, row, endNs)
  columns.status[row] = failed ? 2 : 0
  columns.shape[row] = shape
}

function putTime(words: Uint32Array, row: number, ns: number): void {
  const time = EPOCH_NS + BigInt(ns)
  words[2 * row] = Number(time & 0xffff_ffffn)
  words[2 * row + 1] = Number(time >> 32n)
}

/** Spans arrive by exporter batch, not by trace: each row changes places with one at most 1,000 rows away. */
export function shuffleNearby(columns: SpanColumns, random: () => number): void {
  for (let row = columns.count - 1; row > 0; row--) {
    const other = Math.max(0, row - Math.floor(random() * 1000))
    for (const words of [
      columns.traceHigh,
      columns.traceLow,
      columns.spanId,
      columns.parentId,
      columns.start,
      columns.end,
    ]) {
      for (let half = 0; half < 2; half++) swap(words, 2 * row + half, 2 * other + half)
    }
    swap(columns.shape, row, other)
    swap(columns.status, row, other)
  }
}

function swap(values: Uint32Array | Uint8Array, a: number, b: number): void {
  const kept = values[a]!
  values[a] = values[b]!
  values[b] = kept
}
