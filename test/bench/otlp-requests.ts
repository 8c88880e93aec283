import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { seeded } from './random.ts'

/** Attributes a web service's spans carry, in the order an SDK sets them; `%` becomes one of some hundred numbers. */
const ATTRIBUTES: [key: string, value: string | number | boolean][] = [
  ['http.request.method', 'GET'],
  ['http.route', '/api/v1/orders/{id}'],
  ['http.response.status_code', 200],
  ['url.full', 'https://shop.example.com/api/v1/orders/%?currency=EUR&expand=items'],
  ['server.address', 'shop.example.com'],
  ['server.port', 443],
  ['network.peer.address', '10.0.0.%'],
  ['user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'],
  ['app.cache.hit', true],
  ['app.order.total', 12.75],
  ['app.session.id', 'b7ad6b71-6920-3331-9b2e-%'],
  ['thread.id', 17],
  ['code.function.name', 'com.example.shop.OrderController.show'],
  ['app.tenant', 'tenant-%'],
  ['app.shard', 3],
  ['app.region', 'eu-central-1'],
]
const RESOURCE = {
  'service.name': 'shop-frontend',
  'service.namespace': 'shop',
  'service.version': '1.42.0',
  'service.instance.id': 'shop-frontend-7d9c6f5b8-x2x4z',
  'deployment.environment.name': 'production',
  'telemetry.sdk.language': 'nodejs',
  'telemetry.sdk.name': 'opentelemetry',
  'telemetry.sdk.version': '2.12.0',
}

/** What all trace ids begin with, until `renew` gives them another beginning. */
const BEGINNING = 'feedf00d'

/** Where trace ids begin in a request's bytes: for `renew`, which makes its spans new ones at next to no cost. */
export function traceIdPlaces(request: Buffer): Uint32Array {
  const mark = Buffer.from(`0a10${BEGINNING}`, 'hex')
  const places: number[] = []
  for (let at = request.indexOf(mark); at >= 0; at = request.indexOf(mark, at + 1)) places.push(at + 2)
  return Uint32Array.from(places)
}

export function renew(request: Buffer, places: Uint32Array, n: number): void {
  for (const at of places) request.writeUInt32BE(n, at)
}

export type RequestShape = { requests: number; spans: number; attributes: number; seed: number }

/** Export requests as the JavaScript SDK writes them. Spans start now, eight to a trace. */
export function exportRequests({ requests, spans, attributes, seed }: RequestShape): Uint8Array[] {
  const random = seeded(seed)
  const hex = (digits: number) => {
    let text = ''
    while (text.length < digits) text += Math.floor(random() * 16).toString(16)
    return text
  }
  const startSeconds = Math.floor(Date.now() / 1000)
  const resource = { attributes: RESOURCE }
  const scope = { name: '@opentelemetry/instrumentation-http', version: '0.223.0' }
  const list: Uint8Array[] = []
  for (let r = 0; r < requests; r++) {
    let traceId = ''
    let parentId = ''
    const batch = Array.from({ length: spans }, (_, i) => {
      if (i % 8 === 0) {
        traceId = BEGINNING + hex(24)
        parentId = ''
      }
      const spanId = hex(16)
      const n = Math.floor(random() * 300)
      const at = Math.floor(random() * 1e9)
      const span = {
        name: `GET /api/v1/orders/{id} ${i % 30}`,
        kind: i % 5,
        spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
        ...(parentId === '' ? {} : { parentSpanContext: { traceId, spanId: parentId, traceFlags: 1 } }),
        startTime: [startSeconds, at],
        endTime: [startSeconds + 1, at],
        status: { code: i % 50 === 0 ? 2 : 0 },
        attributes: Object.fromEntries(
          ATTRIBUTES.slice(0, attributes).map(([key, value]) => [
            key,
            typeof value === 'string' ? value.replace('%', String(n)) : value,
          ]),
        ),
        links: [],
        events: [],
        resource,
        instrumentationScope: scope,
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
      }
      // Read when it is serialized, and then these have moved on.
      const context = span.spanContext()
      span.spanContext = () => context
      parentId = spanId
      return span as unknown as ReadableSpan
    })
    list.push(ProtobufTraceSerializer.serializeRequest(batch)!)
  }
  return list
}
