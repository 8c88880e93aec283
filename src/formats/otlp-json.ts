import { samplingWeight } from '../trace/sampling.ts'
import type { AttributeMap } from '../trace/shape.ts'
import { kindCode, kindCodeOfOtlp, SPAN_KINDS, STATUS_ERROR, STATUS_OK, STATUS_UNSET } from '../trace/span.ts'
import { DEEPEST_VALUE, type FileSpan, type Scope, type SpanRest } from './file-span.ts'
import { normalizeId, SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './ids.ts'
import { isUnsafe, nanoseconds } from './numbers.ts'
import { FormatError } from './problem.ts'

/** OTLP JSON as JSON.parse gives it; nothing about it is certain. */
type Json = Readonly<Record<string, unknown>>

/** A span of OTLP JSON. @throws FormatError that says what was expected. */
export function otlpSpan(json: unknown, withRest: boolean): FileSpan {
  if (!isObject(json)) throw new FormatError('expected a span')
  const traceId = normalizeId(json.traceId, TRACE_ID_DIGITS)
  const spanId = normalizeId(json.spanId, SPAN_ID_DIGITS)
  if (traceId === '') throw new FormatError('expected a traceId that is not zero')
  if (spanId === '') throw new FormatError('expected a spanId that is not zero')
  const attributes = otlpAttributes(json.attributes)
  return {
    traceId,
    spanId,
    parentSpanId: normalizeId(json.parentSpanId, SPAN_ID_DIGITS),
    name: text(json.name),
    kind: SPAN_KINDS[typeof json.kind === 'number' ? kindCodeOfOtlp(json.kind) : kindCode(text(json.kind))]!,
    startNs: nanoseconds(json.startTimeUnixNano, 'startTimeUnixNano'),
    endNs: nanoseconds(json.endTimeUnixNano, 'endTimeUnixNano'),
    status: statusCode(isObject(json.status) ? json.status.code : undefined),
    attributes,
    weight: samplingWeight(text(json.traceState), attributes),
    ...(withRest ? { rest: restOf(json) } : {}),
  }
}

/** Whether numbers of this span are written as JSON numbers too long for a double. */
export function hasUnsafeNumbers(json: unknown): boolean {
  if (!isObject(json)) return false
  if (isUnsafe(json.startTimeUnixNano) || isUnsafe(json.endTimeUnixNano)) return true
  return list(json.attributes).some((pair) => isObject(pair.value) && isUnsafe(pair.value.intValue))
}

export function otlpResource(json: unknown): AttributeMap {
  return isObject(json) ? otlpAttributes(json.attributes) : {}
}

export function otlpScope(json: unknown): Scope {
  return isObject(json) ? { name: text(json.name), version: text(json.version) } : { name: '', version: '' }
}

/** `[{key, value: {stringValue}}]` as a map of plain values. Integers a double cannot hold stay decimal strings. */
export function otlpAttributes(json: unknown, depth = 0): AttributeMap {
  const attributes: Record<string, unknown> = {}
  for (const pair of list(json)) {
    if (typeof pair.key === 'string') attributes[pair.key] = anyValue(pair.value, depth)
  }
  return attributes
}

function anyValue(json: unknown, depth: number): unknown {
  if (!isObject(json) || depth > DEEPEST_VALUE) return null
  if (json.stringValue !== undefined) return json.stringValue
  if (json.intValue !== undefined) {
    const value = Number(json.intValue)
    return Number.isSafeInteger(value) ? value : String(json.intValue)
  }
  if (json.boolValue !== undefined) return json.boolValue
  if (json.doubleValue !== undefined) return json.doubleValue
  if (json.bytesValue !== undefined) return json.bytesValue
  if (isObject(json.arrayValue))
    return list(json.arrayValue.values).map((value) => anyValue(value, depth + 1))
  if (isObject(json.kvlistValue)) return otlpAttributes(json.kvlistValue.values, depth + 1)
  return null
}

function statusCode(code: unknown): number {
  if (code === STATUS_ERROR || code === 'STATUS_CODE_ERROR') return STATUS_ERROR
  return code === STATUS_OK || code === 'STATUS_CODE_OK' ? STATUS_OK : STATUS_UNSET
}

/** `OK`, `ERROR` or `STATUS_CODE_ERROR`: the tag `otel.status_code` that exporters to other formats write. */
export function statusFromTag(tag: unknown): number {
  return statusCode(`STATUS_CODE_${text(tag).toUpperCase().replace('STATUS_CODE_', '')}`)
}

/** The service name in another format; '' if there is none, or what exporters write in its place. */
export function serviceName(name: unknown): string {
  return name === 'OTLPResourceNoServiceName' ? '' : text(name)
}

function restOf(json: Json): SpanRest {
  return {
    statusMessage: isObject(json.status) ? text(json.status.message) : '',
    traceState: text(json.traceState),
    flags: typeof json.flags === 'number' ? json.flags : 0,
    events: list(json.events).map((event) => ({
      timeNs: nanoseconds(event.timeUnixNano, 'timeUnixNano'),
      name: text(event.name),
      attributes: otlpAttributes(event.attributes),
    })),
    links: list(json.links).map((link) => ({
      traceId: normalizeId(link.traceId, TRACE_ID_DIGITS),
      spanId: normalizeId(link.spanId, SPAN_ID_DIGITS),
      traceState: text(link.traceState),
      attributes: otlpAttributes(link.attributes),
    })),
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The objects of an array; [] for what is none. */
export function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
