import { columnIn } from '../trace/column-memory.ts'
import { type ByteBuffer, reserveBytes, reserveWords, viewOfBytes, type WordList } from './column-buffers.ts'
import type { CodedColumn, MapColumn, Offsets, SpanBlock } from './native-columns.ts'

/** Words that nobody needs after the block they were made for; new ones each time would make V8 collect everything more often. */
const scratch = new Map<string, Uint32Array<ArrayBuffer>>()

function wordsFor(purpose: string, length: number): Uint32Array<ArrayBuffer> {
  const words = columnIn(scratch.get(purpose), Uint32Array, length)
  scratch.set(purpose, words)
  return words
}

/** More distinct names than this, or times further apart, are left to the engine to sort. */
const MAX_NAMES = 4096
const MAX_SECONDS = 0x10_0000

/**
 * The block with its rows in the order in which `otel_traces` keeps them (its ORDER BY: service, name, second). The engine
 * looks whether a block is in order, and spares itself sorting if it is, which for maps is the dearest part of an insert: a text at a
 * time, where here a row's texts are one run of bytes. What is not in order it sorts, so nothing depends on this but time.
 *
 * The result has its columns behind those of the block, in the same memory, and shares its dictionaries.
 */
export function inStorageOrder(block: SpanBlock): SpanBlock {
  const order = storageOrder(block)
  if (order === undefined) return block
  const words = (list: WordList) => orderWords(list, order)
  const wide = (list: WordList) => orderWide(list, order)
  const texts = (column: ByteBuffer) => orderTexts(column, order)
  const coded = (column: CodedColumn): CodedColumn => ({ ...column, codes: words(column.codes) })
  const map = (column: MapColumn) => orderMap(column, order)
  return {
    ...block,
    timestamp: wide(block.timestamp),
    duration: wide(block.duration),
    endBeforeStart: wide(block.endBeforeStart),
    flags: words(block.flags),
    traceId: texts(block.traceId),
    spanId: texts(block.spanId),
    parentSpanId: texts(block.parentSpanId),
    traceState: texts(block.traceState),
    scopeName: texts(block.scopeName),
    scopeVersion: texts(block.scopeVersion),
    statusMessage: texts(block.statusMessage),
    spanName: coded(block.spanName),
    spanKind: coded(block.spanKind),
    serviceName: coded(block.serviceName),
    statusCode: coded(block.statusCode),
    resource: map(block.resource),
    attributes: map(block.attributes),
    ...orderEvents(block, order),
    ...orderLinks(block, order),
    traceHigh: wide(block.traceHigh),
    traceLow: wide(block.traceLow),
    spanNumber: wide(block.spanNumber),
    parentNumber: wide(block.parentNumber),
    shape: coded(block.shape),
    weight: words(block.weight),
    detail: coded(block.detail),
    bodyBytes: words(block.bodyBytes),
    returnedRows: words(block.returnedRows),
    valueHash: words(block.valueHash),
  }
}

/** Row numbers in the order of storage. undefined: they are in it, or it is left to the engine. */
function storageOrder({ rows, serviceName, spanName, timestamp }: SpanBlock): Uint32Array | undefined {
  const seconds = secondsOf(timestamp, rows)
  const names = ranksOf(spanName, rows, 'names')
  const services = ranksOf(serviceName, rows, 'services')
  if (seconds === undefined || names === undefined || services === undefined) return undefined
  const order = dealt(dealt(dealt(undefined, seconds), names), services)
  return order === undefined || order.every((row, at) => row === at) ? undefined : order
}

/** Rows in the order of their keys, those of one key in the order that they had. undefined: that of their numbers. */
function dealt(order: Uint32Array | undefined, keys: Uint32Array): Uint32Array | undefined {
  const rows = keys.length
  let last = 0
  for (let row = 0; row < rows; row++) if (keys[row]! > last) last = keys[row]!
  if (last === 0) return order
  const next = new Uint32Array(last + 2)
  for (let row = 0; row < rows; row++) next[keys[row]! + 1]!++
  for (let key = 1; key <= last; key++) next[key]! += next[key - 1]!
  // Not over what is read.
  const isInOdd = order !== undefined && order.buffer === scratch.get('odd')?.buffer
  const result = wordsFor(isInOdd ? 'even' : 'odd', rows)
  for (let i = 0; i < rows; i++) {
    const row = order === undefined ? i : order[i]!
    result[next[keys[row]!]!++] = row
  }
  return result
}

/** Of each row the place of its text among all of the dictionary, by bytes. */
function ranksOf({ dictionary, codes }: CodedColumn, rows: number, purpose: string): Uint32Array | undefined {
  const { count, start, size, values } = dictionary
  if (count > MAX_NAMES) return undefined
  const texts = Array.from({ length: count }, (_, i) =>
    Buffer.from(values.bytes.buffer, values.bytes.byteOffset + start[i]!, size[i]!),
  )
  const sorted = Array.from(texts.keys()).sort((a, b) => texts[a]!.compare(texts[b]!))
  const ranks = new Uint32Array(count)
  for (let rank = 0; rank < count; rank++) ranks[sorted[rank]!] = rank
  const result = wordsFor(purpose, rows)
  for (let row = 0; row < rows; row++) result[row] = ranks[codes.words[row]!]!
  return result
}

/** Seconds since the earliest. */
function secondsOf({ words }: WordList, rows: number): Uint32Array | undefined {
  if (rows === 0) return undefined
  const high = words[1]!
  // From the full second before the first row on, so that differences are exact.
  const rest = Number(((BigInt(high) << 32n) + BigInt(words[0]!)) % 1_000_000_000n)
  const result = new Int32Array(wordsFor('seconds', rows).buffer, 0, rows)
  let earliest = 0
  let latest = 0
  for (let row = 0; row < rows; row++) {
    const ns = (words[2 * row + 1]! - high) * 0x1_0000_0000 + (words[2 * row]! - words[0]!) + rest
    const second = Math.floor(ns / 1e9)
    if (second < earliest) earliest = second
    if (second > latest) latest = second
    result[row] = second
  }
  if (latest - earliest > MAX_SECONDS) return undefined
  for (let row = 0; row < rows; row++) result[row]! -= earliest
  return new Uint32Array(result.buffer, 0, rows)
}

function orderWords(list: WordList, order: Uint32Array): WordList {
  const { length } = list
  reserveWords(list, length)
  const { words } = list
  for (let i = 0; i < order.length; i++) words[length + i] = words[order[i]!]!
  return { words: words.subarray(length, 2 * length), length }
}

function orderWide(list: WordList, order: Uint32Array): WordList {
  const { length } = list
  reserveWords(list, length)
  const { words } = list
  for (let i = 0, to = length; i < order.length; i++, to += 2) {
    const from = 2 * order[i]!
    words[to] = words[from]!
    words[to + 1] = words[from + 1]!
  }
  return { words: words.subarray(length, 2 * length), length }
}

/** Elements `from` up to `to` of a row, by the ends of all rows. */
const startOf = (ends: Offsets, row: number) => (row === 0 ? 0 : ends.words[2 * row - 2]!)

function orderMap({ ends, keys, values }: MapColumn, order: Uint32Array): MapColumn {
  return {
    ends: orderEnds(ends, order),
    keys: { ...keys, codes: orderRuns(keys.codes, ends, order) },
    values: orderTexts(values, order, ends),
  }
}

function orderEnds(ends: Offsets, order: Uint32Array): Offsets {
  const { length } = ends
  reserveWords(ends, length)
  const { words } = ends
  let sum = 0
  for (let i = 0, to = length; i < order.length; i++, to += 2) {
    const row = order[i]!
    sum += words[2 * row]! - startOf(ends, row)
    words[to] = sum
    words[to + 1] = 0
  }
  return { words: words.subarray(length, 2 * length), length }
}

/** One word an element. */
function orderRuns(list: WordList, ends: Offsets, order: Uint32Array): WordList {
  const { length } = list
  reserveWords(list, length)
  const { words } = list
  let to = length
  for (const row of order) {
    const end = ends.words[2 * row]!
    for (let from = startOf(ends, row); from < end; from++) words[to++] = words[from]!
  }
  return { words: words.subarray(length, 2 * length), length }
}

/** Under this many bytes a loop beats the call into the runtime. */
const BULK_BYTES = 64

/** A text a row, or as many as `ends` says. */
function orderTexts(column: ByteBuffer, order: Uint32Array, ends?: Offsets): ByteBuffer {
  const { length } = column
  const rows = order.length
  if (length % rows === 0 && isOneAgain(column.bytes, length, length / rows)) return column
  const starts = startsOf(column, rows, ends)
  reserveBytes(column, length)
  const { bytes, view } = column
  let to = length
  for (let i = 0; i < rows; i++) {
    let from = starts[order[i]!]!
    const end = starts[order[i]! + 1]!
    if (end - from > BULK_BYTES) {
      bytes.copyWithin(to, from, end)
      to += end - from
    } else {
      for (; from + 4 <= end; from += 4, to += 4) view.setUint32(to, view.getUint32(from, true), true)
      for (; from < end; from++) bytes[to++] = bytes[from]!
    }
  }
  return { ...viewOfBytes(bytes.subarray(length, 2 * length)), length }
}

/** Whether all of it is its first `size` bytes again and again. */
function isOneAgain(bytes: Uint8Array, length: number, size: number): boolean {
  return Buffer.compare(bytes.subarray(0, length - size), bytes.subarray(size, length)) === 0
}

/** Where each row's texts begin, and where the last one's end. */
function startsOf({ bytes, length }: ByteBuffer, rows: number, ends: Offsets | undefined): Uint32Array {
  const starts = wordsFor('starts', rows + 1)
  let at = 0
  let text = 0
  for (let row = 0; row < rows; row++) {
    starts[row] = at
    const end = ends === undefined ? row + 1 : ends.words[2 * row]!
    for (; text < end; text++) {
      let size = bytes[at++]!
      if (size >= 0x80) {
        size &= 0x7f
        for (let unit = 0x80; ; unit *= 0x80) {
          const byte = bytes[at++]!
          size += (byte & 0x7f) * unit
          if (byte < 0x80) break
        }
      }
      at += size
    }
  }
  starts[rows] = length
  return starts
}

function orderEvents(block: SpanBlock, order: Uint32Array): Partial<SpanBlock> {
  const { eventEnds, eventTime, eventName, eventAttributes } = block
  if (eventName.codes.length === 0) return {}
  const events = elementsInOrder(eventEnds, eventName.codes.length, order)
  return {
    eventEnds: orderEnds(eventEnds, order),
    eventTime: orderWide(eventTime, events),
    eventName: { ...eventName, codes: orderWords(eventName.codes, events) },
    eventAttributes: orderMap(eventAttributes, events),
  }
}

function orderLinks(block: SpanBlock, order: Uint32Array): Partial<SpanBlock> {
  const { linkEnds, linkTraceId, linkSpanId, linkTraceState, linkAttributes } = block
  const count = linkAttributes.ends.length / 2
  if (count === 0) return {}
  const links = elementsInOrder(linkEnds, count, order)
  return {
    linkEnds: orderEnds(linkEnds, order),
    linkTraceId: orderTexts(linkTraceId, links),
    linkSpanId: orderTexts(linkSpanId, links),
    linkTraceState: orderTexts(linkTraceState, links),
    linkAttributes: orderMap(linkAttributes, links),
  }
}

function elementsInOrder(ends: Offsets, count: number, order: Uint32Array): Uint32Array {
  const elements = new Uint32Array(count)
  let to = 0
  for (const row of order) {
    const end = ends.words[2 * row]!
    for (let element = startOf(ends, row); element < end; element++) elements[to++] = element
  }
  return elements
}
