import type { SpanColumns } from './columns.ts'
import { LONG } from './read-through.ts'

/** So many rows before their turn: their columns (200 kB) stay in the processor's second cache until then. */
const ROWS_AHEAD = 4096
/** So many are read at a time: what is not in the cache is then waited for together, however short traces are. */
const ROWS_AT_ONCE = 512
/** Rows whose words of a 64-bit column share a cache line. */
const ROWS_A_LINE = 8

/** `row`: how far columns were read; `words`: what was read, so that reading is not optimized away. */
export type ReadAhead = { row: number; words: number }

/**
 * Reads what loading will need of the columns, row by row as they lie in memory, one word a cache line. Rows of a trace
 * lie scattered among those of others, and loading would wait for each. Call it with the rows loaded so far.
 */
export function readAhead(ahead: ReadAhead, spans: SpanColumns, rows: number): void {
  if (rows + ROWS_AHEAD - ROWS_AT_ONCE < ahead.row) return
  const { start, end, spanId, parentId, shape } = spans
  const to = Math.min(rows + ROWS_AHEAD, spans.count)
  let { row, words } = ahead
  // A long trace's columns do not stay there.
  if (rows - row > LONG) row = rows
  for (; row < to; row += ROWS_A_LINE) {
    words ^= start[2 * row]! ^ end[2 * row]! ^ spanId[2 * row]! ^ parentId[2 * row]! ^ shape[row]!
  }
  ahead.row = row
  ahead.words = words
}
