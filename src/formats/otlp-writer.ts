import type { AttributeMap } from '../trace/shape.ts'
import type { SpanKind } from '../trace/span.ts'
import type { FileSpan, Resource, Scope } from './file-span.ts'

/** A span on its way out, with where it comes from. */
export type OutgoingSpan = { span: FileSpan; resource: Resource; scope: Scope }

const KIND_NUMBERS: Readonly<Record<SpanKind, number>> = {
  INTERNAL: 1,
  SERVER: 2,
  CLIENT: 3,
  PRODUCER: 4,
  CONSUMER: 5,
}

/** An OTLP/HTTP JSON request of the spans, by resource and scope; all times moved by `shiftNs`. */
export function otlpRequest(spans: readonly OutgoingSpan[], shiftNs = 0n): string {
  const resources = new Map<Resource, Map<Scope, object[]>>()
  for (const { span, resource, scope } of spans) {
    const scopes = getOrSet(resources, resource, () => new Map<Scope, object[]>())
    getOrSet(scopes, scope, () => []).push(spanJson(span, shiftNs))
  }
  return JSON.stringify({
    resourceSpans: [...resources].map(([resource, scopes]) => ({
      resource: { attributes: keyValues(resource.attributes ?? {}) },
      scopeSpans: [...scopes].map(([scope, own]) => ({ scope, spans: own })),
    })),
  })
}

function getOrSet<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = create()
    map.set(key, value)
  }
  return value
}

function spanJson(span: FileSpan, shiftNs: bigint): object {
  const { rest } = span
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: KIND_NUMBERS[span.kind],
    startTimeUnixNano: moved(span.startNs, shiftNs),
    endTimeUnixNano: moved(span.endNs, shiftNs),
    attributes: keyValues(span.attributes),
    status: { code: span.status, message: rest?.statusMessage ?? '' },
    traceState: rest?.traceState ?? '',
    flags: rest?.flags ?? 0,
    events: (rest?.events ?? []).map((event) => ({
      timeUnixNano: moved(event.timeNs, shiftNs),
      name: event.name,
      attributes: keyValues(event.attributes),
    })),
    links: (rest?.links ?? []).map((link) => ({ ...link, attributes: keyValues(link.attributes) })),
  }
}

/** A time that is not known stays so. */
function moved(ns: bigint, shiftNs: bigint): string {
  return String(ns === 0n ? ns : ns + shiftNs)
}

function keyValues(attributes: AttributeMap): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } }
  if (typeof value === 'object' && value !== null) return { kvlistValue: { values: keyValues({ ...value }) } }
  return {}
}
