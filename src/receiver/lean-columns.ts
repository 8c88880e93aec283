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
import {
  GROUP_OF_ROLE,
  KEY_GROUP,
  QUERY_GROUP,
  RESOURCE_ROLE,
  SAMPLING_GROUP,
  SIZES_GROUP,
  SPAN_ROLE,
  URL_GROUP,
} from './lean-roles.ts'
import { murmurHash3 } from './murmur.ts'
import type { SpanBlock } from './native-columns.ts'
import { createQueryMemory, type QueryFacts, type QueryMemory } from './query-memory.ts'
import {
  createDictionary,
  isSame,
  numberOf,
  type TextDictionary,
  truncateDictionary,
} from './text-dictionary.ts'

/**
 * What `spans_lean` holds of a span, worked out while its attributes are at hand, by the rules of src/trace/shape.ts,
 * detail.ts and sampling.ts. What a Collector inserts itself gets the same from a view; test/receiver/lean.test.ts
 * compares the two row by row. Values are read where they have just been stored: cut and repaired like them.
 */
export type LeanWork = {
  /** A key in the making. */
  key: ByteBuffer
  /** By name, kind and resource: the last such span. */
  templates: (LeanTemplate | undefined)[]
  /** What shapes have of resources, numbered: the same from request to request. */
  resources: TextDictionary
  queries: QueryMemory
}

/** Most spans have the shape and the detail of the one of their name before, which is cheaper to see than to make. */
type LeanTemplate = {
  nameCode: number
  kind: number
  resource: number
  transport: boolean
  /** Roles in order of appearance, and their values with their lengths, one after the other: where each ends. */
  roles: Uint8Array
  count: number
  ends: Uint32Array
  values: ByteBuffer
  /** Numbers in these dictionaries, while they have these generations. */
  shape: number
  detail: number
  shapes: TextDictionary
  details: TextDictionary
  shapeGeneration: number
  detailGeneration: number
}

const TEMPLATES = 1024
/** Values beyond this are not kept for comparison. */
const TEMPLATE_BYTES = 2048
const KNOWN_RESOURCES = 4096
const KEYED = KEY_GROUP | QUERY_GROUP
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
    templates: new Array<LeanTemplate | undefined>(TEMPLATES).fill(undefined),
    resources: createDictionary(),
    queries: createQueryMemory(),
  }
}

/** What all shapes of a resource's spans have in common, once its attributes are read. */
export function readShapeParts(
  work: LeanWork,
  shared: SharedColumns,
  service: TextDictionary,
  roles: FoundRoles,
): void {
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
  if (work.resources.count === KNOWN_RESOURCES) {
    truncateDictionary(work.resources, 0)
    work.templates.fill(undefined)
  }
  const { key } = work
  key.length = 0
  copyAll(key, shapeService)
  copyAll(key, shapeResource)
  shared.resourceNumber = numberOf(work.resources, key.bytes, key.view, 0, key.length)
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
  const { at, groups } = roles
  const { values } = block.attributes
  const place = (Math.imul(nameCode, 31) + 7 * kind + Math.imul(shared.resourceNumber, 131)) & (TEMPLATES - 1)
  const template = work.templates[place]
  if (template !== undefined && fits(template, block, shared, roles, kind, nameCode)) {
    pushWord(block.shape.codes, template.shape)
    pushWord(block.detail.codes, template.detail)
  } else {
    const shape = shapeOf(work, block, shared, roles, kind, nameCode)
    const detail = detailOf(work, block, roles)
    pushWord(block.shape.codes, shape)
    pushWord(block.detail.codes, detail)
    work.templates[place] = templateOf(block, shared, roles, kind, nameCode, shape, detail)
  }
  pushWord(block.weight, weightOf(block, roles, traceStateAt))
  const hasSizes = (groups & SIZES_GROUP) !== 0
  pushWord(block.bodyBytes, hasSizes ? bodyBytes(values, at) : 0)
  pushWord(
    block.returnedRows,
    hasSizes ? wholeNumber(values, at[SPAN_ROLE['db.response.returned_rows']]!) : 0,
  )
  const hasValue = (groups & (QUERY_GROUP | URL_GROUP)) !== 0
  pushWord(block.valueHash, hasValue ? valueHash(work, block, roles) : 0)
}

function fits(
  template: LeanTemplate,
  { shape, detail, attributes: { values } }: SpanBlock,
  { resourceNumber }: SharedColumns,
  { list, count, at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
): boolean {
  if (
    template.nameCode !== nameCode ||
    template.kind !== kind ||
    template.resource !== resourceNumber ||
    template.transport !== transport ||
    template.shapes !== shape.dictionary ||
    template.details !== detail.dictionary ||
    template.shapeGeneration !== shape.dictionary.generation ||
    template.detailGeneration !== detail.dictionary.generation
  ) {
    return false
  }
  let known = 0
  let from = 0
  for (let i = 0; i < count; i++) {
    const role = list[i]!
    if ((GROUP_OF_ROLE[role]! & KEYED) === 0) continue
    if (known === template.count || template.roles[known] !== role) return false
    const size = template.ends[known]! - from
    const start = at[role]!
    // The length is compared, too: it comes first.
    if (start + size > values.length || !isSame(values.view, start, template.values.view, from, size))
      return false
    from += size
    known++
  }
  return known === template.count
}

function templateOf(
  { shape: shapes, detail: details, attributes: { values } }: SpanBlock,
  { resourceNumber }: SharedColumns,
  { list, count, at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
  shape: number,
  detail: number,
): LeanTemplate | undefined {
  const roles = new Uint8Array(count)
  const ends = new Uint32Array(count)
  const kept = createBytes(128)
  let known = 0
  for (let i = 0; i < count; i++) {
    const role = list[i]!
    if ((GROUP_OF_ROLE[role]! & KEYED) === 0) continue
    const start = at[role]!
    const { value, next } = readVarintAt(values, start)
    if (kept.length + value > TEMPLATE_BYTES) return undefined
    copyBytes(values.bytes, values.view, start, next - start + value, kept)
    roles[known] = role
    ends[known++] = kept.length
  }
  return {
    ...{ nameCode, kind, resource: resourceNumber, transport, roles, count: known, ends, values: kept },
    ...{ shape, detail, shapes: shapes.dictionary, details: details.dictionary },
    shapeGeneration: shapes.dictionary.generation,
    detailGeneration: details.dictionary.generation,
  }
}

function shapeOf(
  { key }: LeanWork,
  block: SpanBlock,
  shared: SharedColumns,
  { at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
): number {
  const { values } = block.attributes
  const name = block.spanName.dictionary
  key.length = 0
  copyAll(key, KINDS[kind]!)
  pushSeparator(key)
  copyAll(key, shared.shapeService)
  pushSeparator(key)
  copyField(key, name.values.bytes, name.values.view, name.start[nameCode]!, name.size[nameCode]!)
  copyAll(key, shared.shapeResource)
  pushField(key, values, dbSystemAt(values, at))
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
  return numberOf(block.shape.dictionary, key.bytes, key.view, 0, key.length)
}

function detailOf({ key, queries }: LeanWork, block: SpanBlock, { at }: FoundRoles): number {
  const { values } = block.attributes
  key.length = 0
  const query = queryAt(values, at)
  if (query !== ABSENT) {
    const { bytes, view, length } = queryFacts(queries, values, at, query).normal
    copyField(key, bytes, view, 0, length)
  }
  pushField(key, values, methodAt(values, at))
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
  return numberOf(block.detail.dictionary, key.bytes, key.view, 0, key.length)
}

const DETAIL_SEPARATORS = 8

function dbSystemAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['db.system.name']]!, at[SPAN_ROLE['db.system']]!)
}

function queryAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['db.query.text']]!, at[SPAN_ROLE['db.statement']]!)
}

function methodAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['http.request.method']]!, at[SPAN_ROLE['http.method']]!)
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

function queryFacts(queries: QueryMemory, values: ByteBuffer, at: Int32Array, query: number): QueryFacts {
  const text = readVarintAt(values, query)
  const systemAt = dbSystemAt(values, at)
  if (systemAt === ABSENT) return queries(values, 0, 0, text.next, text.value)
  const system = readVarintAt(values, systemAt)
  return queries(values, system.next, system.value, text.next, text.value)
}

/** Equal where a query with its values, or a GET, asks for the very same; 0: not known. */
function valueHash(work: LeanWork, block: SpanBlock, roles: FoundRoles): number {
  const { values } = block.attributes
  const query = queryAt(values, roles.at)
  if (query !== ABSENT) return queryHash(work, block, roles, query)
  const url = firstOf(values, roles.at[SPAN_ROLE['url.full']]!, roles.at[SPAN_ROLE['http.url']]!)
  if (url === ABSENT || !isText(values, methodAt(values, roles.at), GET)) return 0
  const { value, next } = readVarintAt(values, url)
  return (murmurHash3(values.view, next, value) | 1) >>> 0
}

function queryHash(
  { key, queries }: LeanWork,
  block: SpanBlock,
  { at, parameters }: FoundRoles,
  query: number,
): number {
  const { values, keys } = block.attributes
  if (parameters.length === 0 && !queryFacts(queries, values, at, query).isWhole) return 0
  const text = readVarintAt(values, query)
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

function weightOf(block: SpanBlock, { at, groups }: FoundRoles, traceStateAt: number): number {
  if (block.traceState.bytes[traceStateAt] === 0 && (groups & SAMPLING_GROUP) === 0) return 0
  const { values } = block.attributes
  return samplingWeight(stringOf(block.traceState, traceStateAt), {
    'sampling.probability': stringOf(values, at[SPAN_ROLE['sampling.probability']]!),
    SampleRate: stringOf(values, at[SPAN_ROLE.SampleRate]!),
    '_MS.sampleRate': stringOf(values, at[SPAN_ROLE['_MS.sampleRate']]!),
    'sampler.type': stringOf(values, at[SPAN_ROLE['sampler.type']]!),
    'sampler.param': stringOf(values, at[SPAN_ROLE['sampler.param']]!),
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
