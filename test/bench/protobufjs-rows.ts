import protobuf from 'protobufjs'
import { TRACE_PROTO } from './trace-proto.ts'

/** What one would write first: protobufjs to objects, objects to rows for JSONEachRow. */
const Request = protobuf.parse(TRACE_PROTO).root.lookupType('ExportTraceServiceRequest')

type Long = { toString(): string }
type Value = { stringValue?: string; boolValue?: boolean; intValue?: Long; doubleValue?: number }
type Attributes = { key: string; value: Value }[]
type Span = {
  traceId: Uint8Array
  spanId: Uint8Array
  parentSpanId: Uint8Array
  traceState: string
  name: string
  kind: number
  startTimeUnixNano: Long
  endTimeUnixNano: Long
  attributes: Attributes
  status: { code: number; message: string } | null
}
type Decoded = {
  resourceSpans: {
    resource: { attributes: Attributes }
    scopeSpans: { scope: { name: string; version: string }; spans: Span[] }[]
  }[]
}

const KINDS = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer']
const STATUSES = ['Unset', 'Ok', 'Error']

export function rowsOf(request: Uint8Array): Record<string, unknown>[] {
  const decoded = Request.decode(request) as unknown as Decoded
  const rows: Record<string, unknown>[] = []
  for (const { resource, scopeSpans } of decoded.resourceSpans) {
    const ResourceAttributes = mapOf(resource.attributes)
    for (const { scope, spans } of scopeSpans) {
      for (const span of spans) {
        const start = span.startTimeUnixNano.toString()
        rows.push({
          Timestamp: `${start.slice(0, -9)}.${start.slice(-9)}`,
          TraceId: Buffer.from(span.traceId).toString('hex'),
          SpanId: Buffer.from(span.spanId).toString('hex'),
          ParentSpanId: Buffer.from(span.parentSpanId).toString('hex'),
          TraceState: span.traceState,
          SpanName: span.name,
          SpanKind: KINDS[span.kind],
          ServiceName: ResourceAttributes['service.name'],
          ResourceAttributes,
          ScopeName: scope.name,
          ScopeVersion: scope.version,
          SpanAttributes: mapOf(span.attributes),
          Duration: (BigInt(span.endTimeUnixNano.toString()) - BigInt(start)).toString(),
          StatusCode: STATUSES[span.status?.code ?? 0],
          StatusMessage: span.status?.message ?? '',
        })
      }
    }
  }
  return rows
}

function mapOf(attributes: Attributes): Record<string, string> {
  const map: Record<string, string> = {}
  for (const { key, value } of attributes) {
    const { stringValue, intValue, boolValue, doubleValue } = value
    map[key] = stringValue ?? String(intValue ?? boolValue ?? doubleValue ?? '')
  }
  return map
}
