import type { SpanColumns } from './columns.ts'

/**
 * Rows of the columns, grouped by trace: trace i has `rows[first[i]]` up to `rows[first[i + 1]]`, in no order that
 * matters (loading a trace leaves them in span order, which makes it faster the next time).
 */
export type TraceGroups = { count: number; rows: Uint32Array; first: Uint32Array }

/**
 * Groups rows by trace id with one open-addressing hash table and a counting sort: O(n), whatever the order. Traces
 * come in the order in which they first appear, their rows in input order.
 */
export function groupByTrace(columns: SpanColumns): TraceGroups {
  const { count, traceHigh, traceLow } = columns
  const traceOf = new Uint32Array(count)
  let mask = 1023
  let table = new Int32Array(mask + 1).fill(-1)
  let firstRow = new Uint32Array(512)
  let traces = 0

  for (let row = 0; row < count; row++) {
    const a = traceHigh[2 * row]!
    const b = traceHigh[2 * row + 1]!
    const c = traceLow[2 * row]!
    const d = traceLow[2 * row + 1]!
    // Runs of one trace are the rule: exporters and stores keep a trace's spans close together.
    if (row > 0) {
      const before = row - 1
      if (
        c === traceLow[2 * before]! &&
        d === traceLow[2 * before + 1]! &&
        a === traceHigh[2 * before]! &&
        b === traceHigh[2 * before + 1]!
      ) {
        traceOf[row] = traceOf[before]!
        continue
      }
    }
    let slot = hash(a, b, c, d) & mask
    let trace = table[slot]!
    while (trace >= 0) {
      const known = 2 * firstRow[trace]!
      if (
        c === traceLow[known]! &&
        d === traceLow[known + 1]! &&
        a === traceHigh[known]! &&
        b === traceHigh[known + 1]!
      ) {
        break
      }
      slot = (slot + 1) & mask
      trace = table[slot]!
    }
    if (trace < 0) {
      trace = traces++
      table[slot] = trace
      if (trace === firstRow.length) {
        const wider = new Uint32Array(2 * trace)
        wider.set(firstRow)
        firstRow = wider
      }
      firstRow[trace] = row
      if (2 * traces > mask) rehash()
    }
    traceOf[row] = trace
  }

  const first = new Uint32Array(traces + 1)
  for (let row = 0; row < count; row++) first[traceOf[row]! + 1]!++
  for (let trace = 0; trace < traces; trace++) first[trace + 1]! += first[trace]!
  const next = first.slice(0, traces)
  const rows = new Uint32Array(count)
  for (let row = 0; row < count; row++) rows[next[traceOf[row]!]!++] = row
  return { count: traces, rows, first }

  function rehash() {
    mask = 2 * mask + 1
    table = new Int32Array(mask + 1).fill(-1)
    for (let trace = 0; trace < traces; trace++) {
      const i = 2 * firstRow[trace]!
      let slot = hash(traceHigh[i]!, traceHigh[i + 1]!, traceLow[i]!, traceLow[i + 1]!) & mask
      while (table[slot]! >= 0) slot = (slot + 1) & mask
      table[slot] = trace
    }
  }
}

/** Ids are random by specification, but not all generators are: mix all words (murmur3's finalizer). */
function hash(a: number, b: number, c: number, d: number): number {
  let h = a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b) ^ Math.imul(d, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
