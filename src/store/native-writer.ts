/** A block under construction: parts that are done, and bytes from `from` up to `length` that are to be the next one. */
type Writer = { parts: Uint8Array[]; bytes: Buffer; from: number; length: number }

/** Room for what is written piece by piece. */
const ROOM = 1 << 16
/** Columns from so many bytes on are parts of their own: copying them would take longer than all else. */
const LARGE = 1 << 12

type NumberType = 'UInt8' | 'UInt16' | 'UInt32' | 'Int32' | 'UInt64' | 'Float64' | 'DateTime'

/** Texts by number: `texts[codes[i]]` is the i-th value; some may be the same. */
type Coded = { codes: ArrayLike<number>; texts: readonly string[] }
type Few = { values: readonly string[] } | Coded

/** A column to write: a value a row, of the type named; of arrays the values of all rows, those of row i before `ends[i]`. */
export type NativeColumn = { name: string } & (
  | { type: 'String'; values: readonly string[] }
  /** Hex of ids: 16 digits for each UInt64, given as words, low first. */
  | { type: 'String'; ids: readonly Uint32Array[] }
  | { type: NumberType; values: ArrayLike<number> }
  | { type: 'UInt64' | 'DateTime64(9)'; words: Uint32Array }
  | { type: 'DateTime64(3)' | 'DateTime64(9)'; values: readonly bigint[] }
  | { type: 'Array(String)'; ends: ArrayLike<number>; values: readonly string[] }
  /** Few distinct texts: each is written once a block. */
  | ({ type: 'LowCardinality(String)' } & Few)
  | ({ type: 'Array(LowCardinality(String))'; ends: ArrayLike<number> } & Few)
  | { type: `Array(${NumberType})`; ends: ArrayLike<number>; values: ArrayLike<number> }
  | { type: 'Array(UInt64)'; ends: ArrayLike<number>; words: Uint32Array }
)

/**
 * One block, in parts: columns that are as they have to be written are among them, and must stay as they are. The server
 * converts what a column's type in the table differs in (String to LowCardinality(String)).
 */
export function writeBlock(rows: number, columns: readonly NativeColumn[]): Uint8Array[] {
  const writer: Writer = { parts: [], bytes: Buffer.allocUnsafeSlow(ROOM), from: 0, length: 0 }
  /** Of several columns the ends are the same. */
  let ends: ArrayLike<number> | undefined
  let endWords: Uint32Array = new Uint32Array(0)
  writeVarint(writer, columns.length)
  writeVarint(writer, rows)
  for (const column of columns) {
    writeText(writer, column.name)
    writeText(writer, column.type)
    // The version of a dictionary stands before the offsets of its array.
    if (rows > 0 && column.type.includes('LowCardinality')) writeUInt64(writer, 1)
    if ('ends' in column) {
      if (ends !== column.ends) {
        ends = column.ends
        endWords = wordsOf(ends)
      }
      writeBytes(writer, endWords)
    }
    writeValues(writer, column)
  }
  endPart(writer)
  return writer.parts
}

function endPart(writer: Writer): void {
  if (writer.length > writer.from) writer.parts.push(writer.bytes.subarray(writer.from, writer.length))
  writer.from = writer.length
}

function reserve(writer: Writer, more: number): void {
  if (writer.length + more <= writer.bytes.length) return
  endPart(writer)
  writer.bytes = Buffer.allocUnsafeSlow(Math.max(ROOM, more))
  writer.from = 0
  writer.length = 0
}

function writeVarint(writer: Writer, value: number): void {
  reserve(writer, 10)
  while (value >= 0x80) {
    writer.bytes[writer.length++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  writer.bytes[writer.length++] = value
}

function writeText(writer: Writer, text: string): void {
  const length = Buffer.byteLength(text)
  writeVarint(writer, length)
  reserve(writer, length)
  writer.bytes.write(text, writer.length, length, 'utf8')
  writer.length += length
}

function writeUInt64(writer: Writer, value: number): void {
  writeBytes(writer, wordsOf([value]))
}

function writeBytes(writer: Writer, { buffer, byteOffset, byteLength }: ArrayBufferView): void {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength)
  if (byteLength < LARGE) {
    reserve(writer, byteLength)
    writer.bytes.set(bytes, writer.length)
    writer.length += byteLength
  } else {
    endPart(writer)
    writer.parts.push(bytes)
  }
}

function writeValues(writer: Writer, column: NativeColumn): void {
  if ('words' in column) writeBytes(writer, column.words)
  else if ('ids' in column) writeIds(writer, column.ids)
  else if ('codes' in column) writeCodes(writer, column)
  else if (isOf(column, 'LowCardinality(String)', 'Array(LowCardinality(String))'))
    writeCodes(writer, codesOf(column.values))
  else if (isOf(column, 'String', 'Array(String)')) for (const text of column.values) writeText(writer, text)
  else if (isOf(column, 'DateTime64(3)', 'DateTime64(9)'))
    writeBytes(writer, new BigInt64Array(column.values))
  else writeBytes(writer, packed(column.type.replace(/^Array\((.*)\)$/, '$1') as NumberType, column.values))
}

function isOf<T extends NativeColumn['type']>(
  column: NativeColumn,
  ...types: readonly T[]
): column is Extract<NativeColumn, { type: T }> {
  return (types as readonly string[]).includes(column.type)
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const HEX_HIGH = Uint8Array.from(HEX, (digits) => digits.charCodeAt(0))
const HEX_LOW = Uint8Array.from(HEX, (digits) => digits.charCodeAt(1))

function writeIds(writer: Writer, halves: readonly Uint32Array[]): void {
  const count = halves[0]!.length / 2
  const digits = 16 * halves.length
  reserve(writer, count * (1 + digits))
  const { bytes } = writer
  let at = writer.length
  for (let i = 0; i < count; i++) {
    bytes[at++] = digits
    for (const words of halves) {
      putHex(bytes, at, words[2 * i + 1]!)
      putHex(bytes, at + 8, words[2 * i]!)
      at += 16
    }
  }
  writer.length = at
}

function putHex(bytes: Buffer, at: number, word: number): void {
  bytes[at] = HEX_HIGH[word >>> 24]!
  bytes[at + 1] = HEX_LOW[word >>> 24]!
  bytes[at + 2] = HEX_HIGH[(word >>> 16) & 255]!
  bytes[at + 3] = HEX_LOW[(word >>> 16) & 255]!
  bytes[at + 4] = HEX_HIGH[(word >>> 8) & 255]!
  bytes[at + 5] = HEX_LOW[(word >>> 8) & 255]!
  bytes[at + 6] = HEX_HIGH[word & 255]!
  bytes[at + 7] = HEX_LOW[word & 255]!
}

/** The block brings its own dictionary; the low byte says how wide an index is: 0, 1, 2 for 1, 2, 4 bytes. */
const OWN_KEYS = 0x600

/** Flags, the distinct texts (the first is the empty one), how many values, an index a value. */
function writeCodes(writer: Writer, { codes, texts }: Coded): void {
  if (codes.length === 0) return
  // Place in the block's dictionary, from 1; 0: not used yet.
  const places = new Uint32Array(texts.length)
  const used = new Map([['', 1]])
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!
    if (places[code] === 0) places[code] = placeOf(texts[code]!)
  }
  const width = used.size <= 2 ** 8 ? 0 : used.size <= 2 ** 16 ? 1 : 2
  writeUInt64(writer, OWN_KEYS + width)
  writeUInt64(writer, used.size)
  for (const text of used.keys()) writeText(writer, text)
  writeUInt64(writer, codes.length)
  const indexes = new ([Uint8Array, Uint16Array, Uint32Array] as const)[width]!(codes.length)
  for (let i = 0; i < codes.length; i++) indexes[i] = places[codes[i]!]! - 1
  writeBytes(writer, indexes)

  // Codes may stand for the same text.
  function placeOf(text: string): number {
    const place = used.get(text) ?? used.size + 1
    used.set(text, place)
    return place
  }
}

function codesOf(values: readonly string[]): Coded {
  const known = new Map<string, number>()
  const codes = new Uint32Array(values.length)
  let last: string | undefined
  let code = 0
  for (let i = 0; i < values.length; i++) {
    const text = values[i]!
    if (text !== last) {
      last = text
      code = known.get(text) ?? known.size
      if (code === known.size) known.set(text, code)
    }
    codes[i] = code
  }
  return { codes, texts: [...known.keys()] }
}

function packed(type: NumberType, values: ArrayLike<number>): ArrayBufferView {
  switch (type) {
    case 'UInt8':
      return new Uint8Array(values)
    case 'UInt16':
      return new Uint16Array(values)
    case 'UInt32':
    case 'DateTime':
      return values instanceof Uint32Array ? values : new Uint32Array(values)
    case 'Int32':
      return new Int32Array(values)
    case 'Float64':
      return new Float64Array(values)
    case 'UInt64':
      return wordsOf(values)
  }
}

/** Whole numbers up to 2^53 as UInt64, low words first. */
function wordsOf(values: ArrayLike<number>): Uint32Array {
  const words = new Uint32Array(2 * values.length)
  if (values instanceof Uint32Array) {
    for (let i = 0; i < values.length; i++) words[2 * i] = values[i]!
    return words
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    words[2 * i] = value
    words[2 * i + 1] = value / 2 ** 32
  }
  return words
}
