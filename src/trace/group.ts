import type { SpanColumns } from './columns.ts'
import { uncleared } from './uncleared.ts'

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
  const traceOf = new Uint32Array(uncleared(4 * count))
  // Room for traces of four spans and more: growing takes longer.
  let mask = 1023
  while (2 * mask < count) mask = 2 * mask + 1
  /** 1 + number of a trace, 0: empty; at most half full. */
  let table = new Int32Array(mask + 1)
  /** By trace: its id, four words each; how many rows it has. */
  let ids = new Uint32Array(uncleared(8 * (mask + 1)))
  let sizes = new Uint32Array((mask + 1) / 2)
  let traces = 0
  let last = -1

  for (let row = 0; row < count; row++) {
    const a = traceHigh[2 * row]!
    const b = traceHigh[2 * row + 1]!
    const c = traceLow[2 * row]!
    const d = traceLow[2 * row + 1]!
    // Runs of one trace are the rule: exporters and stores keep a trace's spans close together.
    let trace = last
    if (trace < 0 || !isTrace(ids, trace, a, b, c, d)) {
      let slot = hash(a, b, c, d) & mask
      for (trace = table[slot]! - 1; trace >= 0; trace = table[slot]! - 1) {
        if (isTrace(ids, trace, a, b, c, d)) break
        slot = (slot + 1) & mask
      }
      if (trace < 0) {
        if (traces === sizes.length) {
          mask = 2 * mask + 1
          table = hashed(ids, traces, mask)
          ids = widened(ids)
          sizes = widened(sizes)
          slot = hash(a, b, c, d) & mask
          while (table[slot]! > 0) slot = (slot + 1) & mask
        }
        trace = traces++
        table[slot] = trace + 1
        ids[4 * trace] = a
        ids[4 * trace + 1] = b
        ids[4 * trace + 2] = c
        ids[4 * trace + 3] = d
      }
      last = trace
    }
    traceOf[row] = trace
    sizes[trace]!++
  }

  const first = new Uint32Array(traces + 1)
  for (let trace = 0; trace < traces; trace++) first[trace + 1] = first[trace]! + sizes[trace]!
  const next = first.slice(0, traces)
  const rows = new Uint32Array(uncleared(4 * count))
  for (let row = 0; row < count; row++) rows[next[traceOf[row]!]!++] = row
  return { count: traces, rows, first }
}

function widened(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(2 * words.length)
  wider.set(words)
  return wider
}

/** Table of the traces by the hash of their ids. */
function hashed(ids: Uint32Array, traces: number, mask: number): Int32Array<ArrayBuffer> {
  const table = new Int32Array(mask + 1)
  for (let trace = 0; trace < traces; trace++) {
    const i = 4 * trace
    let slot = hash(ids[i]!, ids[i + 1]!, ids[i + 2]!, ids[i + 3]!) & mask
    while (table[slot]! > 0) slot = (slot + 1) & mask
    table[slot] = trace + 1
  }
  return table
}

function isTrace(ids: Uint32Array, trace: number, a: number, b: number, c: number, d: number): boolean {
  const i = 4 * trace
  return c === ids[i + 2]! && d === ids[i + 3]! && a === ids[i]! && b === ids[i + 1]!
}

/** Ids are random by specification, but not all generators are: mix all words (murmur3's finalizer). */
function hash(a: number, b: number, c: number, d: number): number {
  let h = a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b) ^ Math.imul(d, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
