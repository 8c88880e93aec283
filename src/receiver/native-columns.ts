import { type ByteBuffer, createBytes, createWords, type WordList } from './column-buffers.ts'
import { classifyResourceKey, classifySpanKey } from './lean-roles.ts'
import { pushString } from './text.ts'
import {
  type Classify,
  createDictionary,
  numberOf,
  type TextDictionary,
  truncateDictionary,
} from './text-dictionary.ts'

/** Bits of the column Flags. */
export const FLAG_NO_START = 1 // the start was 0: Timestamp is the end, Duration 0
export const FLAG_CUT = 2 // something was cut to a limit: a text, or attributes, events, links beyond the maximum

/** As the Collector's ClickHouse exporter writes them, by OTLP number; what is not known is ''. */
export const KIND_NAMES = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer', ''] as const
export const STATUS_NAMES = ['Unset', 'Ok', 'Error', ''] as const

export type TextColumn = { kind: 'text'; values: ByteBuffer }
/** LowCardinality(String). */
export type CodedColumn = { kind: 'coded'; dictionary: TextDictionary; codes: WordList }
/** Array or Map over flat columns: element i's end, two words each. */
export type Offsets = WordList

/**
 * Rows of `received_spans` in the making. `Timestamp`, `Duration`, `EndBeforeStartNs`, event times and offsets are 64-bit:
 * two words a value.
 */
export type SpanBlock = {
  rows: number
  timestamp: WordList
  duration: WordList
  endBeforeStart: WordList
  flags: WordList
  traceId: ByteBuffer
  spanId: ByteBuffer
  parentSpanId: ByteBuffer
  traceState: ByteBuffer
  scopeName: ByteBuffer
  scopeVersion: ByteBuffer
  statusMessage: ByteBuffer
  spanName: CodedColumn
  spanKind: CodedColumn
  serviceName: CodedColumn
  statusCode: CodedColumn
  resource: MapColumn
  attributes: MapColumn
  eventEnds: Offsets
  eventTime: WordList
  eventName: CodedColumn
  eventAttributes: MapColumn
  linkEnds: Offsets
  linkTraceId: ByteBuffer
  linkSpanId: ByteBuffer
  linkTraceState: ByteBuffer
  linkAttributes: MapColumn
  /** What spans_lean needs besides (lean-columns.ts). Ids are 64-bit. */
  traceHigh: WordList
  traceLow: WordList
  spanNumber: WordList
  parentNumber: WordList
  shape: CodedColumn
  weight: WordList
  detail: CodedColumn
  bodyBytes: WordList
  returnedRows: WordList
  valueHash: WordList
  /** Of these what a span is read into before it is known whether it makes a row. */
  early: Growing
} & Growing

/** Parts of a block that grow, for marks and sizes. */
export type Growing = {
  rows: number
  byteBuffers: ByteBuffer[]
  wordLists: WordList[]
  dictionaries: TextDictionary[]
}

/** Map(LowCardinality(String), String). */
export type MapColumn = { ends: Offsets; keys: CodedColumn; values: ByteBuffer }

/** The columns of `received_spans` that `otel_traces` has, too. */
export const TRACE_COLUMNS = [
  { name: 'Timestamp', type: 'DateTime64(9)' },
  { name: 'TraceId', type: 'String' },
  { name: 'SpanId', type: 'String' },
  { name: 'ParentSpanId', type: 'String' },
  { name: 'TraceState', type: 'String' },
  { name: 'SpanName', type: 'LowCardinality(String)' },
  { name: 'SpanKind', type: 'LowCardinality(String)' },
  { name: 'ServiceName', type: 'LowCardinality(String)' },
  { name: 'ResourceAttributes', type: 'Map(LowCardinality(String), String)' },
  { name: 'ScopeName', type: 'String' },
  { name: 'ScopeVersion', type: 'String' },
  { name: 'SpanAttributes', type: 'Map(LowCardinality(String), String)' },
  { name: 'Duration', type: 'UInt64' },
  { name: 'StatusCode', type: 'LowCardinality(String)' },
  { name: 'StatusMessage', type: 'String' },
  { name: 'Events.Timestamp', type: 'Array(DateTime64(9))' },
  { name: 'Events.Name', type: 'Array(LowCardinality(String))' },
  { name: 'Events.Attributes', type: 'Array(Map(LowCardinality(String), String))' },
  { name: 'Links.TraceId', type: 'Array(String)' },
  { name: 'Links.SpanId', type: 'Array(String)' },
  { name: 'Links.TraceState', type: 'Array(String)' },
  { name: 'Links.Attributes', type: 'Array(Map(LowCardinality(String), String))' },
  { name: 'Flags', type: 'UInt32' },
  { name: 'EndBeforeStartNs', type: 'UInt64' },
] as const

/** Those for `spans_lean`. */
export const LEAN_COLUMNS = [
  { name: 'TraceHigh', type: 'UInt64' },
  { name: 'TraceLow', type: 'UInt64' },
  { name: 'SpanNumber', type: 'UInt64' },
  { name: 'ParentNumber', type: 'UInt64' },
  { name: 'Shape', type: 'LowCardinality(String)' },
  { name: 'Weight', type: 'UInt32' },
  { name: 'Detail', type: 'LowCardinality(String)' },
  { name: 'BodyBytes', type: 'UInt32' },
  { name: 'ReturnedRows', type: 'UInt32' },
  { name: 'ValueHash', type: 'UInt32' },
] as const

/** All that an insert names, in order. */
export const SPAN_COLUMNS = [...TRACE_COLUMNS, ...LEAN_COLUMNS] as const

export type SpanColumnName = (typeof SPAN_COLUMNS)[number]['name']

export function createBlock(): SpanBlock {
  const byteBuffers: ByteBuffer[] = []
  const wordLists: WordList[] = []
  const dictionaries: TextDictionary[] = []
  const bytes = () => {
    const buffer = createBytes()
    byteBuffers.push(buffer)
    return buffer
  }
  const words = () => {
    const list = createWords()
    wordLists.push(list)
    return list
  }
  const coded = (classify?: Classify): CodedColumn => {
    const dictionary = createDictionary(classify)
    dictionaries.push(dictionary)
    return { kind: 'coded', dictionary, codes: words() }
  }
  const fixed = (names: readonly string[]): CodedColumn => ({
    kind: 'coded',
    dictionary: fixedDictionary(names),
    codes: words(),
  })
  const map = (classify?: Classify): MapColumn => ({ ends: words(), keys: coded(classify), values: bytes() })
  const block: SpanBlock = {
    rows: 0,
    timestamp: words(),
    duration: words(),
    endBeforeStart: words(),
    flags: words(),
    traceId: bytes(),
    spanId: bytes(),
    parentSpanId: bytes(),
    traceState: bytes(),
    scopeName: bytes(),
    scopeVersion: bytes(),
    statusMessage: bytes(),
    spanName: coded(),
    spanKind: fixed(KIND_NAMES),
    serviceName: coded(),
    statusCode: fixed(STATUS_NAMES),
    resource: map(classifyResourceKey),
    attributes: map(classifySpanKey),
    eventEnds: words(),
    eventTime: words(),
    eventName: coded(),
    eventAttributes: map(),
    linkEnds: words(),
    linkTraceId: bytes(),
    linkSpanId: bytes(),
    linkTraceState: bytes(),
    linkAttributes: map(),
    traceHigh: words(),
    traceLow: words(),
    spanNumber: words(),
    parentNumber: words(),
    shape: coded(),
    weight: words(),
    detail: coded(),
    bodyBytes: words(),
    returnedRows: words(),
    valueHash: words(),
    early: { rows: 0, byteBuffers: [], wordLists: [], dictionaries: [] },
    byteBuffers,
    wordLists,
    dictionaries,
  }
  const { attributes, eventAttributes, linkAttributes, eventName, linkTraceId, linkSpanId } = block
  const maps = [attributes, eventAttributes, linkAttributes]
  block.early.byteBuffers.push(
    ...[block.traceState, block.statusMessage, linkTraceId, linkSpanId, block.linkTraceState],
    ...maps.map((map) => map.values),
  )
  block.early.wordLists.push(
    ...[block.eventTime, eventName.codes, eventAttributes.ends, linkAttributes.ends],
    ...maps.map((map) => map.keys.codes),
  )
  block.early.dictionaries.push(eventName.dictionary, ...maps.map((map) => map.keys.dictionary))
  return block
}

/** Its values are numbered as they are listed, whatever is truncated. */
function fixedDictionary(names: readonly string[]): TextDictionary {
  const dictionary = createDictionary()
  const text = createBytes()
  for (const name of names) {
    text.length = 0
    pushString(text, name)
    numberOf(dictionary, text.bytes, text.view, 1, text.length - 1)
  }
  return dictionary
}

/** A place to go back to: the lengths of what grows. */
export type BlockMark = { rows: number; lengths: Float64Array }

export function createMark({ byteBuffers, wordLists, dictionaries }: Growing): BlockMark {
  return { rows: 0, lengths: new Float64Array(byteBuffers.length + wordLists.length + dictionaries.length) }
}

export function takeMark(growing: Growing, mark: BlockMark): void {
  const { byteBuffers, wordLists, dictionaries } = growing
  const { lengths } = mark
  let at = 0
  for (let i = 0; i < byteBuffers.length; i++) lengths[at++] = byteBuffers[i]!.length
  for (let i = 0; i < wordLists.length; i++) lengths[at++] = wordLists[i]!.length
  for (let i = 0; i < dictionaries.length; i++) lengths[at++] = dictionaries[i]!.count
  mark.rows = growing.rows
}

/** `forget`: what to do with the values that dictionaries have more than at the mark. */
export function rollBack(growing: Growing, mark: BlockMark, forget = truncateDictionary): void {
  const { byteBuffers, wordLists, dictionaries } = growing
  const { lengths } = mark
  let at = 0
  for (let i = 0; i < byteBuffers.length; i++) byteBuffers[i]!.length = lengths[at++]!
  for (let i = 0; i < wordLists.length; i++) wordLists[i]!.length = lengths[at++]!
  for (let i = 0; i < dictionaries.length; i++) forget(dictionaries[i]!, lengths[at++]!)
  growing.rows = mark.rows
}

/** Empties it; its memory is kept. */
export function clearBlock(block: SpanBlock): void {
  for (const buffer of block.byteBuffers) buffer.length = 0
  for (const list of block.wordLists) list.length = 0
  for (const dictionary of block.dictionaries) truncateDictionary(dictionary, 0)
  block.rows = 0
}

/** Bytes of its rows, about what the Native block will take. */
export function blockBytes(block: SpanBlock): number {
  const { byteBuffers, wordLists, dictionaries } = block
  let sum = 0
  for (let i = 0; i < byteBuffers.length; i++) sum += byteBuffers[i]!.length
  for (let i = 0; i < wordLists.length; i++) sum += 4 * wordLists[i]!.length
  for (let i = 0; i < dictionaries.length; i++) sum += dictionaries[i]!.values.length
  return sum
}

/** Bytes of memory it holds, filled or not. */
export function blockCapacity(block: SpanBlock): number {
  let sum = 0
  for (const buffer of block.byteBuffers) sum += buffer.bytes.length
  for (const list of block.wordLists) sum += list.words.byteLength
  for (const { values, slots, hash } of block.dictionaries) {
    sum += values.bytes.length + slots.byteLength + 3 * hash.byteLength
  }
  return sum
}
