import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NO_SCOPE, type Resource } from '../../src/formats/file-span.ts'
import { type OutgoingSpan, otlpRequest } from '../../src/formats/otlp-writer.ts'
import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import type { DetailFields } from '../../src/trace/detail.ts'
import { type ShapeFields, UNKNOWN_SERVICE } from '../../src/trace/shape.ts'
import type { SpanKind } from '../../src/trace/span.ts'

/** Spans a line, each an export request. */
const LINE = 1000
const NO_PARENT = '0'.repeat(16)

/** Generated spans as a file of OTLP JSON lines, from which the same findings come; `remove` takes it away. */
export function writeTraceFile(columns: SpanColumns): { path: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'longpole-bench-'))
  const path = join(directory, 'traces.jsonl')
  const resources = new Map<string, Resource>()
  for (let from = 0; from < columns.count; from += LINE) {
    const rows = Array.from({ length: Math.min(LINE, columns.count - from) }, (_, i) => from + i)
    appendFileSync(path, `${otlpRequest(rows.map((row) => outgoing(columns, row, resources)))}\n`)
  }
  return { path, remove: () => rmSync(directory, { recursive: true }) }
}

function outgoing(columns: SpanColumns, row: number, resources: Map<string, Resource>): OutgoingSpan {
  const { dictionary } = columns
  const shape = dictionary.fields(columns.shape[row]!)
  const parent = idHex(columns.parentId, row)
  const key = `${shape.service}\n${shape.instance}`
  const resource = resources.get(key) ?? { attributes: resourceOf(shape) }
  resources.set(key, resource)
  const span = {
    traceId: traceIdHex(columns, row),
    spanId: idHex(columns.spanId, row),
    parentSpanId: parent === NO_PARENT ? '' : parent,
    name: shape.name,
    kind: shape.kind as SpanKind,
    startNs: epochNs(columns.start, row),
    endNs: epochNs(columns.end, row),
    status: columns.status[row]!,
    attributes: {
      ...attributesOf(shape, dictionary.details.fields(columns.detail[row]!)),
      ...figuresOf(columns, row),
    },
    weight: columns.weight[row]!,
  }
  return { span, resource, scope: NO_SCOPE }
}

function resourceOf({ service, instance, environment, namespace }: ShapeFields): Record<string, string> {
  return given({
    'service.name': service === UNKNOWN_SERVICE ? '' : service,
    'service.instance.id': instance,
    'deployment.environment.name': environment,
    'service.namespace': namespace,
  })
}

function attributesOf(shape: ShapeFields, detail: DetailFields): Record<string, string> {
  return given({
    'db.system.name': shape.dbSystem,
    'db.namespace': shape.dbNamespace,
    'db.query.text': detail.query,
    'server.address': shape.serverAddress,
    'messaging.system': shape.messagingSystem,
    'messaging.destination.name': shape.destination,
    'http.request.method': shape.httpMethod,
    'http.route': shape.httpRoute,
    'http.response.status_code': detail.statusCode,
    'http.request.resend_count': detail.resendCount,
    'error.type': detail.errorType,
    'faas.coldstart': detail.coldStart === '1' ? 'true' : '',
    'faas.timeout': detail.timeLimitSeconds,
  })
}

/** What was asked for is known by its hash only: as a parameter, or a URL, it is equal where that is. */
function figuresOf(columns: SpanColumns, row: number): Record<string, string | number> {
  const [size, rows, hash] = [columns.bodyBytes[row]!, columns.returnedRows[row]!, columns.valueHash[row]!]
  return {
    ...(size > 0 ? { 'http.response.body.size': size } : {}),
    ...(rows > 0 ? { 'db.response.returned_rows': rows } : {}),
    ...(hash > 0 ? { 'db.query.parameter.0': hash, 'url.full': `https://x.example/${hash}` } : {}),
  }
}

function given(attributes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ''))
}
