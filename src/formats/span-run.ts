import { closeSync } from 'node:fs'
import { reserve, type SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { openNameless, readFully, writeFully } from './nameless-file.ts'

/** A row as it lies in a run: the trace id's words (high word of the high half first), then the other columns. */
const ROW_WORDS = 19
const ROW_BYTES = 4 * ROW_WORDS
const BUFFER_ROWS = 32 * 1024

/** Spans in a temporary file (a descriptor), ordered by trace id. */
export type SpanRun = { readonly file: number; readonly rows: number }

/** Writes the first `rows` rows of the columns, ordered by trace id. */
export function writeRun(columns: SpanColumns, rows: number): SpanRun {
  const groups = groupByTrace({ ...columns, count: rows })
  const order = Uint32Array.from({ length: groups.count }, (_, i) => i)
  const firstRow = (group: number) => groups.rows[groups.first[group]!]!
  order.sort((a, b) => compareTraceIds(columns, firstRow(a), columns, firstRow(b)))

  const file = openNameless()
  try {
    const words = new Uint32Array(BUFFER_ROWS * ROW_WORDS)
    let filled = 0
    const flush = () => {
      writeFully(file, Buffer.from(words.buffer, 0, filled * ROW_BYTES))
      filled = 0
    }
    for (const group of order) {
      for (let i = groups.first[group]!; i < groups.first[group + 1]!; i++) {
        if (filled === BUFFER_ROWS) flush()
        putRow(words, ROW_WORDS * filled++, columns, groups.rows[i]!)
      }
    }
    flush()
  } catch (error) {
    closeSync(file)
    throw error
  }
  return { file, rows }
}

export function closeRun({ file }: SpanRun): void {
  closeSync(file)
}

function putRow(words: Uint32Array, at: number, columns: SpanColumns, row: number): void {
  const low = 2 * row
  const high = low + 1
  words[at] = columns.traceHigh[high]!
  words[at + 1] = columns.traceHigh[low]!
  words[at + 2] = columns.traceLow[high]!
  words[at + 3] = columns.traceLow[low]!
  words[at + 4] = columns.spanId[low]!
  words[at + 5] = columns.spanId[high]!
  words[at + 6] = columns.parentId[low]!
  words[at + 7] = columns.parentId[high]!
  words[at + 8] = columns.start[low]!
  words[at + 9] = columns.start[high]!
  words[at + 10] = columns.end[low]!
  words[at + 11] = columns.end[high]!
  words[at + 12] = columns.shape[row]!
  words[at + 13] = columns.status[row]!
  words[at + 14] = columns.weight[row]!
  words[at + 15] = columns.detail[row]!
  words[at + 16] = columns.bodyBytes[row]!
  words[at + 17] = columns.returnedRows[row]!
  words[at + 18] = columns.valueHash[row]!
}

function takeRow(words: Uint32Array, at: number, columns: SpanColumns): void {
  const row = columns.count
  reserve(columns, row + 1)
  const low = 2 * row
  const high = low + 1
  columns.traceHigh[high] = words[at]!
  columns.traceHigh[low] = words[at + 1]!
  columns.traceLow[high] = words[at + 2]!
  columns.traceLow[low] = words[at + 3]!
  columns.spanId[low] = words[at + 4]!
  columns.spanId[high] = words[at + 5]!
  columns.parentId[low] = words[at + 6]!
  columns.parentId[high] = words[at + 7]!
  columns.start[low] = words[at + 8]!
  columns.start[high] = words[at + 9]!
  columns.end[low] = words[at + 10]!
  columns.end[high] = words[at + 11]!
  columns.shape[row] = words[at + 12]!
  columns.status[row] = words[at + 13]!
  columns.weight[row] = words[at + 14]!
  columns.detail[row] = words[at + 15]!
  columns.bodyBytes[row] = words[at + 16]!
  columns.returnedRows[row] = words[at + 17]!
  columns.valueHash[row] = words[at + 18]!
  columns.count = row + 1
}

function compareTraceIds(a: SpanColumns, rowA: number, b: SpanColumns, rowB: number): number {
  return (
    a.traceHigh[2 * rowA + 1]! - b.traceHigh[2 * rowB + 1]! ||
    a.traceHigh[2 * rowA]! - b.traceHigh[2 * rowB]! ||
    a.traceLow[2 * rowA + 1]! - b.traceLow[2 * rowB + 1]! ||
    a.traceLow[2 * rowA]! - b.traceLow[2 * rowB]!
  )
}

/** Where a run is being read. */
type Cursor = { file: number; offset: number; words: Uint32Array; rows: number; at: number }

/** Fills `into` with whole traces in the order of their ids, at least `rows` rows (but for the last) a turn, and yields after each. */
export function* mergeRuns(
  runs: readonly SpanRun[],
  into: SpanColumns,
  rows: number,
): Generator<SpanColumns> {
  let open = runs
    .map(({ file }): Cursor => {
      return { file, offset: 0, words: new Uint32Array(BUFFER_ROWS * ROW_WORDS), rows: 0, at: 0 }
    })
    .filter(refill)
  into.count = 0
  while (open.length > 0) {
    const least = open.reduce((a, b) => (compareCursors(b, a) < 0 ? b : a))
    const id = least.words.slice(ROW_WORDS * least.at, ROW_WORDS * least.at + 4)
    for (const cursor of open) {
      while (isAt(cursor, id)) {
        takeRow(cursor.words, ROW_WORDS * cursor.at, into)
        cursor.at++
        if (cursor.at === cursor.rows && !refill(cursor)) break
      }
    }
    open = open.filter((cursor) => cursor.at < cursor.rows)
    if (into.count >= rows || open.length === 0) {
      yield into
      into.count = 0
    }
  }
}

/** False at the end of the run. */
function refill(cursor: Cursor): boolean {
  const length = readFully(cursor.file, new Uint8Array(cursor.words.buffer), cursor.offset)
  cursor.offset += length
  cursor.rows = length / ROW_BYTES
  cursor.at = 0
  return cursor.rows > 0
}

function compareCursors(a: Cursor, b: Cursor): number {
  for (let i = 0; i < 4; i++) {
    const difference = a.words[ROW_WORDS * a.at + i]! - b.words[ROW_WORDS * b.at + i]!
    if (difference !== 0) return difference
  }
  return 0
}

function isAt(cursor: Cursor, id: Uint32Array): boolean {
  const { words } = cursor
  const at = ROW_WORDS * cursor.at
  return words[at + 3] === id[3] && words[at + 2] === id[2] && words[at + 1] === id[1] && words[at] === id[0]
}
