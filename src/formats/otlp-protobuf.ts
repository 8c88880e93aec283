import { samplingWeight } from '../trace/sampling.ts'
import type { AttributeMap } from '../trace/shape.ts'
import { kindCodeOfOtlp, SPAN_KINDS, STATUS_UNSET } from '../trace/span.ts'
import {
  DEEPEST_VALUE,
  type FileSpan,
  NO_SCOPE,
  type Resource,
  type Scope,
  type SpanRest,
  type SpanSink,
} from './file-span.ts'
import { FormatError } from './problem.ts'
import type { ReadOptions } from './read.ts'
import {
  BYTES,
  eachField,
  FIXED32,
  FIXED64,
  readEnd,
  readFixed64,
  readInt64,
  readVarint,
  VARINT,
  type Wire,
} from './wire.ts'

/** Tag of a field, as on the wire. Field numbers are those of opentelemetry-proto's trace.proto, common.proto. */
const tagOf = (field: number, wireType: number): number => 8 * field + wireType

export const RESOURCE_SPANS = tagOf(1, BYTES)

/** Reads one ResourceSpans. @throws FormatError */
export function readResourceSpans(wire: Wire, end: number, sink: SpanSink, options: ReadOptions): void {
  const resource: Resource = { attributes: undefined }
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, BYTES)) resource.attributes = readResource(wire, readEnd(wire, end))
    else if (tag === tagOf(2, BYTES)) readScopeSpans(wire, readEnd(wire, end), resource, sink, options)
    else return false
    return true
  })
  sink.settle()
}

function readResource(wire: Wire, end: number): AttributeMap {
  const attributes: Record<string, unknown> = {}
  eachField(wire, end, (tag) => {
    if (tag !== tagOf(1, BYTES)) return false
    readKeyValue(wire, readEnd(wire, end), attributes, 0)
    return true
  })
  return attributes
}

function readScopeSpans(
  wire: Wire,
  end: number,
  resource: Resource,
  sink: SpanSink,
  options: ReadOptions,
): void {
  let scope = NO_SCOPE
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, BYTES)) scope = readScope(wire, readEnd(wire, end))
    else if (tag === tagOf(2, BYTES)) {
      const at = wire.base + wire.at
      const span = readSpan(wire, readEnd(wire, end), options.withRest ?? false)
      const missing = span.traceId === '' ? 'trace_id' : span.spanId === '' ? 'span_id' : undefined
      if (missing === undefined) sink.add(span, resource, scope)
      else {
        const problem = `expected a ${missing} of ${missing === 'span_id' ? 8 : 16} bytes that is not zero; the span is left out`
        options.onProblem(new FormatError(problem, { byte: at }))
      }
    } else return false
    return true
  })
}

function readScope(wire: Wire, end: number): Scope {
  let name = ''
  let version = ''
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, BYTES)) name = readText(wire, end)
    else if (tag === tagOf(2, BYTES)) version = readText(wire, end)
    else return false
    return true
  })
  return { name, version }
}

function readSpan(wire: Wire, end: number, withRest: boolean): FileSpan {
  const attributes: Record<string, unknown> = {}
  const rest: SpanRest = { statusMessage: '', traceState: '', flags: 0, events: [], links: [] }
  const span: FileSpan = {
    traceId: '',
    spanId: '',
    parentSpanId: '',
    name: '',
    kind: 'INTERNAL',
    startNs: 0n,
    endNs: 0n,
    status: STATUS_UNSET,
    attributes,
    weight: 0,
    ...(withRest ? { rest } : {}),
  }
  eachField(wire, end, (tag) => {
    switch (tag) {
      case tagOf(1, BYTES):
        span.traceId = readId(wire, end, 16)
        return true
      case tagOf(2, BYTES):
        span.spanId = readId(wire, end, 8)
        return true
      case tagOf(3, BYTES):
        rest.traceState = readText(wire, end)
        return true
      case tagOf(4, BYTES):
        span.parentSpanId = readId(wire, end, 8)
        return true
      case tagOf(5, BYTES):
        span.name = readText(wire, end)
        return true
      case tagOf(6, VARINT):
        span.kind = SPAN_KINDS[kindCodeOfOtlp(readVarint(wire, end))]!
        return true
      case tagOf(7, FIXED64):
        span.startNs = readFixed64(wire, end)
        return true
      case tagOf(8, FIXED64):
        span.endNs = readFixed64(wire, end)
        return true
      case tagOf(9, BYTES):
        readKeyValue(wire, readEnd(wire, end), attributes, 0)
        return true
      case tagOf(15, BYTES):
        readStatus(wire, readEnd(wire, end), span, rest)
        return true
    }
    return withRest && readRest(wire, tag, end, rest)
  })
  span.weight = samplingWeight(rest.traceState, attributes)
  return span
}

function readStatus(wire: Wire, end: number, span: FileSpan, rest: SpanRest): void {
  eachField(wire, end, (tag) => {
    if (tag === tagOf(2, BYTES)) rest.statusMessage = readText(wire, end)
    else if (tag === tagOf(3, VARINT)) span.status = Math.min(readVarint(wire, end), 255)
    else return false
    return true
  })
}

function readRest(wire: Wire, tag: number, end: number, rest: SpanRest): boolean {
  if (tag === tagOf(16, FIXED32)) {
    rest.flags = wire.bytes.readUInt32LE(wire.at)
    wire.at += 4
  } else if (tag === tagOf(11, BYTES)) rest.events.push(readEvent(wire, readEnd(wire, end)))
  else if (tag === tagOf(13, BYTES)) rest.links.push(readLink(wire, readEnd(wire, end)))
  else return false
  return true
}

function readEvent(wire: Wire, end: number): SpanRest['events'][number] {
  const attributes: Record<string, unknown> = {}
  const event = { timeNs: 0n, name: '', attributes }
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, FIXED64)) event.timeNs = readFixed64(wire, end)
    else if (tag === tagOf(2, BYTES)) event.name = readText(wire, end)
    else if (tag === tagOf(3, BYTES)) readKeyValue(wire, readEnd(wire, end), attributes, 0)
    else return false
    return true
  })
  return event
}

function readLink(wire: Wire, end: number): SpanRest['links'][number] {
  const attributes: Record<string, unknown> = {}
  const link = { traceId: '', spanId: '', traceState: '', attributes }
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, BYTES)) link.traceId = readId(wire, end, 16)
    else if (tag === tagOf(2, BYTES)) link.spanId = readId(wire, end, 8)
    else if (tag === tagOf(3, BYTES)) link.traceState = readText(wire, end)
    else if (tag === tagOf(4, BYTES)) readKeyValue(wire, readEnd(wire, end), attributes, 0)
    else return false
    return true
  })
  return link
}

function readKeyValue(wire: Wire, end: number, into: Record<string, unknown>, depth: number): void {
  let key = ''
  let value: unknown = null
  eachField(wire, end, (tag) => {
    if (tag === tagOf(1, BYTES)) key = readText(wire, end)
    else if (tag === tagOf(2, BYTES)) value = readAnyValue(wire, readEnd(wire, end), depth)
    else return false
    return true
  })
  into[key] = value
}

function readAnyValue(wire: Wire, end: number, depth: number): unknown {
  let value: unknown = null
  if (depth > DEEPEST_VALUE) {
    wire.at = end
    return value
  }
  eachField(wire, end, (tag) => {
    switch (tag) {
      case tagOf(1, BYTES):
        value = readText(wire, end)
        return true
      case tagOf(2, VARINT):
        value = readVarint(wire, end) !== 0
        return true
      case tagOf(3, VARINT): {
        const integer = readInt64(wire, end)
        const number = Number(integer)
        value = Number.isSafeInteger(number) ? number : String(integer)
        return true
      }
      case tagOf(4, FIXED64):
        if (wire.at + 8 > end) return false
        value = wire.bytes.readDoubleLE(wire.at)
        wire.at += 8
        return true
      case tagOf(5, BYTES):
        value = readArray(wire, readEnd(wire, end), depth + 1)
        return true
      case tagOf(6, BYTES):
        value = readMap(wire, readEnd(wire, end), depth + 1)
        return true
      case tagOf(7, BYTES): {
        const to = readEnd(wire, end)
        value = wire.bytes.toString('base64', wire.at, to)
        wire.at = to
        return true
      }
    }
    return false
  })
  return value
}

function readArray(wire: Wire, end: number, depth: number): unknown[] {
  const values: unknown[] = []
  eachField(wire, end, (tag) => {
    if (tag !== tagOf(1, BYTES)) return false
    values.push(readAnyValue(wire, readEnd(wire, end), depth))
    return true
  })
  return values
}

function readMap(wire: Wire, end: number, depth: number): AttributeMap {
  const map: Record<string, unknown> = {}
  eachField(wire, end, (tag) => {
    if (tag !== tagOf(1, BYTES)) return false
    readKeyValue(wire, readEnd(wire, end), map, depth)
    return true
  })
  return map
}

function readText(wire: Wire, end: number): string {
  const to = readEnd(wire, end)
  const value = wire.bytes.toString('utf8', wire.at, to)
  wire.at = to
  return value
}

/** Lower-case hex; '' for an absent id, one of the wrong length, or zeros. */
function readId(wire: Wire, end: number, bytes: number): string {
  const to = readEnd(wire, end)
  const length = to - wire.at
  const hex = length === bytes ? wire.bytes.toString('hex', wire.at, to) : ''
  wire.at = to
  return /[^0]/.test(hex) ? hex : ''
}
