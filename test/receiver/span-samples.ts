import { SpanKind, type SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import fc from 'fast-check'
import { detailKeyFrom, figuresFrom } from '../../src/trace/detail.ts'
import { samplingWeight } from '../../src/trace/sampling.ts'
import { SHAPE_SEPARATOR, shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import type { NativeRow } from './native-reader.ts'

/** A span as a test thinks of it; `readableOf` is what the SDK makes of it, `rowOf` what must be stored. */
export type SampleSpan = {
  traceId: string
  spanId: string
  parentSpanId: string
  traceState: string
  name: string
  kind: SpanKind
  startNs: bigint
  endNs: bigint
  attributes: Record<string, SampleValue>
  events: { name: string; timeNs: bigint; attributes: Record<string, SampleValue> }[]
  links: { traceId: string; spanId: string; attributes: Record<string, SampleValue> }[]
  statusCode: SpanStatusCode
  statusMessage: string
  resource: Record<string, SampleValue>
  scope: { name: string; version: string }
}

export type SampleValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | SampleValue[]
  | { [key: string]: SampleValue }

export const NOW_NS = BigInt(Date.now()) * 1_000_000n

export function sampleSpan(overrides: Partial<SampleSpan> = {}): SampleSpan {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    parentSpanId: '',
    traceState: '',
    name: 'GET /users',
    kind: SpanKind.SERVER,
    startNs: NOW_NS,
    endNs: NOW_NS + 5_000_000n,
    attributes: { 'http.request.method': 'GET' },
    events: [],
    links: [],
    statusCode: 0,
    statusMessage: '',
    resource: { 'service.name': 'users' },
    scope: { name: 'lib', version: '1.0.0' },
    ...overrides,
  }
}

/** `count` spans of one trace after the other, ids from `seed` on. */
export function sampleSpans(count: number, seed = 1): SampleSpan[] {
  return Array.from({ length: count }, (_, i) =>
    sampleSpan({ spanId: (seed + i).toString(16).padStart(16, '0'), name: `op ${i % 7}` }),
  )
}

/** The SDK groups by the resource's and scope's identity. */
export function readableOf(spans: readonly SampleSpan[]): ReadableSpan[] {
  const resources = new Map<string, ReadableSpan['resource']>()
  const scopes = new Map<string, SampleSpan['scope']>()
  return spans.map((span) => {
    const resourceKey = JSON.stringify(span.resource)
    const scopeKey = JSON.stringify(span.scope)
    if (!resources.has(resourceKey)) {
      resources.set(resourceKey, { attributes: span.resource } as unknown as ReadableSpan['resource'])
    }
    if (!scopes.has(scopeKey)) scopes.set(scopeKey, span.scope)
    const context = (traceId: string, spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED })
    return {
      name: span.name,
      kind: span.kind,
      spanContext: () => ({
        ...context(span.traceId, span.spanId),
        ...(span.traceState === '' ? {} : { traceState: { serialize: () => span.traceState } }),
      }),
      ...(span.parentSpanId === '' ? {} : { parentSpanContext: context(span.traceId, span.parentSpanId) }),
      startTime: hrTime(span.startNs),
      endTime: hrTime(span.endNs),
      status: { code: span.statusCode, message: span.statusMessage },
      attributes: span.attributes,
      links: span.links.map((l) => ({ context: context(l.traceId, l.spanId), attributes: l.attributes })),
      events: span.events.map((e) => ({ name: e.name, time: hrTime(e.timeNs), attributes: e.attributes })),
      duration: [0, 0],
      ended: true,
      resource: resources.get(resourceKey),
      instrumentationScope: scopes.get(scopeKey),
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    } as unknown as ReadableSpan
  })
}

function hrTime(ns: bigint): [number, number] {
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)]
}

/** What the store must be given for it. */
export function rowOf(span: SampleSpan): NativeRow {
  return { ...traceRowOf(span), ...leanRowOf(span) }
}

/** For `spans_lean`: by the rules that files go by. None of the samples has a query or a URL. */
function leanRowOf(span: SampleSpan): NativeRow {
  const attributes = Object.fromEntries(mapOf(span.attributes))
  const resource = Object.fromEntries(mapOf(span.resource))
  const kind = ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'][span.kind]!
  const detail = detailKeyFrom(kind, attributes)
  const { bodyBytes, returnedRows, valueHash } = figuresFrom(attributes)
  return {
    TraceHigh: BigInt(`0x${span.traceId.slice(0, 16)}`),
    TraceLow: BigInt(`0x${span.traceId.slice(16)}`),
    SpanNumber: BigInt(`0x${span.spanId}`),
    ParentNumber: BigInt(`0x0${span.parentSpanId}`),
    Shape: shapeKeyOf(shapeFieldsFrom(kind, span.name, resource, attributes)),
    Weight: samplingWeight(span.traceState, attributes),
    Detail: detail.replaceAll(SHAPE_SEPARATOR, '') === '' ? '' : detail,
    BodyBytes: bodyBytes,
    ReturnedRows: returnedRows,
    ValueHash: valueHash,
  }
}

/** For `otel_traces`. */
export function traceRowOf(span: SampleSpan): NativeRow {
  const isBackwards = span.endNs < span.startNs
  return {
    Timestamp: span.startNs,
    TraceId: span.traceId,
    SpanId: span.spanId,
    ParentSpanId: span.parentSpanId,
    TraceState: span.traceState,
    SpanName: span.name,
    SpanKind: ['Internal', 'Server', 'Client', 'Producer', 'Consumer'][span.kind],
    ServiceName: textOf(span.resource['service.name'] ?? ''),
    ResourceAttributes: mapOf(span.resource),
    ScopeName: span.scope.name,
    ScopeVersion: span.scope.version,
    SpanAttributes: mapOf(span.attributes),
    Duration: isBackwards ? 0n : span.endNs - span.startNs,
    StatusCode: ['Unset', 'Ok', 'Error'][span.statusCode],
    StatusMessage: span.statusMessage,
    'Events.Timestamp': span.events.map((e) => e.timeNs),
    'Events.Name': span.events.map((e) => e.name),
    'Events.Attributes': span.events.map((e) => mapOf(e.attributes)),
    'Links.TraceId': span.links.map((l) => l.traceId),
    'Links.SpanId': span.links.map((l) => l.spanId),
    'Links.TraceState': span.links.map(() => ''),
    'Links.Attributes': span.links.map((l) => mapOf(l.attributes)),
    Flags: 0,
    EndBeforeStartNs: isBackwards ? span.startNs - span.endNs : 0n,
  }
}

function mapOf(attributes: Record<string, SampleValue>): [string, string][] {
  return Object.entries(attributes).map(([key, value]) => [key, textOf(value)])
}

function textOf(value: SampleValue): string {
  if (value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number') return Object.is(value, -0) ? '0' : String(value)
  if (typeof value === 'boolean') return String(value)
  return value instanceof Uint8Array ? base64Of(value) : JSON.stringify(plainOf(value))
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function plainOf(value: SampleValue): unknown {
  if (value instanceof Uint8Array) return base64Of(value)
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  // Integer-like keys would come first in an object whatever the order: the arbitrary has none.
  return Object.fromEntries(sorted.map(([key, inner]) => [key, plainOf(inner)]))
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const longText = fc.string({ unit: 'grapheme', minLength: 90, maxLength: 300 })
const key = fc.string({ unit: 'grapheme', maxLength: 20 }).map((k) => `k${k}`)
const value: fc.Arbitrary<SampleValue> = fc.letrec<{ value: SampleValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    text,
    longText,
    fc.maxSafeInteger(),
    // The SDK sends whole numbers as int64, whether or not they are exact or fit.
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((v) => !Number.isInteger(v) || Number.isSafeInteger(v)),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value
const attributes = fc.dictionary(key, value, { maxKeys: 8, noNullPrototype: true })
const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .filter((id) => id.some((byte) => byte !== 0))
    .map((id) => Buffer.from(id).toString('hex'))
const hour = 3_600_000_000_000n
const near = fc.bigInt({ min: NOW_NS - hour, max: NOW_NS + hour })

export const anySpan: fc.Arbitrary<SampleSpan> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  parentSpanId: fc.oneof(fc.constant(''), hex(8)),
  traceState: fc.constantFrom('', 'a=1', 'vendor=x,other=y'),
  name: fc.oneof(text, longText),
  kind: fc.constantFrom(0, 1, 2, 3, 4),
  startNs: near,
  endNs: near,
  attributes,
  events: fc.array(fc.record({ name: text, timeNs: near, attributes }), { maxLength: 3 }),
  links: fc.array(fc.record({ traceId: hex(16), spanId: hex(8), attributes }), { maxLength: 3 }),
  statusCode: fc.constantFrom(0, 1, 2),
  statusMessage: text,
  resource: fc.oneof(
    attributes,
    attributes.map((of) => ({ ...of, 'service.name': 'shop' })),
  ),
  scope: fc.record({ name: text, version: text }),
})
