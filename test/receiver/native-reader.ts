/**
 * Reads Native blocks back, column by column, into plain rows: the slow, obvious twin of the encoder. Knows the types
 * that SPAN_COLUMNS has, by their names in the block.
 */
export type NativeRow = Record<string, unknown>

export function readNative(bytes: Uint8Array): NativeRow[] {
  const rows: NativeRow[] = []
  const input = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), at: 0 }
  while (input.at < input.bytes.length) rows.push(...readBlock(input))
  return rows
}

type Input = { bytes: Buffer; at: number }

function readBlock(input: Input): NativeRow[] {
  const columns = readVarint(input)
  const count = readVarint(input)
  const rows: NativeRow[] = Array.from({ length: count }, () => ({}))
  for (let c = 0; c < columns; c++) {
    const name = readText(input)
    const type = readText(input)
    if (count === 0) continue
    readState(input, type)
    const values = readColumn(input, type, count)
    for (let i = 0; i < count; i++) rows[i]![name] = values[i]
  }
  return rows
}

function inner(type: string): string {
  return type.slice(type.indexOf('(') + 1, -1)
}

function readState(input: Input, type: string): void {
  if (!type.includes('LowCardinality')) return
  if (readUInt64(input) !== 1n) throw new Error(`state of ${type}`)
}

function readColumn(input: Input, type: string, count: number): unknown[] {
  const repeat = <T>(read: () => T) => Array.from({ length: count }, read)
  if (type === 'String') return repeat(() => readText(input))
  if (type === 'UInt64') return repeat(() => readUInt64(input))
  if (type === 'DateTime64(9)') return repeat(() => BigInt.asIntN(64, readUInt64(input)))
  if (type === 'UInt32') return repeat(() => input.bytes.readUInt32LE((input.at += 4) - 4))
  if (type.startsWith('LowCardinality(')) return readCoded(input, inner(type), count)
  if (type.startsWith('Array(')) return readArrays(input, count, (n) => readColumn(input, inner(type), n))
  if (type.startsWith('Map(')) {
    const [key, value] = inner(type).split(', ') as [string, string]
    return readArrays(input, count, (n) => {
      const keys = readColumn(input, key, n)
      const values = readColumn(input, value, n)
      return keys.map((k, i) => [k, values[i]])
    })
  }
  throw new Error(`type ${type}`)
}

function readCoded(input: Input, type: string, count: number): unknown[] {
  if (count === 0) return []
  const flags = Number(readUInt64(input))
  if (flags >> 8 !== 6) throw new Error(`flags ${flags}`)
  const keys = readColumn(input, type, Number(readUInt64(input)))
  if (Number(readUInt64(input)) !== count) throw new Error('rows')
  const width = [1, 2, 4][flags & 0xff]!
  return Array.from({ length: count }, () => {
    const index = input.bytes.readUIntLE((input.at += width) - width, width)
    if (index >= keys.length) throw new Error('index beyond the dictionary')
    return keys[index]
  })
}

function readArrays(input: Input, count: number, read: (n: number) => unknown[]): unknown[][] {
  const ends = Array.from({ length: count }, () => Number(readUInt64(input)))
  const flat = read(ends.at(-1) ?? 0)
  return ends.map((end, i) => flat.slice(i === 0 ? 0 : ends[i - 1], end))
}

function readUInt64(input: Input): bigint {
  return input.bytes.readBigUInt64LE((input.at += 8) - 8)
}

function readVarint(input: Input): number {
  let value = 0
  for (let unit = 1; ; unit *= 128) {
    const byte = input.bytes.readUInt8(input.at++)
    value += (byte & 127) * unit
    if (byte < 128) return value
  }
}

function readText(input: Input): string {
  const length = readVarint(input)
  if (input.at + length > input.bytes.length) throw new Error('text past the end')
  return input.bytes.toString('utf8', input.at, (input.at += length))
}
