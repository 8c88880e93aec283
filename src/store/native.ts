/** Reading of ClickHouse's Native format (revision 0: blocks without block info), column by column. */

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
