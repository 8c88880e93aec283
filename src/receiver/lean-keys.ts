import { authorityOf } from '../trace/detail.ts'
import { SHAPE_SEPARATOR, UNKNOWN_SERVICE } from '../trace/shape.ts'
import { type ByteBuffer, copyBytes, readVarintAt } from './column-buffers.ts'
import { ABSENT, type FoundRoles } from './decode-attributes.ts'
import type { SharedColumns } from './decoding.ts'
import type { LeanWork } from './lean-columns.ts'
import { RESOURCE_ROLE, SPAN_ROLE, URL_GROUP } from './lean-roles.ts'
import {
  addressAt,
  bytesOf,
  copyAll,
  dbSystemAt,
  firstOf,
  isText,
  methodAt,
  pushByte,
  queryAt,
  queryFacts,
  stringOf,
  urlAt,
  utf8Of,
} from './lean-values.ts'
import type { SpanBlock } from './native-columns.ts'
import { numberOf, type TextDictionary, truncateDictionary } from './text-dictionary.ts'

const KNOWN_RESOURCES = 4096
const SEPARATOR = SHAPE_SEPARATOR.charCodeAt(0)
const SPACE = 0x20
const ONE = 0x31
const COLON = 0x3a
/** OTLP's kind numbers; what is not known is INTERNAL. */
const KINDS = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER', 'INTERNAL'].map(bytesOf)
/** Whether such a span calls somebody: no SERVER, and no CONSUMER. */
const CALLS = [true, true, false, true, true, false, true]
const NO_SERVICE = bytesOf(UNKNOWN_SERVICE)
const TRUE = bytesOf('true')
const DETAIL_SEPARATORS = 10

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

/** Number of a span's shape: the fields of src/trace/shape.ts. */
export function shapeOf(
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

/** Number of its detail: the fields of src/trace/detail.ts. */
export function detailOf(
  { key, queries }: LeanWork,
  block: SpanBlock,
  { at }: FoundRoles,
  kind: number,
): number {
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
  pushPeer(key, values, at, kind)
  pushField(
    key,
    values,
    firstOf(values, at[SPAN_ROLE['messaging.destination.name']]!, at[SPAN_ROLE['messaging.destination']]!),
  )
  // Nothing but separators: it says nothing.
  if (key.length === DETAIL_SEPARATORS) key.length = 0
  return numberOf(block.detail.dictionary, key.bytes, key.view, 0, key.length)
}

/** Whether the URL says whom a span calls, and nothing else does. */
export function isPeerInUrl(values: ByteBuffer, { at, groups }: FoundRoles, kind: number): boolean {
  return (groups & URL_GROUP) !== 0 && CALLS[kind]! && addressAt(values, at) === ABSENT
}

function pushPeer(to: ByteBuffer, values: ByteBuffer, at: Int32Array, kind: number): void {
  pushSeparator(to)
  if (!CALLS[kind]!) return
  const name = addressAt(values, at)
  if (name === ABSENT) {
    const url = urlAt(values, at)
    if (url === ABSENT) return
    const authority = utf8Of(authorityOf(stringOf(values, url)))
    copyField(to, authority.bytes, authority.view, 0, authority.length)
    return
  }
  pushValue(to, values, name)
  const port = firstOf(values, at[SPAN_ROLE['server.port']]!, at[SPAN_ROLE['net.peer.port']]!)
  if (port === ABSENT) return
  pushByte(to, COLON)
  pushValue(to, values, port)
}

/** A separator, then the value at `at`, if there is one. */
function pushField(to: ByteBuffer, values: ByteBuffer, at: number): void {
  pushSeparator(to)
  pushValue(to, values, at)
}

function pushValue(to: ByteBuffer, values: ByteBuffer, at: number): void {
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

/** Copies bytes; a separator among them becomes a space. */
function copyField(to: ByteBuffer, bytes: Uint8Array, view: DataView, from: number, length: number): void {
  const at = to.length
  copyBytes(bytes, view, from, length, to)
  const copied = to.bytes
  for (let i = at; i < to.length; i++) if (copied[i] === SEPARATOR) copied[i] = SPACE
}
