import { type ByteBuffer, copyBytes, createBytes, pushVarint, reserveBytes } from './column-buffers.ts'
import { quoteLongIntegers } from './json-integers.ts'
import { jsonWeight } from './json-weight.ts'
import { pushString, viewOf } from './text.ts'
import { MalformedError } from './wire.ts'

export type JsonOutcome =
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'too-large'; message: string }
  | { kind: 'malformed'; message: string }

/** The protobuf that a request in JSON stands for, unless its objects would take more than `maxObjectBytes`. */
export function readJson(json: Uint8Array, maxObjectBytes: number): JsonOutcome {
  try {
    if (jsonWeight(json) > maxObjectBytes) {
      return { kind: 'too-large', message: 'the JSON of the request takes too much memory' }
    }
    const text = Buffer.from(json.buffer, json.byteOffset, json.length).toString()
    return { kind: 'bytes', bytes: protobufOf(text) }
  } catch (error) {
    if (error instanceof MalformedError) return { kind: 'malformed', message: error.message }
    throw error
  }
}

/**
 * OTLP/JSON to the protobuf it stands for, so that one decoder gives every request its meaning. Names in camel case
 * (or as in the .proto), ids in hex, 64-bit integers as text or numbers, enums by number or name; what is not known is
 * passed over. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 *
 * @throws MalformedError
 */
export function protobufOf(text: string): Uint8Array {
  let request: unknown
  try {
    request = JSON.parse(quoteLongIntegers(text))
  } catch (error) {
    throw new MalformedError(error instanceof Error ? error.message : 'no JSON', { cause: error })
  }
  const out = createBytes(Math.max(1024, text.length))
  writeFields(out, REQUEST, objectOf(request, 'the request'), 0)
  return out.bytes.subarray(0, out.length)
}

type JsonObject = Record<string, unknown>
type Write = (out: ByteBuffer, tag: number, value: unknown, depth: number) => void
/** Field names as in the .proto, with tag and writer. */
type Message = { name: string; camelName: string; tag: number; write: Write; isList: boolean }[]

function message(fields: Record<string, [tag: number, write: Write, list?: 'list']>): Message {
  return Object.entries(fields).map(([name, [tag, write, list]]) => ({
    name,
    camelName: name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    tag,
    write,
    isList: list === 'list',
  }))
}

const ANY_VALUE = message({
  string_value: [0x0a, text],
  bool_value: [0x10, bool],
  int_value: [0x18, intValue],
  double_value: [0x21, double],
  array_value: [0x2a, nested(() => ARRAY_VALUE)],
  kvlist_value: [0x32, nested(() => KEY_VALUE_LIST)],
  bytes_value: [0x3a, base64],
})
const KEY_VALUE = message({ key: [0x0a, text], value: [0x12, nested(() => ANY_VALUE)] })
const ARRAY_VALUE = message({ values: [0x0a, nested(() => ANY_VALUE), 'list'] })
const KEY_VALUE_LIST = message({ values: [0x0a, nested(() => KEY_VALUE), 'list'] })
const attributes = nested(() => KEY_VALUE)

const KINDS = 'UNSPECIFIED INTERNAL SERVER CLIENT PRODUCER CONSUMER'.split(' ')
const STATUSES = 'UNSET OK ERROR'.split(' ')

const STATUS = message({
  message: [0x12, text],
  code: [0x18, enumeration('STATUS_CODE_', STATUSES)],
})
const EVENT = message({
  time_unix_nano: [0x09, fixed64],
  name: [0x12, text],
  attributes: [0x1a, attributes, 'list'],
})
const LINK = message({
  trace_id: [0x0a, hex],
  span_id: [0x12, hex],
  trace_state: [0x1a, text],
  attributes: [0x22, attributes, 'list'],
})
const SPAN = message({
  trace_id: [0x0a, hex],
  span_id: [0x12, hex],
  trace_state: [0x1a, text],
  parent_span_id: [0x22, hex],
  name: [0x2a, text],
  kind: [0x30, enumeration('SPAN_KIND_', KINDS)],
  start_time_unix_nano: [0x39, fixed64],
  end_time_unix_nano: [0x41, fixed64],
  attributes: [0x4a, attributes, 'list'],
  events: [0x5a, nested(() => EVENT), 'list'],
  links: [0x6a, nested(() => LINK), 'list'],
  status: [0x7a, nested(() => STATUS)],
})
const SCOPE = message({ name: [0x0a, text], version: [0x12, text] })
const SCOPE_SPANS = message({
  scope: [0x0a, nested(() => SCOPE)],
  spans: [0x12, nested(() => SPAN), 'list'],
})
const RESOURCE = message({ attributes: [0x0a, attributes, 'list'] })
const RESOURCE_SPANS = message({
  resource: [0x0a, nested(() => RESOURCE)],
  scope_spans: [0x12, nested(() => SCOPE_SPANS), 'list'],
})
const REQUEST = message({ resource_spans: [0x0a, nested(() => RESOURCE_SPANS), 'list'] })

/** The decoder refuses values nested half as deep; this only keeps the stack from overflowing before. */
const MAX_DEPTH = 200

function writeFields(out: ByteBuffer, fields: Message, object: JsonObject, depth: number): void {
  for (const { name, camelName, tag, write, isList } of fields) {
    const value = object[camelName] ?? object[name]
    if (value === undefined || value === null) continue
    if (!isList) write(out, tag, value, depth)
    else if (Array.isArray(value)) for (const item of value) write(out, tag, item, depth)
    else throw new MalformedError(`${camelName} is no list`)
  }
}

function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedError(`${what} is no object`)
  }
  return value as JsonObject
}

/** A message within a message. Its length is known at its end; five bytes are kept for it. */
function nested(fields: () => Message): Write {
  return (out, tag, value, depth) => {
    if (depth > MAX_DEPTH) throw new MalformedError('nested too deeply')
    pushVarint(out, tag)
    reserveBytes(out, 5)
    const at = out.length
    out.length += 5
    writeFields(out, fields(), objectOf(value, 'a message'), depth + 1)
    let length = out.length - at - 5
    for (let i = 0; i < 5; i++) {
      out.bytes[at + i] = (length & 0x7f) | (i < 4 ? 0x80 : 0)
      length >>>= 7
    }
  }
}

function text(out: ByteBuffer, tag: number, value: unknown): void {
  if (typeof value !== 'string') throw new MalformedError('a text is no string')
  pushVarint(out, tag)
  pushString(out, value)
}

function bytes(out: ByteBuffer, tag: number, value: Buffer): void {
  pushVarint(out, tag)
  pushVarint(out, value.length)
  copyBytes(value, viewOf(value), 0, value.length, out)
}

/** What is no hex is an id without bytes, which the decoder rejects with its span. */
function hex(out: ByteBuffer, tag: number, value: unknown): void {
  if (typeof value !== 'string') throw new MalformedError('an id is no string')
  bytes(out, tag, Buffer.from(/^(?:[0-9a-f]{2})*$/i.test(value) ? value : '', 'hex'))
  if (value !== '' && !/^(?:[0-9a-f]{2})*$/i.test(value)) {
    // One byte: wrong for every id, also where none at all is allowed.
    bytes(out, tag, Buffer.alloc(1))
  }
}

function base64(out: ByteBuffer, tag: number, value: unknown): void {
  if (typeof value !== 'string') throw new MalformedError('bytes are no string')
  bytes(out, tag, Buffer.from(value, 'base64'))
}

function bool(out: ByteBuffer, tag: number, value: unknown): void {
  if (typeof value !== 'boolean') throw new MalformedError('a boolean is none')
  pushVarint(out, tag)
  pushVarint(out, value ? 1 : 0)
}

/** A double has 309 digits at most; a bigint of millions takes minutes to read. */
const INTEGER = /^-?\d{1,309}$/

function integerOf(value: unknown): bigint {
  if (
    typeof value === 'number' ? Number.isInteger(value) : typeof value === 'string' && INTEGER.test(value)
  ) {
    return BigInt(value as string | number)
  }
  throw new MalformedError('an integer is none')
}

function int64(out: ByteBuffer, tag: number, value: unknown): void {
  let bits = integerOf(value)
  if (BigInt.asIntN(64, bits) !== bits) throw new MalformedError('an integer is beyond 64 bits')
  bits = BigInt.asUintN(64, bits)
  pushVarint(out, tag)
  for (; bits >= 0x80n; bits >>= 7n) pushVarintByte(out, Number(bits & 0x7fn) | 0x80)
  pushVarintByte(out, Number(bits))
}

/** JavaScript's exporter calls every whole number an int; one beyond 64 bits is a double. */
function intValue(out: ByteBuffer, tag: number, value: unknown): void {
  const integer = integerOf(value)
  if (BigInt.asIntN(64, integer) === integer) int64(out, tag, value)
  else double(out, 0x21, Number(integer))
}

function pushVarintByte(out: ByteBuffer, byte: number): void {
  reserveBytes(out, 1)
  out.bytes[out.length++] = byte
}

function fixed64(out: ByteBuffer, tag: number, value: unknown): void {
  const integer = integerOf(value)
  if (BigInt.asUintN(64, integer) !== integer) throw new MalformedError('a time is beyond 64 bits')
  pushVarint(out, tag)
  reserveBytes(out, 8)
  out.view.setBigUint64(out.length, integer, true)
  out.length += 8
}

function double(out: ByteBuffer, tag: number, value: unknown): void {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
  const number = isNumber ? Number(value) : Number.NaN
  if (Number.isNaN(number) && value !== 'NaN') throw new MalformedError('a double is none')
  pushVarint(out, tag)
  reserveBytes(out, 8)
  out.view.setFloat64(out.length, number, true)
  out.length += 8
}

function enumeration(prefix: string, names: readonly string[]): Write {
  return (out, tag, value) => {
    const named = typeof value === 'string' ? names.indexOf(value.replace(prefix, '')) : -1
    int64(out, tag, named >= 0 ? named : value)
  }
}
