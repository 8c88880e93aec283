import type { ByteBuffer, WordList } from './column-buffers.ts'
import {
  blockBytes,
  type CodedColumn,
  type MapColumn,
  SPAN_COLUMNS,
  type SpanBlock,
  type SpanColumnName,
} from './native-columns.ts'

/**
 * ClickHouse's Native format at revision 0 (what its HTTP interface reads and writes): number of columns and rows as
 * varints; then a column after the other: name, type, the state of its dictionaries, its data.
 * https://clickhouse.com/docs/interfaces/formats/Native
 */
type Output = { bytes: Buffer; at: number }

/** Rows `from` up to `to` of the block as Native bytes, in memory that is nobody else's. */
export function encodeBlock(block: SpanBlock, from = 0, to = block.rows, memory?: NativeMemory): Buffer {
  const out: Output = { bytes: takeBuffer(sizeBound(block), memory), at: 0 }
  writeVarint(out, SPAN_COLUMNS.length)
  writeVarint(out, to - from)
  for (const { name, type } of SPAN_COLUMNS) {
    writeName(out, name)
    writeName(out, type)
    if (to > from) WRITERS[name](out, block, from, to)
  }
  return out.bytes.subarray(0, out.at)
}

/**
 * Buffers of blocks that are in the store. Each insert takes tens of megabytes: made anew and left to the garbage
 * collector, they keep it busy all the time.
 */
export type NativeMemory = { buffers: Buffer[] /** A larger one is not kept. */; maxBytes: number }

const MAX_KEPT_BUFFERS = 3

function takeBuffer(size: number, memory: NativeMemory | undefined): Buffer {
  const kept = memory?.buffers.pop()
  if (kept !== undefined && kept.length >= size) return kept
  // With room for the next ones to be somewhat larger.
  return Buffer.allocUnsafeSlow(memory === undefined ? size : Math.ceil(1.25 * size))
}

/** Gives back what `encodeBlock` returned, once nothing reads it any more. */
export function giveBack(native: Buffer, memory: NativeMemory): void {
  const { buffers, maxBytes } = memory
  if (buffers.length >= MAX_KEPT_BUFFERS || native.buffer.byteLength > maxBytes) return
  buffers.push(Buffer.from(native.buffer as ArrayBuffer))
}

type Writer = (out: Output, block: SpanBlock, from: number, to: number) => void

const WRITERS: Record<SpanColumnName, Writer> = {
  Timestamp: wide((b) => b.timestamp),
  TraceId: text((b) => b.traceId),
  SpanId: text((b) => b.spanId),
  ParentSpanId: text((b) => b.parentSpanId),
  TraceState: text((b) => b.traceState),
  SpanName: coded((b) => b.spanName),
  SpanKind: coded((b) => b.spanKind),
  ServiceName: coded((b) => b.serviceName),
  ResourceAttributes: map((b) => b.resource),
  ScopeName: text((b) => b.scopeName),
  ScopeVersion: text((b) => b.scopeVersion),
  SpanAttributes: map((b) => b.attributes),
  Duration: wide((b) => b.duration),
  StatusCode: coded((b) => b.statusCode),
  StatusMessage: text((b) => b.statusMessage),
  'Events.Timestamp': (out, b, from, to) => {
    const [first, last] = writeOffsets(out, b.eventEnds, from, to)
    writeWords(out, b.eventTime, 2 * first, 2 * last)
  },
  'Events.Name': (out, b, from, to) => {
    writeDictionaryVersion(out)
    const [first, last] = writeOffsets(out, b.eventEnds, from, to)
    writeCoded(out, b.eventName, first, last)
  },
  'Events.Attributes': mapArray(
    (b) => b.eventEnds,
    (b) => b.eventAttributes,
  ),
  'Links.TraceId': textArray((b) => b.linkTraceId),
  'Links.SpanId': textArray((b) => b.linkSpanId),
  'Links.TraceState': textArray((b) => b.linkTraceState),
  'Links.Attributes': mapArray(
    (b) => b.linkEnds,
    (b) => b.linkAttributes,
  ),
  Flags: narrow((b) => b.flags),
  EndBeforeStartNs: wide((b) => b.endBeforeStart),
  TraceHigh: wide((b) => b.traceHigh),
  TraceLow: wide((b) => b.traceLow),
  SpanNumber: wide((b) => b.spanNumber),
  ParentNumber: wide((b) => b.parentNumber),
  Shape: coded((b) => b.shape),
  Weight: narrow((b) => b.weight),
  Detail: coded((b) => b.detail),
  BodyBytes: narrow((b) => b.bodyBytes),
  ReturnedRows: narrow((b) => b.returnedRows),
  ValueHash: narrow((b) => b.valueHash),
}

function narrow(column: (block: SpanBlock) => WordList): Writer {
  return (out, block, from, to) => writeWords(out, column(block), from, to)
}

function wide(column: (block: SpanBlock) => WordList): Writer {
  return (out, block, from, to) => writeWords(out, column(block), 2 * from, 2 * to)
}

function text(column: (block: SpanBlock) => ByteBuffer): Writer {
  return (out, block, from, to) => writeTexts(out, column(block), from, to, block.rows)
}

function coded(column: (block: SpanBlock) => CodedColumn): Writer {
  return (out, block, from, to) => {
    writeDictionaryVersion(out)
    writeCoded(out, column(block), from, to)
  }
}

function map(column: (block: SpanBlock) => MapColumn): Writer {
  return (out, block, from, to) => {
    writeDictionaryVersion(out)
    writeMap(out, column(block), from, to)
  }
}

function mapArray(ends: (block: SpanBlock) => WordList, column: (block: SpanBlock) => MapColumn): Writer {
  return (out, block, from, to) => {
    writeDictionaryVersion(out)
    const [first, last] = writeOffsets(out, ends(block), from, to)
    writeMap(out, column(block), first, last)
  }
}

function textArray(column: (block: SpanBlock) => ByteBuffer): Writer {
  return (out, block, from, to) => {
    const [first, last] = writeOffsets(out, block.linkEnds, from, to)
    writeTexts(out, column(block), first, last, endOf(block.linkEnds, block.rows))
  }
}

function writeMap(out: Output, { ends, keys, values }: MapColumn, from: number, to: number): void {
  const [first, last] = writeOffsets(out, ends, from, to)
  writeCoded(out, keys, first, last)
  writeTexts(out, values, first, last, keys.codes.length)
}

/** End of element i - 1, where element i starts. Offsets stay below 2^32. */
function endOf(ends: WordList, count: number): number {
  return count === 0 ? 0 : ends.words[2 * (count - 1)]!
}

/** Ends relative to the first row written; returns which elements of the flat columns they cover. */
function writeOffsets(out: Output, ends: WordList, from: number, to: number): [first: number, last: number] {
  const first = endOf(ends, from)
  if (first === 0) {
    writeWords(out, ends, 2 * from, 2 * to)
  } else {
    for (let i = from; i < to; i++) {
      out.at = out.bytes.writeUInt32LE(ends.words[2 * i]! - first, out.at)
      out.at = out.bytes.writeUInt32LE(0, out.at)
    }
  }
  return [first, endOf(ends, to)]
}

function writeWords(out: Output, { words }: WordList, from: number, to: number): void {
  const size = 4 * (to - from)
  out.bytes.set(new Uint8Array(words.buffer, words.byteOffset + 4 * from, size), out.at)
  out.at += size
}

/** Values `from` up to `to` of `count`; where only some are wanted, their place is found by walking. */
function writeTexts(
  out: Output,
  { bytes, length }: ByteBuffer,
  from: number,
  to: number,
  count: number,
): void {
  const start = from === 0 ? 0 : skipTexts(bytes, 0, from)
  const end = to === count ? length : skipTexts(bytes, start, to - from)
  out.bytes.set(bytes.subarray(start, end), out.at)
  out.at += end - start
}

function skipTexts(bytes: Uint8Array, at: number, count: number): number {
  for (let i = 0; i < count; i++) {
    let size = 0
    let unit = 1
    let byte: number
    do {
      byte = bytes[at++]!
      size += (byte & 0x7f) * unit
      unit *= 0x80
    } while (byte >= 0x80)
    at += size
  }
  return at
}

/** Serialization version of LowCardinality: shared dictionaries with additional keys. */
function writeDictionaryVersion(out: Output): void {
  writeWide(out, 1)
}

/** The block brings its own keys (bit 9) and they replace what came before (bit 10). */
const OWN_KEYS = 0x600

function writeCoded(out: Output, { dictionary, codes }: CodedColumn, from: number, to: number): void {
  // A column without rows has no dictionary either.
  if (from === to) return
  const { count, values } = dictionary
  // Index type: 0, 1, 2 for 1, 2, 4 bytes.
  const indexType = count <= 0x100 ? 0 : count <= 0x1_0000 ? 1 : 2
  writeWide(out, OWN_KEYS + indexType)
  writeWide(out, count)
  out.bytes.set(values.bytes.subarray(0, values.length), out.at)
  out.at += values.length
  writeWide(out, to - from)
  const words = codes.words.subarray(from, to)
  if (indexType === 0) {
    out.bytes.set(words, out.at)
    out.at += words.length
  } else if (indexType === 1) {
    const short = new Uint8Array(new Uint16Array(words).buffer)
    out.bytes.set(short, out.at)
    out.at += short.length
  } else writeWords(out, codes, from, to)
}

function writeWide(out: Output, value: number): void {
  out.bytes.writeUInt32LE(value >>> 0, out.at)
  out.bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), out.at + 4)
  out.at += 8
}

function writeVarint(out: Output, value: number): void {
  while (value >= 0x80) {
    out.bytes[out.at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  out.bytes[out.at++] = value
}

function writeName(out: Output, name: string): void {
  writeVarint(out, name.length)
  out.at += out.bytes.write(name, out.at, 'latin1')
}

/** Event and link offsets are written once a column of theirs, and every LowCardinality column has a header. */
function sizeBound(block: SpanBlock): number {
  const repeatedOffsets = 8 * 8 * block.rows
  const headers = 64 * 1024
  const fixedDictionaries = 1024
  return blockBytes(block) + repeatedOffsets + headers + fixedDictionaries
}
