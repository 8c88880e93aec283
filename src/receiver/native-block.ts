import type { ByteBuffer, WordList } from './column-buffers.ts'
import {
  type CodedColumn,
  type MapColumn,
  SPAN_COLUMNS,
  type SpanBlock,
  type SpanColumnName,
} from './native-columns.ts'

/**
 * Bytes in the making: the columns' own memory where they are there as they are to be written, what has to be made (names,
 * lengths, narrow numbers) in between.
 */
type Output = { parts: Uint8Array[]; made: Buffer; from: number; at: number }

/**
 * Rows `from` up to `to` of the block as the parts of a Native block: views of the block's own columns for the most part,
 * which hold as long as it is left alone.
 *
 * ClickHouse's Native format at revision 0 (what its HTTP interface reads and writes): number of columns and rows as
 * varints; then a column after the other: name, type, the state of its dictionaries, its data.
 * https://clickhouse.com/docs/interfaces/formats/Native
 */
export function encodeParts(block: SpanBlock, from = 0, to = block.rows): Uint8Array[] {
  const out: Output = { parts: [], made: Buffer.allocUnsafeSlow(madeBound(block, from, to)), from: 0, at: 0 }
  writeVarint(out, SPAN_COLUMNS.length)
  writeVarint(out, to - from)
  for (const { name, type } of SPAN_COLUMNS) {
    writeName(out, name)
    writeName(out, type)
    if (to > from) WRITERS[name](out, block, from, to)
  }
  endMade(out)
  return out.parts
}

/** The same in one piece, of its own memory. */
export function encodeBlock(block: SpanBlock, from = 0, to = block.rows): Buffer {
  return Buffer.concat(encodeParts(block, from, to))
}

function endMade(out: Output): void {
  if (out.at > out.from) out.parts.push(out.made.subarray(out.from, out.at))
  out.from = out.at
}

/** Less than this is copied: a part of its own is not worth it. */
const SMALL_BYTES = 256

function writeBytes(out: Output, bytes: Uint8Array): void {
  if (bytes.length <= SMALL_BYTES) {
    out.made.set(bytes, out.at)
    out.at += bytes.length
    return
  }
  endMade(out)
  out.parts.push(bytes)
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
      out.at = out.made.writeUInt32LE(ends.words[2 * i]! - first, out.at)
      out.at = out.made.writeUInt32LE(0, out.at)
    }
  }
  return [first, endOf(ends, to)]
}

function writeWords(out: Output, { words }: WordList, from: number, to: number): void {
  writeBytes(out, new Uint8Array(words.buffer, words.byteOffset + 4 * from, 4 * (to - from)))
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
  writeBytes(out, bytes.subarray(start, end))
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
  const indexType = indexTypeOf(count)
  writeWide(out, OWN_KEYS + indexType)
  writeWide(out, count)
  writeBytes(out, values.bytes.subarray(0, values.length))
  writeWide(out, to - from)
  const words = codes.words.subarray(from, to)
  if (indexType === 0) {
    out.made.set(words, out.at)
    out.at += words.length
  } else if (indexType === 1) {
    writeBytes(out, new Uint8Array(new Uint16Array(words).buffer))
  } else writeWords(out, codes, from, to)
}

/** 0, 1, 2 for numbers of 1, 2, 4 bytes. */
function indexTypeOf(count: number): number {
  return count <= 0x100 ? 0 : count <= 0x1_0000 ? 1 : 2
}

function writeWide(out: Output, value: number): void {
  out.made.writeUInt32LE(value >>> 0, out.at)
  out.made.writeUInt32LE(Math.floor(value / 0x1_0000_0000), out.at + 4)
  out.at += 8
}

function writeVarint(out: Output, value: number): void {
  while (value >= 0x80) {
    out.made[out.at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  out.made[out.at++] = value
}

function writeName(out: Output, name: string): void {
  writeVarint(out, name.length)
  out.at += out.made.write(name, out.at, 'latin1')
}

const HEADER_BYTES = 64 * 1024
/** At the most: of a map in an array the ends of both, keys, their codes, values. */
const RUNS_A_COLUMN = 5
/** Resource and span attributes, three columns of events, four of links. */
const ENDS_OF_ROWS = 9

/** Headers, what is copied for being small, codes of a byte, and ends that do not begin with the first row. */
function madeBound(block: SpanBlock, from: number, to: number): number {
  const { resource, attributes, eventName, eventAttributes, linkAttributes } = block
  const maps = [resource.keys, attributes.keys, eventName, eventAttributes.keys, linkAttributes.keys]
  const coded = [
    block.spanName,
    block.spanKind,
    block.serviceName,
    block.statusCode,
    block.shape,
    block.detail,
  ]
  let bytes = HEADER_BYTES + SMALL_BYTES * RUNS_A_COLUMN * SPAN_COLUMNS.length
  for (const { dictionary, codes } of [...maps, ...coded]) {
    if (indexTypeOf(dictionary.count) === 0) bytes += codes.length
  }
  if (from === 0) return bytes
  const nested = 4 * (eventAttributes.ends.length + linkAttributes.ends.length)
  return bytes + 8 * ENDS_OF_ROWS * (to - from) + nested
}
