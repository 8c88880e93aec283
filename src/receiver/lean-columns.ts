import { samplingWeight } from '../trace/sampling.ts'
import { SHAPE_SEPARATOR, UNKNOWN_SERVICE } from '../trace/shape.ts'
import {
  type ByteBuffer,
  copyBytes,
  createBytes,
  pushWide,
  pushWord,
  readVarintAt,
  reserveBytes,
  type WordList,
} from './column-buffers.ts'
import { ABSENT, type FoundRoles } from './decode-attributes.ts'
import type { SharedColumns } from './decoding.ts'
import { RESOURCE_ROLE, SPAN_ROLE } from './lean-roles.ts'
import { murmurHash3 } from './murmur.ts'
import type { CodedColumn, SpanBlock } from './native-columns.ts'
import { createQueryMemory, type QueryFacts, type QueryMemory } from './query-memory.ts'
import { isValue, numberOf, type TextDictionary } from './text-dictionary.ts'

/**
 * What `spans_lean` holds of a span, worked out while its attributes are at hand, by the rules of src/trace/shape.ts,
 * detail.ts and sampling.ts. What a Collector inserts itself gets the same from a view; test/receiver/lean.test.ts
 * compares the two row by row. Values are read where they have just been stored: cut and repaired like them.
 */
export type LeanWork = {
  /** A key in the making. */
  key: ByteBuffer
  /** Shape and detail that a span of the same name had. */
  shapes: Uint32Array
  details: Uint32Array
  queries: QueryMemory
}

const GUESSES = 1024
const SEPARATOR = SHAPE_SEPARATOR.charCodeAt(0)
const SPACE = 0x20
const ONE = 0x31
/** OTLP's kind numbers; what is not known is INTERNAL. */
const KINDS = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER', 'INTERNAL'].map(bytesOf)
const NO_SERVICE = bytesOf(UNKNOWN_SERVICE)
const GET = bytesOf('GET')
const TRUE = bytesOf('true')
const MOST = 2 ** 32 - 1
const UINT64_END = 2n ** 64n

export function createLeanWork(): LeanWork {
  return {
    key: createBytes(),
    shapes: new Uint32Array(GUESSES),
    details: new Uint32Array(GUESSES),
    queries: createQueryMemory(),
  }
}

/** What all shapes of a resource's spans have in common, once its attributes are read. */
export function readShapeParts(shared: SharedColumns, service: TextDictionary, roles: FoundRoles): void {
  const { at } = roles
  const { shapeService, shapeResource, values, serviceCode } = shared
  shapeService.length = 0
  shapeResource.length = 0
  if (service.size[serviceCode] === 0) copyAll(shapeService, NO_SERVICE)
  else {
    const { bytes, view } = service.values
    copyField(shapeService, bytes, view, service.start[serviceCode]!, service.size[serviceCode]!)
  }
  for (const role of [
    at[RESOURCE_ROLE['deployment.environment.name']]!,
    at[RESOURCE_ROLE['service.namespace']]!,
    at[RESOURCE_ROLE['service.version']]!,
    firstOf(values, at[RESOURCE_ROLE['service.instance.id']]!, at[RESOURCE_ROLE['host.name']]!),
  ]) {
    pushField(shapeResource, values, role)
  }
}

/** Appends ids as numbers; each is at its place in `bytes`, ABSENT stands for none. */
export function pushIdNumbers(
  block: SpanBlock,
  view: DataView,
  traceIdAt: number,
  spanIdAt: number,
  parentIdAt: number,
): void {
  pushNumber(block.traceHigh, view, traceIdAt)
  pushNumber(block.traceLow, view, traceIdAt + 8)
  pushNumber(block.spanNumber, view, spanIdAt)
  if (parentIdAt === ABSENT) pushWide(block.parentNumber, 0, 0)
  else pushNumber(block.parentNumber, view, parentIdAt)
}

function pushNumber(to: WordList, view: DataView, at: number): void {
  pushWide(to, view.getUint32(at + 4), view.getUint32(at))
}

/** Appends what attributes decide: shape, weight, detail and figures. The span's attributes are in the block already. */
export function pushLean(
  work: LeanWork,
  block: SpanBlock,
  shared: SharedColumns,
  roles: FoundRoles,
  kind: number,
  nameCode: number,
  traceStateAt: number,
): void {
  const { values } = block.attributes
  const { at } = roles
  const dbSystem = firstOf(values, at[SPAN_ROLE['db.system.name']]!, at[SPAN_ROLE['db.system']]!)
  const queryAt = firstOf(values, at[SPAN_ROLE['db.query.text']]!, at[SPAN_ROLE['db.statement']]!)
  const query = queryAt === ABSENT ? undefined : queryFacts(work.queries, values, dbSystem, queryAt)
  const method = firstOf(values, at[SPAN_ROLE['http.request.method']]!, at[SPAN_ROLE['http.method']]!)
  pushShape(work, block, shared, roles, kind, nameCode, dbSystem)
  pushDetail(work, block, roles, nameCode, query, method)
  pushWord(block.weight, weightOf(block, at, traceStateAt))
  pushWord(block.bodyBytes, bodyBytes(values, at))
  pushWord(block.returnedRows, wholeNumber(values, at[SPAN_ROLE['db.response.returned_rows']]!))
  pushWord(
    block.valueHash,
    query === undefined ? urlHash(values, at, method) : queryHash(work, block, roles, query, queryAt),
  )
}

function pushShape(
  work: LeanWork,
  block: SpanBlock,
  shared: SharedColumns,
  { at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
  dbSystem: number,
): void {
  const { key } = work
  const { values } = block.attributes
  const name = block.spanName.dictionary
  key.length = 0
  copyAll(key, KINDS[kind]!)
  pushSeparator(key)
  copyAll(key, shared.shapeService)
  pushSeparator(key)
  copyField(key, name.values.bytes, name.values.view, name.start[nameCode]!, name.size[nameCode]!)
  copyAll(key, shared.shapeResource)
  pushField(key, values, dbSystem)
  pushField(key, values, firstOf(values, at[SPAN_ROLE['db.namespace']]!, at[SPAN_ROLE['db.name']]!))
  pushField(key, values, at[SPAN_ROLE['db.query.summary']]!)
  pushField(key, values, at[SPAN_ROLE['server.address']]!)
  pushField(key, values, at[SPAN_ROLE['peer.service']]!)
  pushField(key, values, at[SPAN_ROLE['messaging.system']]!)
  pushField(key, values, at[SPAN_ROLE['messaging.destination.name']]!)
  pushField(key, values, at[SPAN_ROLE['messaging.operation.type']]!)
  pushField(key, values, at[SPAN_ROLE['http.request.method']]!)
  pushField(key, values, at[SPAN_ROLE['http.route']]!)
  pushField(key, values, at[SPAN_ROLE['rpc.method']]!)
  pushSeparator(key)
  if (transport) pushByte(key, ONE)
  pushKey(block.shape, key, work.shapes, nameCode)
}

function pushDetail(
  work: LeanWork,
  block: SpanBlock,
  { at }: FoundRoles,
  nameCode: number,
  query: QueryFacts | undefined,
  method: number,
): void {
  const { key } = work
  const { values } = block.attributes
  key.length = 0
  if (query !== undefined) {
    const { bytes, view, length } = query.normal
    copyField(key, bytes, view, 0, length)
  }
  pushField(key, values, method)
  const httpStatus = firstOf(
    values,
    at[SPAN_ROLE['http.response.status_code']]!,
    at[SPAN_ROLE['http.status_code']]!,
  )
  const rpcStatus = firstOf(
    values,
    at[SPAN_ROLE['rpc.response.status_code']]!,
    at[SPAN_ROLE['rpc.grpc.status_code']]!,
  )
  pushField(key, values, httpStatus === ABSENT ? rpcStatus : httpStatus)
  pushField(key, values, at[SPAN_ROLE['error.type']]!)
  pushField(
    key,
    values,
    firstOf(values, at[SPAN_ROLE['http.request.resend_count']]!, at[SPAN_ROLE['http.resend_count']]!),
  )
  pushField(key, values, at[SPAN_ROLE['rpc.service']]!)
  pushField(key, values, at[SPAN_ROLE['url.template']]!)
  pushSeparator(key)
  if (isText(values, at[SPAN_ROLE['faas.coldstart']]!, TRUE)) pushByte(key, ONE)
  pushField(key, values, at[SPAN_ROLE['faas.timeout']]!)
  // Nothing but separators: it says nothing.
  if (key.length === DETAIL_SEPARATORS) key.length = 0
  pushKey(block.detail, key, work.details, nameCode)
}

const DETAIL_SEPARATORS = 8

/** Codes a key; spans of one name mostly have the same. */
function pushKey(column: CodedColumn, key: ByteBuffer, guesses: Uint32Array, nameCode: number): void {
  const place = nameCode & (GUESSES - 1)
  let code = guesses[place]!
  if (!isValue(column.dictionary, code, key.view, 0, key.length)) {
    code = numberOf(column.dictionary, key.bytes, key.view, 0, key.length)
    guesses[place] = code
  }
  pushWord(column.codes, code)
}

/** The first of two values that is there and not empty. */
function firstOf({ bytes }: ByteBuffer, first: number, second: number): number {
  if (first !== ABSENT && bytes[first] !== 0) return first
  return second !== ABSENT && bytes[second] !== 0 ? second : ABSENT
}

/** A separator, then the value at `at`, if there is one. */
function pushField(to: ByteBuffer, values: ByteBuffer, at: number): void {
  pushSeparator(to)
  if (at === ABSENT) return
  const size = values.bytes[at]!
  if (size < 0x80) copyField(to, values.bytes, values.view, at + 1, size)
  else {
    const { value, next } = readVarintAt(values, at)
    copyField(to, values.bytes, values.view, next, value)
  }
}

function pushSeparator(to: ByteBuffer): void {
  pushByte(to, SEPARATOR)
}

function pushByte(to: ByteBuffer, byte: number): void {
  reserveBytes(to, 1)
  to.bytes[to.length++] = byte
}

function copyAll(to: ByteBuffer, from: ByteBuffer): void {
  copyBytes(from.bytes, from.view, 0, from.length, to)
}

/** Copies bytes; a separator among them becomes a space. */
function copyField(to: ByteBuffer, bytes: Uint8Array, view: DataView, from: number, length: number): void {
  const at = to.length
  copyBytes(bytes, view, from, length, to)
  const copied = to.bytes
  for (let i = at; i < to.length; i++) if (copied[i] === SEPARATOR) copied[i] = SPACE
}

function queryFacts(queries: QueryMemory, values: ByteBuffer, systemAt: number, at: number): QueryFacts {
  const text = readVarintAt(values, at)
  if (systemAt === ABSENT) return queries(values, 0, 0, text.next, text.value)
  const system = readVarintAt(values, systemAt)
  return queries(values, system.next, system.value, text.next, text.value)
}

/** Equal where a query with its values, or a GET, asks for the very same; 0: not known. */
function queryHash(
  { key }: LeanWork,
  block: SpanBlock,
  roles: FoundRoles,
  query: QueryFacts,
  queryAt: number,
): number {
  const { parameters } = roles
  if (parameters.length === 0 && !query.isWhole) return 0
  const { values, keys } = block.attributes
  const text = readVarintAt(values, queryAt)
  key.length = 0
  copyBytes(values.bytes, values.view, text.next, text.value, key)
  pushByte(key, 0x0a)
  const { dictionary } = keys
  for (let i = 0; i < parameters.length; i += 2) {
    const code = parameters[i]!
    const { bytes, view } = dictionary.values
    copyBytes(bytes, view, dictionary.start[code]!, dictionary.size[code]!, key)
    pushByte(key, 0x3d)
    const value = readVarintAt(values, parameters[i + 1]!)
    copyBytes(values.bytes, values.view, value.next, value.value, key)
    pushByte(key, 0x0a)
  }
  return (murmurHash3(key.view, 0, key.length) | 1) >>> 0
}

function urlHash(values: ByteBuffer, at: Int32Array, method: number): number {
  const url = firstOf(values, at[SPAN_ROLE['url.full']]!, at[SPAN_ROLE['http.url']]!)
  if (url === ABSENT || !isText(values, method, GET)) return 0
  const { value, next } = readVarintAt(values, url)
  return (murmurHash3(values.view, next, value) | 1) >>> 0
}

function bodyBytes(values: ByteBuffer, at: Int32Array): number {
  return Math.max(
    wholeNumber(values, at[SPAN_ROLE['http.response.body.size']]!),
    wholeNumber(values, at[SPAN_ROLE['http.request.body.size']]!),
    wholeNumber(values, at[SPAN_ROLE['http.response_content_length']]!),
    wholeNumber(values, at[SPAN_ROLE['http.request_content_length']]!),
    wholeNumber(values, at[SPAN_ROLE['messaging.message.body.size']]!),
  )
}

/** Digits only, at most what fits; 0: something else, or more than a UInt64. */
function wholeNumber(values: ByteBuffer, at: number): number {
  if (at === ABSENT) return 0
  const { value: length, next } = readVarintAt(values, at)
  let number = 0
  for (let i = next; i < next + length; i++) {
    const digit = values.bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return 0
    number = number * 10 + digit
  }
  if (number < 2 ** 63) return Math.min(MOST, number)
  return BigInt(stringOf(values, at)) < UINT64_END ? MOST : 0
}

function weightOf(block: SpanBlock, at: Int32Array, traceStateAt: number): number {
  const { values } = block.attributes
  const share = at[SPAN_ROLE['sampling.probability']]!
  const rate = at[SPAN_ROLE.SampleRate]!
  const percent = at[SPAN_ROLE['_MS.sampleRate']]!
  const parameter = at[SPAN_ROLE['sampler.param']]!
  const isSaid = (share & rate & percent & parameter) !== ABSENT
  if (block.traceState.bytes[traceStateAt] === 0 && !isSaid) return 0
  return samplingWeight(stringOf(block.traceState, traceStateAt), {
    'sampling.probability': stringOf(values, share),
    SampleRate: stringOf(values, rate),
    '_MS.sampleRate': stringOf(values, percent),
    'sampler.type': stringOf(values, at[SPAN_ROLE['sampler.type']]!),
    'sampler.param': stringOf(values, parameter),
  })
}

function isText(values: ByteBuffer, at: number, text: ByteBuffer): boolean {
  if (at === ABSENT || values.bytes[at] !== text.length) return false
  for (let i = 0; i < text.length; i++) if (values.bytes[at + 1 + i] !== text.bytes[i]) return false
  return true
}

function stringOf(values: ByteBuffer, at: number): string {
  if (at === ABSENT) return ''
  const { value, next } = readVarintAt(values, at)
  return Buffer.from(values.bytes.buffer, values.bytes.byteOffset + next, value).toString()
}

function bytesOf(ascii: string): ByteBuffer {
  const bytes = new Uint8Array(Buffer.from(ascii, 'latin1'))
  return { bytes, view: new DataView(bytes.buffer), length: bytes.length }
}
