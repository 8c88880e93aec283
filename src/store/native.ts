/** Reading and writing of ClickHouse's Native format (revision 0: blocks without block info), column by column. */

/** A block's bytes being taken apart. */
export type NativeReader = { bytes: Buffer; at: number }

export function readVarint(reader: NativeReader): number {
  let value = 0
  let scale = 1
  for (;;) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw new RangeError('the Native block ends early')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
    scale *= 128
  }
}

export function readText(reader: NativeReader): string {
  const length = readVarint(reader)
  const from = reader.at
  reader.at += length
  return reader.bytes.toString('utf8', from, reader.at)
}

function readUInt64(reader: NativeReader): number {
  const value = Number(reader.bytes.readBigUInt64LE(reader.at))
  reader.at += 8
  return value
}

/** UInt64 values as 32-bit words, low first: `into[2 * (row + i)]`. */
export function readWords(reader: NativeReader, count: number, into: Uint32Array, row: number): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset + 8 * row, 8 * count)
  reader.bytes.copy(bytes, 0, reader.at, reader.at + 8 * count)
  reader.at += 8 * count
}

/** UInt32 values. */
export function readUInt32s(reader: NativeReader, count: number, into: Uint32Array, row: number): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset + 4 * row, 4 * count)
  reader.bytes.copy(bytes, 0, reader.at, reader.at + 4 * count)
  reader.at += 4 * count
}

/**
 * A LowCardinality(String) column: the block's own dictionary, each text through `code`, then an index a row.
 * Layout: version (1), flags with the index width in the low byte, dictionary, row count, indexes.
 */
export function readLowCardinality(
  reader: NativeReader,
  count: number,
  into: Uint32Array,
  row: number,
  code: (text: string) => number,
): void {
  if (count === 0) return
  readUInt64(reader)
  const flags = readUInt64(reader)
  const codes = new Uint32Array(readUInt64(reader))
  for (let i = 0; i < codes.length; i++) codes[i] = code(readText(reader))
  const rows = readUInt64(reader)
  const width = 1 << (flags & 0xff)
  const { bytes } = reader
  for (let i = 0; i < rows; i++) {
    const at = reader.at + i * width
    const index =
      width === 1
        ? bytes[at]!
        : width === 2
          ? bytes.readUInt16LE(at)
          : width === 4
            ? bytes.readUInt32LE(at)
            : Number(bytes.readBigUInt64LE(at))
    into[row + i] = codes[index]!
  }
  reader.at += rows * width
}

/** Bytes that grow. */
export type NativeWriter = { bytes: Buffer; length: number }

export function createWriter(capacity = 1 << 16): NativeWriter {
  return { bytes: Buffer.allocUnsafe(capacity), length: 0 }
}

function reserve(writer: NativeWriter, more: number): void {
  if (writer.length + more <= writer.bytes.length) return
  const wider = Buffer.allocUnsafe(Math.max(2 * writer.bytes.length, writer.length + more))
  writer.bytes.copy(wider, 0, 0, writer.length)
  writer.bytes = wider
}

export function writeVarint(writer: NativeWriter, value: number): void {
  reserve(writer, 10)
  while (value >= 0x80) {
    writer.bytes[writer.length++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  writer.bytes[writer.length++] = value
}

export function writeText(writer: NativeWriter, text: string): void {
  const length = Buffer.byteLength(text)
  writeVarint(writer, length)
  reserve(writer, length)
  writer.bytes.write(text, writer.length, length, 'utf8')
  writer.length += length
}

export function writeUInt64(writer: NativeWriter, value: number): void {
  reserve(writer, 8)
  writer.bytes.writeUInt32LE(value % 2 ** 32, writer.length)
  writer.bytes.writeUInt32LE(Math.floor(value / 2 ** 32), writer.length + 4)
  writer.length += 8
}

function writeBigInt64(writer: NativeWriter, value: bigint): void {
  reserve(writer, 8)
  writer.bytes.writeBigInt64LE(value, writer.length)
  writer.length += 8
}

type NumberType = 'UInt8' | 'UInt16' | 'UInt32' | 'Int32' | 'UInt64' | 'Float64' | 'DateTime'

/** A column to write: a value a row, of the type named. */
export type NativeColumn =
  | { name: string; type: 'String'; values: readonly string[] }
  | { name: string; type: NumberType; values: ArrayLike<number> }
  | { name: string; type: 'UInt64'; words: Uint32Array }
  | { name: string; type: 'DateTime64(3)' | 'DateTime64(9)'; values: readonly bigint[] }
  | { name: string; type: 'Array(String)'; ends: ArrayLike<number>; values: readonly string[] }
  /** Few distinct texts: each is written once a block. */
  | { name: string; type: 'LowCardinality(String)'; values: readonly string[] }
  | {
      name: string
      type: 'Array(LowCardinality(String))'
      ends: ArrayLike<number>
      values: readonly string[]
    }
  | { name: string; type: `Array(${NumberType})`; ends: ArrayLike<number>; values: ArrayLike<number> }
  | { name: string; type: 'Array(UInt64)'; ends: ArrayLike<number>; words: Uint32Array }

/** One block. The server converts what a column's type in the table differs in (String to LowCardinality(String)). */
export function writeBlock(rows: number, columns: readonly NativeColumn[]): Buffer {
  const writer = createWriter()
  writeVarint(writer, columns.length)
  writeVarint(writer, rows)
  for (const column of columns) {
    writeText(writer, column.name)
    writeText(writer, column.type)
    // The version of a dictionary stands before the offsets of its array.
    if (rows > 0 && column.type.includes('LowCardinality')) writeUInt64(writer, 1)
    if ('ends' in column) for (let i = 0; i < rows; i++) writeUInt64(writer, column.ends[i]!)
    writeValues(writer, column)
  }
  return writer.bytes.subarray(0, writer.length)
}

function writeValues(writer: NativeWriter, column: NativeColumn): void {
  if ('words' in column) {
    writeBytes(writer, column.words)
    return
  }
  switch (column.type) {
    case 'String':
    case 'Array(String)':
      for (const text of column.values) writeText(writer, text)
      return
    case 'LowCardinality(String)':
    case 'Array(LowCardinality(String))':
      writeCodes(writer, column.values)
      return
    case 'DateTime64(3)':
    case 'DateTime64(9)':
      for (const value of column.values) writeBigInt64(writer, value)
      return
    default:
      writeNumbers(writer, column.type.replace(/^Array\((.*)\)$/, '$1') as NumberType, column.values)
  }
}

/** The block brings its own dictionary; the low byte is the width of an index: 2 are 4 bytes. */
const OWN_KEYS = 0x602

/** Flags, the distinct texts (the first is the empty one), how many values, an index a value. */
function writeCodes(writer: NativeWriter, values: readonly string[]): void {
  if (values.length === 0) return
  const codes = new Map<string, number>([['', 0]])
  const indexes = new Uint32Array(values.length)
  let [last, lastCode] = ['', 0]
  for (let i = 0; i < values.length; i++) {
    const text = values[i]!
    if (text !== last) {
      last = text
      lastCode = codes.get(text) ?? codes.size
      if (lastCode === codes.size) codes.set(text, lastCode)
    }
    indexes[i] = lastCode
  }
  writeUInt64(writer, OWN_KEYS)
  writeUInt64(writer, codes.size)
  for (const text of codes.keys()) writeText(writer, text)
  writeUInt64(writer, values.length)
  writeBytes(writer, indexes)
}

function writeBytes(writer: NativeWriter, values: Uint32Array): void {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  reserve(writer, bytes.length)
  bytes.copy(writer.bytes, writer.length)
  writer.length += bytes.length
}

/** Bytes a value. */
const WIDTHS: Readonly<Record<NumberType, number>> = {
  UInt8: 1,
  UInt16: 2,
  UInt32: 4,
  Int32: 4,
  DateTime: 4,
  UInt64: 8,
  Float64: 8,
}

function writeNumbers(writer: NativeWriter, type: NumberType, values: ArrayLike<number>): void {
  reserve(writer, WIDTHS[type] * values.length)
  const { bytes } = writer
  let at = writer.length
  switch (type) {
    case 'UInt8':
      for (let i = 0; i < values.length; i++) bytes[at++] = values[i]!
      break
    case 'UInt16':
      for (let i = 0; i < values.length; i++) at = bytes.writeUInt16LE(values[i]!, at)
      break
    case 'UInt32':
    case 'DateTime':
      for (let i = 0; i < values.length; i++) at = bytes.writeUInt32LE(values[i]!, at)
      break
    case 'Int32':
      for (let i = 0; i < values.length; i++) at = bytes.writeInt32LE(values[i]!, at)
      break
    case 'Float64':
      for (let i = 0; i < values.length; i++) at = bytes.writeDoubleLE(values[i]!, at)
      break
    case 'UInt64':
      for (let i = 0; i < values.length; i++) {
        const value = values[i]!
        bytes.writeUInt32LE(value % 2 ** 32, at)
        bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
        at += 8
      }
  }
  writer.length = at
}
