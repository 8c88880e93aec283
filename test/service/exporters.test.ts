import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newDirectory } from '../support/directory.ts'
import { type RunningService, startService, until } from '../support/service.ts'
import { openTestStore, type TestStore } from '../support/store.ts'

let store: TestStore
let service: RunningService

beforeAll(async () => {
  // With a store elsewhere, as other tests have it within the service.
  store = await openTestStore()
  service = await startService(newDirectory(), {
    LONGPOLE_CLICKHOUSE_URL: store.url,
    LONGPOLE_CLICKHOUSE_DATABASE: store.database,
  })
})
afterAll(async () => {
  expect(await service?.end('SIGTERM')).toBe(0)
  await store?.close()
})

/** A request with every kind of attribute, an event, a link and an error. */
function someSpans(): ReadableSpan[] {
  const memory = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop', 'service.version': '1.2' }),
    spanProcessors: [new SimpleSpanProcessor(memory)],
  })
  const tracer = provider.getTracer('test', '0.1')
  const root = tracer.startSpan('GET /cart', {
    kind: SpanKind.SERVER,
    attributes: {
      'http.request.method': 'GET',
      'http.route': '/cart/:id',
      flag: true,
      n: 42,
      ratio: 0.5,
      list: ['a', 'b'],
    },
  })
  const inner = trace.setSpan(context.active(), root)
  const query = tracer.startSpan(
    'SELECT',
    {
      kind: SpanKind.CLIENT,
      attributes: { 'db.system.name': 'postgresql', 'db.namespace': 'cart' },
      links: [{ context: root.spanContext(), attributes: { why: 'größe' } }],
    },
    inner,
  )
  query.addEvent('retry', { attempt: 2 })
  query.setStatus({ code: SpanStatusCode.ERROR, message: 'deadlock' })
  query.end()
  root.end()
  return memory.getFinishedSpans()
}

async function getTrace(id: string) {
  const answer = await fetch(`http://${service.api}/api/v1/traces/${id}`)
  return { status: answer.status, body: (await answer.json()) as Record<string, never> }
}

describe.each([
  ['gRPC', () => new GrpcExporter({ url: `http://${service.otlpGrpc}` })],
  ['HTTP/protobuf', () => new ProtobufExporter({ url: `http://${service.otlpHttp}/v1/traces` })],
  ['HTTP/JSON', () => new JsonExporter({ url: `http://${service.otlpHttp}/v1/traces` })],
])('what the SDK exports over %s', (_, createExporter) => {
  it('is read back through the API, span by span', async () => {
    const spans = someSpans()
    const exporter = createExporter()
    const code = await new Promise((resolve) => exporter.export(spans, (result) => resolve(result.code)))
    expect(code).toBe(ExportResultCode.SUCCESS)
    await exporter.shutdown()

    const { traceId } = spans[0]!.spanContext()
    const { body } = await getTrace(traceId)
    const [query, root] = spans as [ReadableSpan, ReadableSpan]
    const ns = ([s, n]: [number, number]) => BigInt(s) * 1_000_000_000n + BigInt(n)
    const expected = (span: ReadableSpan) => ({
      spanId: span.spanContext().spanId,
      service: 'shop',
      operation: span.name,
      startUnixNano: String(ns(span.startTime)),
      durationNs: Number(ns(span.endTime) - ns(span.startTime)),
      resource: expect.objectContaining({ 'service.name': 'shop', 'service.version': '1.2' }),
    })
    expect(body).toMatchObject({ traceId })
    expect(body.spans).toHaveLength(2)
    expect(body.spans).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...expected(root),
          parentSpanId: '',
          kind: 'Server',
          status: 'Unset',
          attributes: {
            'http.request.method': 'GET',
            'http.route': '/cart/:id',
            flag: 'true',
            n: '42',
            ratio: '0.5',
            list: '["a","b"]',
          },
        }),
        expect.objectContaining({
          ...expected(query),
          parentSpanId: root.spanContext().spanId,
          kind: 'Client',
          status: 'Error',
          statusMessage: 'deadlock',
          events: [
            { timeUnixNano: String(ns(query.events[0]!.time)), name: 'retry', attributes: { attempt: '2' } },
          ],
          links: [
            { traceId, spanId: root.spanContext().spanId, traceState: '', attributes: { why: 'größe' } },
          ],
        }),
      ]),
    )
    expect(body.entries).toMatchObject([{ operation: 'GET /cart/:id', kind: 'root' }])
  })
})

describe('the API of a running service', () => {
  it('shows endpoints once traces are analyzed', async () => {
    const list = () =>
      fetch(`http://${service.api}/api/v1/endpoints?scope=trace`).then(
        (r) => r.json() as Promise<{ endpoints: unknown[] }>,
      )
    const { endpoints } = await until(list, (answer) => answer.endpoints.length > 0)
    expect(endpoints[0]).toMatchObject({ service: 'shop', operation: 'GET /cart/:id' })
  })

  it('answers 404 for a trace there is not, 400 for an id that is none', async () => {
    expect(await getTrace('1'.repeat(32))).toMatchObject({
      status: 404,
      body: { error: { code: 'trace-not-found' } },
    })
    expect(await getTrace('xyz')).toMatchObject({ status: 400, body: { error: { code: 'bad-parameter' } } })
  })

  it('accepts metrics and logs, and says once that it drops them', async () => {
    for (const signal of ['metrics', 'logs', 'metrics']) {
      const answer = await fetch(`http://${service.otlpHttp}/v1/${signal}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{}',
      })
      expect(answer.status).toBe(200)
    }
  })
})
