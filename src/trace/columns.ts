import { columnIn } from './column-memory.ts'
import { NO_FIGURES, type SpanFigures } from './detail.ts'
import type { Dictionary } from './dictionary.ts'

/**
 * Spans as columns, in no order. 64-bit values are two 32-bit words each, low word first (the memory layout of a
 * little-endian UInt64, so a column off the wire is viewed, not converted): row i is words 2i (low) and 2i+1 (high).
 */
export type SpanColumns = {
  count: number
  /** First and second half of the trace id, as big-endian numbers. */
  traceHigh: Uint32Array
  traceLow: Uint32Array
  spanId: Uint32Array
  /** 0: no parent. */
  parentId: Uint32Array
  /** Epoch nanoseconds; the end as sent, which may lie before the start. */
  start: Uint32Array
  end: Uint32Array
  /** OTLP status code. */
  status: Uint8Array
  /** Shape id in the dictionary. */
  shape: Uint32Array
  /** Requests that the span stands for (sampling.ts); 0: it does not say. */
  weight: Uint32Array
  /** Detail id in the dictionary's details (see detail.ts), and figures; 0: not known. */
  detail: Uint32Array
  bodyBytes: Uint32Array
  returnedRows: Uint32Array
  valueHash: Uint32Array
  dictionary: Dictionary
  /** Attributes, then resource, as JSON with sorted keys: the last tie-break among duplicates. */
  tieText?: (row: number) => string
}

export function createColumns(dictionary: Dictionary, capacity = 1024): SpanColumns {
  return {
    count: 0,
    traceHigh: new Uint32Array(2 * capacity),
    traceLow: new Uint32Array(2 * capacity),
    spanId: new Uint32Array(2 * capacity),
    parentId: new Uint32Array(2 * capacity),
    start: new Uint32Array(2 * capacity),
    end: new Uint32Array(2 * capacity),
    status: new Uint8Array(capacity),
    shape: new Uint32Array(capacity),
    weight: new Uint32Array(capacity),
    detail: new Uint32Array(capacity),
    bodyBytes: new Uint32Array(capacity),
    returnedRows: new Uint32Array(capacity),
    valueHash: new Uint32Array(capacity),
    dictionary,
  }
}

/** The same in the memory of spans that nobody needs any more; what is in it may be anything. */
export function columnsIn(
  before: SpanColumns | undefined,
  dictionary: Dictionary,
  capacity: number,
): SpanColumns {
  const of = (name: Wide | Narrow, length: number) => columnIn(before?.[name], Uint32Array, length)
  return {
    count: 0,
    traceHigh: of('traceHigh', 2 * capacity),
    traceLow: of('traceLow', 2 * capacity),
    spanId: of('spanId', 2 * capacity),
    parentId: of('parentId', 2 * capacity),
    start: of('start', 2 * capacity),
    end: of('end', 2 * capacity),
    status: columnIn(before?.status, Uint8Array, capacity),
    shape: of('shape', capacity),
    weight: of('weight', capacity),
    detail: of('detail', capacity),
    bodyBytes: of('bodyBytes', capacity),
    returnedRows: of('returnedRows', capacity),
    valueHash: of('valueHash', capacity),
    dictionary,
  }
}

/** Columns of two words a row. */
export const WIDE = ['traceHigh', 'traceLow', 'spanId', 'parentId', 'start', 'end'] as const
/** Columns of one word a row. */
export const NARROW = ['shape', 'weight', 'detail', 'bodyBytes', 'returnedRows', 'valueHash'] as const

type Wide = (typeof WIDE)[number]
type Narrow = (typeof NARROW)[number]

/** Makes room for `rows` rows in all; arrays are replaced when they grow. */
export function reserve(columns: SpanColumns, rows: number): void {
  const capacity = columns.shape.length
  if (rows <= capacity) return
  const next = Math.max(rows, Math.ceil(capacity * 1.5))
  for (const name of WIDE) {
    const wide = new Uint32Array(2 * next)
    wide.set(columns[name])
    columns[name] = wide
  }
  const status = new Uint8Array(next)
  status.set(columns.status)
  columns.status = status
  for (const name of NARROW) {
    const narrow = new Uint32Array(next)
    narrow.set(columns[name])
    columns[name] = narrow
  }
}

/** Ids are lower- or upper-case hex, left-padded with zeros if short; times are epoch nanoseconds. */
export type SpanRow = {
  traceId: string
  spanId: string
  parentSpanId: string
  startNs: bigint
  endNs: bigint
  status: number
  shapeKey: string
  /** 0 if not given. */
  weight?: number
  detailKey?: string
  figures?: SpanFigures
}

export function appendSpan(columns: SpanColumns, span: SpanRow): number {
  const row = columns.count
  reserve(columns, row + 1)
  const traceId = span.traceId.padStart(32, '0')
  putHex(columns.traceHigh, row, traceId.slice(0, 16))
  putHex(columns.traceLow, row, traceId.slice(16))
  putHex(columns.spanId, row, span.spanId)
  putHex(columns.parentId, row, span.parentSpanId)
  put(columns.start, row, span.startNs)
  put(columns.end, row, span.endNs)
  columns.status[row] = span.status
  columns.shape[row] = columns.dictionary.shape(span.shapeKey)
  columns.weight[row] = span.weight ?? 0
  columns.detail[row] = span.detailKey === undefined ? 0 : columns.dictionary.details.id(span.detailKey)
  setFigures(columns, row, span.figures ?? NO_FIGURES)
  columns.count = row + 1
  return row
}

export function setFigures(
  columns: Pick<SpanColumns, keyof SpanFigures>,
  row: number,
  { bodyBytes, returnedRows, valueHash }: SpanFigures,
): void {
  columns.bodyBytes[row] = bodyBytes
  columns.returnedRows[row] = returnedRows
  columns.valueHash[row] = valueHash
}

function putHex(words: Uint32Array, row: number, hex: string): void {
  const low = hex.length > 8 ? hex.slice(-8) : hex
  words[2 * row] = Number.parseInt(low, 16) || 0
  words[2 * row + 1] = hex.length > 8 ? Number.parseInt(hex.slice(0, -8), 16) : 0
}

function put(words: Uint32Array, row: number, value: bigint): void {
  words[2 * row] = Number(value & 0xffff_ffffn)
  words[2 * row + 1] = Number((value >> 32n) & 0xffff_ffffn)
}

/** 16 lower-case hex digits. */
export function idHex(words: Uint32Array, row: number): string {
  return hex8(words[2 * row + 1]!) + hex8(words[2 * row]!)
}

/** 32 lower-case hex digits. */
export function traceIdHex(columns: SpanColumns, row: number): string {
  return idHex(columns.traceHigh, row) + idHex(columns.traceLow, row)
}

export function epochNs(words: Uint32Array, row: number): bigint {
  return (BigInt(words[2 * row + 1]!) << 32n) | BigInt(words[2 * row]!)
}

function hex8(word: number): string {
  return word.toString(16).padStart(8, '0')
}

/** Copies rows of one set of columns to the end of another with the same dictionary; returns the latter. */
export function appendRows(to: SpanColumns, from: SpanColumns, rows: ArrayLike<number>): SpanColumns {
  reserve(to, to.count + rows.length)
  for (let i = 0; i < rows.length; i++) {
    const source = rows[i]!
    const row = to.count++
    for (const name of WIDE) {
      to[name][2 * row] = from[name][2 * source]!
      to[name][2 * row + 1] = from[name][2 * source + 1]!
    }
    to.status[row] = from.status[source]!
    for (const name of NARROW) to[name][row] = from[name][source]!
  }
  return to
}
