import { samplingWeight } from '../trace/sampling.ts'
import type { AttributeMap } from '../trace/shape.ts'
import { kindCode, SPAN_KINDS, STATUS_ERROR } from '../trace/span.ts'
import type { FileSpan, SpanRest } from './file-span.ts'
import { normalizeId, SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './ids.ts'
import { microseconds } from './numbers.ts'
import { isObject, list, serviceName, statusFromTag, text } from './otlp-json.ts'
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
  const attributes: Record<string, unknown> = {}
  for (const [key, value] of tagsOf(json)) if (!OF_RESOURCES.test(key)) attributes[key] = value
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

/** Attributes of resources, which OpenTelemetry's Zipkin exporters write as tags of every span: `service.namespace`. */
const OF_RESOURCES = /^(?:cloud|container|deployment|host|k8s|os|process|service|telemetry)\./

export function zipkinResource(json: Json): AttributeMap {
  const attributes: Record<string, unknown> = {}
  for (const [key, value] of tagsOf(json)) if (OF_RESOURCES.test(key)) attributes[key] = value
  const service = isObject(json.localEndpoint) ? serviceName(json.localEndpoint.serviceName) : ''
  if (service !== '') attributes['service.name'] = service
  return attributes
}

function tagsOf(json: Json): [key: string, value: unknown][] {
  return isObject(json.tags) ? Object.entries(json.tags) : []
}

/** Zipkin marks an error by the mere presence of the tag `error`; OpenTelemetry's exporter also names the code. */
function statusOf(tags: AttributeMap): number {
  return tags.error !== undefined && tags.error !== 'false'
    ? STATUS_ERROR
    : statusFromTag(tags['otel.status_code'])
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
