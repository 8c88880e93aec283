import { samplingWeight } from '../trace/sampling.ts'
import type { AttributeMap } from '../trace/shape.ts'
import { kindCode, SPAN_KINDS, STATUS_ERROR, STATUS_OK, STATUS_UNSET } from '../trace/span.ts'
import type { FileSpan, SpanRest } from './file-span.ts'
import { normalizeId, SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './ids.ts'
import { microseconds } from './numbers.ts'
import { isObject, list, text } from './otlp-json.ts'
import { FormatError } from './problem.ts'

type Json = Readonly<Record<string, unknown>>

export function isZipkinSpan(json: Json): boolean {
  return typeof json.traceId === 'string' && typeof json.id === 'string'
}

/**
 * A span of Zipkin's v2 JSON: microseconds, either of which may be missing. The `shared` SERVER half of a call has the
 * id of its CLIENT half, which assembly takes apart. @throws FormatError that says what was expected.
 */
export function zipkinSpan(json: Json, withRest: boolean): FileSpan {
  const traceId = normalizeId(json.traceId, TRACE_ID_DIGITS)
  const spanId = normalizeId(json.id, SPAN_ID_DIGITS)
  if (traceId === '') throw new FormatError('expected a traceId that is not zero')
  if (spanId === '') throw new FormatError('expected an id that is not zero')
  if (Array.isArray(json.binaryAnnotations))
    throw new FormatError('expected a Zipkin v2 span, found a v1 span')
  const startNs = microseconds(json.timestamp, 'timestamp') ?? 0n
  if (startNs < 0n) throw new FormatError('expected a timestamp after 1970')
  const durationNs = microseconds(json.duration, 'duration') ?? 0n
  const attributes: Record<string, unknown> = { ...(isObject(json.tags) ? json.tags : {}) }
  const peer = isObject(json.remoteEndpoint) ? text(json.remoteEndpoint.serviceName) : ''
  if (peer !== '') attributes['peer.service'] ??= peer
  return {
    traceId,
    spanId,
    parentSpanId: normalizeId(json.parentId, SPAN_ID_DIGITS),
    name: text(json.name),
    kind: SPAN_KINDS[kindCode(text(json.kind))]!,
    startNs,
    // Without a start, a duration says nothing about when.
    endNs: startNs === 0n || startNs + durationNs < 0n ? 0n : startNs + durationNs,
    status: statusOf(attributes),
    attributes,
    weight: samplingWeight('', attributes),
    ...(withRest ? { rest: restOf(json, attributes) } : {}),
  }
}

export function zipkinResource(json: Json): AttributeMap {
  const service = isObject(json.localEndpoint) ? text(json.localEndpoint.serviceName) : ''
  return service === '' ? {} : { 'service.name': service }
}

/** Zipkin marks an error by the mere presence of the tag `error`; OpenTelemetry's exporter also names the code. */
function statusOf(tags: AttributeMap): number {
  const code = text(tags['otel.status_code']).toUpperCase()
  if (code === 'ERROR' || (tags.error !== undefined && tags.error !== 'false')) return STATUS_ERROR
  return code === 'OK' ? STATUS_OK : STATUS_UNSET
}

function restOf(json: Json, tags: AttributeMap): SpanRest {
  return {
    statusMessage: text(tags.error),
    traceState: '',
    flags: 0,
    events: list(json.annotations).map((annotation) => ({
      timeNs: microseconds(annotation.timestamp, 'annotations.timestamp') ?? 0n,
      name: text(annotation.value),
      attributes: {},
    })),
    links: [],
  }
}
