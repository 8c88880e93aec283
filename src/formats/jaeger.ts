import { samplingWeight } from '../trace/sampling.ts'
import type { AttributeMap } from '../trace/shape.ts'
import { kindCode, SPAN_KINDS, STATUS_ERROR } from '../trace/span.ts'
import type { FileSpan, SpanRest } from './file-span.ts'
import { normalizeId, SPAN_ID_DIGITS, TRACE_ID_DIGITS } from './ids.ts'
import { isUnsafe, microseconds } from './numbers.ts'
import { isObject, list, serviceName, statusFromTag, text } from './otlp-json.ts'
import { FormatError } from './problem.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * A span of Jaeger's JSON (what its UI and query API give): microseconds, ids of 1 to 32 digits, kind and error as
 * tags. @throws FormatError that says what was expected.
 */
export function jaegerSpan(json: unknown, withRest: boolean): FileSpan {
  if (!isObject(json)) throw new FormatError('expected a Jaeger span')
  const traceId = normalizeId(json.traceID, TRACE_ID_DIGITS)
  const spanId = normalizeId(json.spanID, SPAN_ID_DIGITS)
  if (traceId === '') throw new FormatError('expected a traceID that is not zero')
  if (spanId === '') throw new FormatError('expected a spanID that is not zero')
  const attributes = jaegerTags(json.tags)
  const startNs = microseconds(json.startTime, 'startTime') ?? 0n
  if (startNs < 0n) throw new FormatError('expected a startTime after 1970')
  const durationNs = microseconds(json.duration, 'duration') ?? 0n
  const span: FileSpan = {
    traceId,
    spanId,
    parentSpanId: parentOf(json, traceId),
    name: text(json.operationName),
    kind: SPAN_KINDS[kindCode(text(attributes['span.kind']))]!,
    startNs,
    endNs: startNs === 0n || startNs + durationNs < 0n ? 0n : startNs + durationNs,
    status: statusOf(attributes),
    attributes,
    weight: samplingWeight(text(attributes['w3c.tracestate']), attributes),
  }
  return withRest ? { ...span, rest: restOf(json, attributes, traceId, span.parentSpanId) } : span
}

/** Key of the span's process in its trace's `processes`; undefined: the process is in the span, or there is none. */
export function processKey(json: unknown): string | undefined {
  return isObject(json) && typeof json.processID === 'string' ? json.processID : undefined
}

/** `{serviceName, tags}` as resource attributes. Jaeger's own clients call the host `hostname`. */
export function jaegerProcess(json: unknown): AttributeMap {
  if (!isObject(json)) return {}
  const attributes: Record<string, unknown> = { ...jaegerTags(json.tags) }
  const host = attributes['host.name'] ?? attributes.hostname
  if (host !== undefined) attributes['host.name'] = host
  const service = serviceName(json.serviceName)
  if (service !== '') attributes['service.name'] = service
  return attributes
}

/** Whether integer tags are written as JSON numbers too long for a double. */
export function hasUnsafeTags(json: unknown): boolean {
  return isObject(json) && list(json.tags).some((tag) => isUnsafe(tag.value))
}

function jaegerTags(json: unknown): AttributeMap {
  const attributes: Record<string, unknown> = {}
  for (const tag of list(json)) if (typeof tag.key === 'string') attributes[tag.key] = tag.value
  return attributes
}

/** The first CHILD_OF of the same trace, else the first FOLLOWS_FROM, else the older `parentSpanID`. */
function parentOf(json: Json, traceId: string): string {
  const own = references(json).filter((reference) => reference.traceId === traceId)
  const parent =
    own.find(({ type }) => type === 'CHILD_OF') ?? own.find(({ type }) => type === 'FOLLOWS_FROM')
  return parent?.spanId ?? normalizeId(json.parentSpanID, SPAN_ID_DIGITS)
}

function references(json: Json): { type: string; traceId: string; spanId: string }[] {
  return list(json.references).map((reference) => ({
    type: text(reference.refType),
    traceId: normalizeId(reference.traceID, TRACE_ID_DIGITS),
    spanId: normalizeId(reference.spanID, SPAN_ID_DIGITS),
  }))
}

/** `otel.status_code` is what OpenTelemetry's exporters write, `error` what everybody else does. */
function statusOf(tags: AttributeMap): number {
  return tags.error === true || tags.error === 'true' ? STATUS_ERROR : statusFromTag(tags['otel.status_code'])
}

function restOf(json: Json, tags: AttributeMap, traceId: string, parentSpanId: string): SpanRest {
  return {
    statusMessage: text(tags['otel.status_description']),
    traceState: text(tags['w3c.tracestate']),
    flags: typeof json.flags === 'number' ? json.flags & 0xff : 0,
    events: list(json.logs).map((log) => {
      const { event, ...attributes } = jaegerTags(log.fields)
      return {
        timeNs: microseconds(log.timestamp, 'logs.timestamp') ?? 0n,
        name: typeof event === 'string' ? event : 'log',
        attributes,
      }
    }),
    links: references(json)
      .filter((to) => to.spanId !== '' && !(to.traceId === traceId && to.spanId === parentSpanId))
      .map((to) => ({ traceId: to.traceId, spanId: to.spanId, traceState: '', attributes: {} })),
  }
}
