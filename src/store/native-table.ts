import { type NativeReader, readText, readVarint } from './native.ts'
import type { NativeColumn } from './native-writer.ts'

/** A column of a Native block. `ends[i]`: where the values of row i end, of arrays. */
export type Column = {
  /** Numbers (UInt64 as two words a value, in `words`), or texts by code. */
  values: ArrayLike<number>
  words: Uint32Array
  texts: readonly string[]
  ends: ArrayLike<number> | undefined
}

export type NativeTable = { rows: number; column(name: string): Column }

const NO_WORDS = new Uint32Array(0)
const NO_TEXTS: readonly string[] = []

type Numbers = { of: new (buffer: ArrayBuffer) => ArrayLike<number>; bytes: number }
const NUMBERS: Readonly<Record<string, Numbers>> = {
  UInt8: { of: Uint8Array, bytes: 1 },
  UInt16: { of: Uint16Array, bytes: 2 },
  UInt32: { of: Uint32Array, bytes: 4 },
  Int32: { of: Int32Array, bytes: 4 },
  DateTime: { of: Uint32Array, bytes: 4 },
  Float64: { of: Float64Array, bytes: 8 },
}

/**
 * Takes a Native answer apart, block by block, without an object a row. Types: whole numbers, Float64, DateTime, texts
 * (LowCardinality or not), and arrays of them. @throws RangeError for others
 */
export function* readTables(bytes: Buffer): Generator<NativeTable> {
  const reader: NativeReader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const width = readVarint(reader)
    const rows = readVarint(reader)
    const columns = new Map<string, Column>()
    for (let c = 0; c < width; c++) {
      const name = readText(reader)
      columns.set(name, readColumn(reader, readText(reader), rows))
    }
    if (rows === 0) continue
    yield createTable(rows, columns)
  }
}

function createTable(rows: number, columns: ReadonlyMap<string, Column>): NativeTable {
  return {
    rows,
    column(name) {
      const column = columns.get(name)
      if (column === undefined) throw new RangeError(`no column ${name} in the answer`)
      return column
    },
  }
}

/** The first rows of a block that is to be written, as they will be read; of columns given by words or codes. */
export function tableOf(rows: number, columns: readonly NativeColumn[]): NativeTable {
  const table = new Map<string, Column>()
  for (const column of columns) {
    const ends = 'ends' in column ? column.ends : undefined
    if ('words' in column) {
      table.set(column.name, { values: column.words, words: column.words, texts: NO_TEXTS, ends })
    } else if ('codes' in column) {
      table.set(column.name, { values: column.codes, words: NO_WORDS, texts: column.texts, ends })
    } else if ('values' in column && column.values instanceof Uint32Array) {
      table.set(column.name, { values: column.values, words: NO_WORDS, texts: NO_TEXTS, ends })
    }
  }
  return createTable(rows, table)
}

/** `Array(X)`, `DateTime('UTC')`. */
const ARRAY = /^Array\((.*)\)$/

function readColumn(reader: NativeReader, type: string, rows: number): Column {
  const inner = ARRAY.exec(type)?.[1]
  if (inner === undefined) return { ...readValues(reader, type, rows), ends: undefined }
  // The version of a LowCardinality stands before the offsets of its array.
  if (rows > 0 && isLowCardinality(inner)) reader.at += 8
  const ends = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    const at = reader.at + 8 * i
    ends[i] = reader.bytes.readUInt32LE(at) + reader.bytes.readUInt32LE(at + 4) * 2 ** 32
  }
  reader.at += 8 * rows
  const count = rows === 0 ? 0 : ends[rows - 1]!
  const values = isLowCardinality(inner) ? readCodes(reader, count) : readValues(reader, inner, count)
  return { ...values, ends }
}

function isLowCardinality(type: string): boolean {
  return type.startsWith('LowCardinality(')
}

function readValues(reader: NativeReader, type: string, count: number): Omit<Column, 'ends'> {
  if (isLowCardinality(type)) {
    if (count > 0) reader.at += 8
    return readCodes(reader, count)
  }
  if (type === 'String') {
    const texts = Array.from({ length: count }, () => readText(reader))
    return { values: Uint32Array.from(texts.keys()), words: NO_WORDS, texts }
  }
  if (type === 'UInt64') {
    const words = new Uint32Array(copyOf(reader, 8 * count))
    return { values: words, words, texts: NO_TEXTS }
  }
  const numbers = NUMBERS[type.startsWith('DateTime(') ? 'DateTime' : type]
  if (numbers === undefined) throw new RangeError(`a column of ${type} cannot be read`)
  const values = new numbers.of(copyOf(reader, numbers.bytes * count))
  return { values, words: NO_WORDS, texts: NO_TEXTS }
}

/** Indexes of a LowCardinality: flags, the block's dictionary, how many, an index a value. */
function readCodes(reader: NativeReader, count: number): Omit<Column, 'ends'> {
  if (count === 0) return { values: NO_WORDS, words: NO_WORDS, texts: NO_TEXTS }
  const width = reader.bytes[reader.at]!
  reader.at += 8
  const texts = Array.from({ length: readCount(reader) }, () => readText(reader))
  const rows = readCount(reader)
  const numbers = [NUMBERS.UInt8!, NUMBERS.UInt16!, NUMBERS.UInt32!][width]
  if (numbers === undefined) throw new RangeError('a dictionary of more than 2^32 texts')
  const values = new numbers.of(copyOf(reader, numbers.bytes * rows))
  return { values, words: NO_WORDS, texts }
}

function readCount(reader: NativeReader): number {
  const low = reader.bytes.readUInt32LE(reader.at)
  const high = reader.bytes.readUInt32LE(reader.at + 4)
  reader.at += 8
  return low + high * 2 ** 32
}

/** Copied, because columns are not aligned. */
function copyOf(reader: NativeReader, length: number): ArrayBuffer {
  if (reader.at + length > reader.bytes.length) throw new RangeError('the Native block ends early')
  const from = reader.bytes.byteOffset + reader.at
  reader.at += length
  return reader.bytes.buffer.slice(from, from + length) as ArrayBuffer
}

/** UInt64 values as numbers, exact below 2^53. */
export function toNumbers({ words }: Column): Float64Array {
  const numbers = new Float64Array(words.length / 2)
  for (let i = 0; i < numbers.length; i++) numbers[i] = words[2 * i]! + words[2 * i + 1]! * 2 ** 32
  return numbers
}
