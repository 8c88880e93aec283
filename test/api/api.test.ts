import type { OpenAPIHono, z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createApi } from '../../src/api/app.ts'
import { PAGE_PATHS } from '../../src/api/page.ts'
import type {
  Bottleneck,
  ComponentTotal,
  Endpoint,
  Finding,
  Trace,
  TraceSummary,
} from '../../src/api/schemas.ts'
import { startApi } from '../../src/api/server.ts'
import { QUESTIONS } from '../../src/api/warm-up.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import {
  type CollectorSpan,
  insertCollectorSpans,
  openTestStore,
  quiet,
  type TestStore,
} from '../support/store.ts'
import { schemaOf } from './contract.ts'

const MS = 1_000_000
/** Percentiles come from histograms: within 1 %. */
const near = (ns: number) =>
  expect.toSatisfy((value: number) => Math.abs(value - ns) <= 0.01 * ns, `within 1 % of ${ns}`)
const startNs = BigInt(Date.now() - 600_000) * BigInt(MS)
const id = (n: number) => n.toString(16).padStart(16, '0')
const traceId = (n: number) => n.toString(16).padStart(32, '0')

let store: TestStore
let api: OpenAPIHono
let openapi: Parameters<typeof schemaOf>[0]

/**
 * Trace n of `requests`: GET / of the shop takes 100 ms + n, of which the call of stock takes 80 (60 of them in its
 * database). Every 4th ends in an error; the even ones are of `prod`, the others of `test`.
 */
function request(n: number): CollectorSpan[] {
  const resource = { 'deployment.environment.name': n % 2 === 0 ? 'prod' : 'test', 'service.namespace': 'eu' }
  const span = (of: Partial<CollectorSpan> & { at: number; ms: number; SpanId: string }): CollectorSpan => {
    const { at, ms, ...rest } = of
    return {
      TraceId: traceId(n),
      ResourceAttributes: resource,
      startNs: startNs + BigInt(at * MS),
      durationNs: ms * MS,
      ...rest,
    }
  }
  return [
    span({
      SpanId: id(1),
      at: 0,
      ms: 100 + n,
      SpanKind: 'Server',
      ServiceName: 'shop',
      SpanName: 'GET /',
      StatusCode: n % 4 === 0 ? 'Error' : 'Unset',
    }),
    span({ SpanId: id(2), ParentSpanId: id(1), at: 10, ms: 80, SpanKind: 'Client', ServiceName: 'shop' }),
    span({
      SpanId: id(3),
      ParentSpanId: id(2),
      at: 10,
      ms: 80,
      SpanKind: 'Server',
      ServiceName: 'stock',
      SpanName: 'GET /stock/12345',
    }),
    span({
      SpanId: id(4),
      ParentSpanId: id(3),
      at: 20,
      ms: 60,
      SpanKind: 'Client',
      ServiceName: 'stock',
      SpanName: 'SELECT',
      SpanAttributes: { 'db.system.name': 'mysql', 'db.namespace': 'stock' },
      extra: {
        'Events.Timestamp': ['2026-01-02 03:04:05.000000006'],
        'Events.Name': ['slow'],
        'Events.Attributes': [{ rows: '9' }],
        'Links.TraceId': [traceId(99)],
        'Links.SpanId': [id(99)],
        'Links.TraceState': ['a=b'],
        'Links.Attributes': [{ why: 'batch' }],
      },
    }),
  ]
}
const REQUESTS = 20

beforeAll(async () => {
  store = await openTestStore()
  await insertCollectorSpans(store, Array.from({ length: REQUESTS }, (_, i) => request(i + 1)).flat())
  const analyzer = startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false })
  await analyzer.drain()
  api = createApi({ store, log: quiet, metrics: { analyzer: analyzer.counters } })
  openapi = (await (await api.request('/openapi.json')).json()) as typeof openapi
})
afterAll(() => store?.close())

/** Properties of all answers; which of them are there is what the schema says. */
type Answer = z.infer<typeof Trace> & {
  endpoints: z.infer<typeof Endpoint>[]
  bottlenecks: z.infer<typeof Bottleneck>[]
  components: z.infer<typeof ComponentTotal>[]
  findings: z.infer<typeof Finding>[]
  traces: z.infer<typeof TraceSummary>[]
  total: number
  nextOffset: number | null
  error: { code: string; message: string; details: { parameter: string }[] }
}

type Route = {
  parameters?: { name: string; required?: boolean }[]
  responses: Record<string, { content?: Record<string, unknown> }>
}

/** The answer, held against what /openapi.json says of it. */
async function get(path: string, status = 200, route = path.split('?')[0]!): Promise<Answer> {
  const answer = await api.request(path)
  const body = (await answer.json()) as Answer
  expect(answer.status, JSON.stringify(body)).toBe(status)
  const checked = schemaOf(openapi, route, 'get', status).safeParse(body)
  expect(checked.success ? undefined : checked.error).toBeUndefined()
  return body
}

describe('/openapi.json', () => {
  it('names every route there is, and no other', () => {
    const served = api.routes.filter(
      ({ method, path }) => method !== 'ALL' && path !== '/openapi.json' && !PAGE_PATHS.includes(path),
    )
    const routes = served.map(
      ({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`,
    )
    const described = Object.entries(openapi.paths as object).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect([...new Set(routes)].sort()).toEqual(described.sort())
  })

  /** What parameters are given that have to be. */
  const GIVEN: Readonly<Record<string, string>> = { service: 'shop', operation: 'GET /', scope: 'trace' }

  it('is kept by every list, as it answers when asked for nothing in particular', async () => {
    const lists = Object.entries(openapi.paths as Record<string, { get?: Route }>).flatMap(
      ([path, { get }]) =>
        path.includes('{') || get?.responses[200]?.content?.['application/json'] === undefined
          ? []
          : [{ path, needed: get.parameters?.filter(({ required }) => required) ?? [] }],
    )
    expect(lists.length).toBeGreaterThan(8)
    for (const { path, needed } of lists) {
      const query = new URLSearchParams(
        path.endsWith('/compare') ? { baselineFrom: 'now-2h', baselineTo: 'now-1h' } : {},
      )
      for (const { name } of needed) query.set(name, GIVEN[name] ?? 'now-30m')
      await get(`${path}?${query}`)
    }
  })

  it('the check that its schemas are kept would notice', () => {
    const schema = schemaOf(openapi, '/api/v1/traces', 'get', 200)
    expect(schema.safeParse({ traces: [], nextOffset: null }).success).toBe(true)
    expect(schema.safeParse({ traces: [], nextOffset: 'x' }).success).toBe(false)
    expect(schema.safeParse({ traces: [], nextOffset: null, more: 1 }).success).toBe(false)
    expect(schema.safeParse({ nextOffset: null }).success).toBe(false)
  })
})

describe('/api/v1/endpoints', () => {
  it('lists rate, errors, percentiles, leader and verdict', async () => {
    const { endpoints, total } = await get('/api/v1/endpoints?scope=trace&environment=prod&target=p95<50ms')
    expect(total).toBe(1)
    expect(endpoints).toEqual([
      {
        service: 'shop',
        operation: 'GET /',
        scope: 'trace',
        environment: 'prod',
        namespace: 'eu',
        entries: 10,
        ratePerSecond: expect.closeTo(10 / 3600, 4),
        errorShare: 0.5,
        // Nearest rank of 102, 104, ... 120 ms.
        p50Ns: near(110 * MS),
        p95Ns: near(120 * MS),
        p99Ns: near(120 * MS),
        leader: { kind: 'database', name: 'mysql/stock' },
        verdict: 'contributor',
        // Ten samples are too few for one.
        p95IntervalWithout: null,
      },
    ])
    // Of a day that is not over yet, the rate is that of the part which is.
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    const today = await get(`/api/v1/endpoints?scope=trace&environment=prod&to=${tomorrow}`)
    expect(today.endpoints[0]!.ratePerSecond).toBeCloseTo(10 / 3600, 4)
  })

  it('has the SERVER spans within as endpoints of their own, ids templated', async () => {
    const { endpoints } = await get('/api/v1/endpoints?scope=service')
    expect(endpoints.map((e) => [e.service, e.operation, e.environment, e.entries])).toEqual([
      ['stock', 'GET /stock/{id}', 'prod', 10],
      ['stock', 'GET /stock/{id}', 'test', 10],
    ])
  })

  it.each([
    ['environment=test', 2],
    ['environment=', 0],
    ['namespace=eu', 4],
    ['namespace=us', 0],
    ['service=shop', 2],
    ['service=stock&scope=trace', 0],
    ['operation=GET%20/', 2],
    ['scope=trace', 2],
    ['from=now-1m', 0],
    ['to=now-30m', 0],
    ['from=now-1d&to=now-1m', 4],
    ['from=2020-01-01&to=2020-01-02T03:04:05Z', 0],
    [`from=${new Date(Date.now() - 900_000).toISOString()}`, 4],
    [`from=${new Date(Date.now() - 900_000).toISOString().slice(0, 19)}`, 4],
    [`to=${encodeURIComponent('2020-01-01T02:00:00+02:00')}&from=2019-12-31T23:59:59.5Z`, 0],
  ])('filtered by %s', async (query, count) => {
    expect((await get(`/api/v1/endpoints?${query}`)).total).toBe(count)
  })

  it('comes in pages', async () => {
    const seen: unknown[] = []
    let offset: number | null = 0
    for (let page = 0; offset !== null; page++) {
      const answer: Answer = await get(`/api/v1/endpoints?limit=3&offset=${offset}`)
      expect(answer.total).toBe(4)
      expect(answer.endpoints.length).toBe(page === 0 ? 3 : 1)
      seen.push(...answer.endpoints.map((e) => `${e.environment} ${e.service}`))
      offset = answer.nextOffset
    }
    expect(seen).toEqual(['prod shop', 'prod stock', 'test shop', 'test stock'])
  })
})

describe('/api/v1/bottlenecks', () => {
  it('has what analyze --json has, with exemplars', async () => {
    const { bottlenecks } = await get(
      '/api/v1/bottlenecks?service=shop&operation=GET%20/&environment=prod&target=p95%3C70ms',
    )
    expect(bottlenecks).toHaveLength(1)
    const bottleneck = bottlenecks[0]!
    expect(bottleneck).toMatchObject({
      entries: 10,
      observed: { p50Ns: near(110 * MS), p95Ns: near(120 * MS), p99Ns: near(120 * MS), meanNs: 111 * MS },
    })
    expect(bottleneck.exemplars.worst).toEqual([20, 18, 16].map(traceId))
    const [database] = bottleneck.components
    expect(database).toMatchObject({
      kind: 'database',
      name: 'mysql/stock',
      criticalShare: 60 / 111,
      presentShare: 1,
      ifInstant: { p50Ns: near(50 * MS), p95Ns: near(60 * MS) },
      verdict: 'bottleneck',
    })
    const shares = bottleneck.components.map((c) => c.criticalShare)
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9)
  })

  it('says that the target is met', async () => {
    const { bottlenecks } = await get('/api/v1/bottlenecks?service=shop&target=p50<1s')
    for (const { components } of bottlenecks) {
      for (const { verdict } of components) expect(verdict).toBe('target-met')
    }
  })
})

describe('/api/v1/components', () => {
  it('adds up over all endpoints of traces', async () => {
    const { components } = await get('/api/v1/components')
    expect(components.map((c) => `${c.kind} ${c.name}`)).toEqual([
      'database mysql/stock',
      'service shop',
      'service stock',
    ])
    expect(components[0]).toMatchObject({
      endpoints: 2,
      entries: 20,
      savedNs: 20 * 60 * MS,
      worstEndpoint: { service: 'shop', operation: 'GET /', savedP95Ns: near(60 * MS) },
    })
  })
})

describe('/api/v1/traces', () => {
  it('lists samples, slowest first or newest first, by component and duration', async () => {
    const { traces, nextOffset } = await get('/api/v1/traces?scope=trace&limit=2')
    expect(traces.map((t) => t.traceId)).toEqual([traceId(20), traceId(19)])
    expect(nextOffset).toBe(2)
    expect(traces[0]).toMatchObject({
      spanId: id(1),
      environment: 'prod',
      service: 'shop',
      operation: 'GET /',
      scope: 'trace',
      startUnixNano: String(startNs),
      durationNs: 120 * MS,
      queueWaitNs: 0,
      isError: true,
      components: [
        { kind: 'database', name: 'mysql/stock', criticalNs: 60 * MS, ifInstantNs: 60 * MS },
        { kind: 'service', name: 'shop', criticalNs: 40 * MS, ifInstantNs: 80 * MS },
        { kind: 'service', name: 'stock', criticalNs: 20 * MS, ifInstantNs: 100 * MS },
      ],
    })
    const count = async (query: string) => (await get(`/api/v1/traces?${query}`)).traces.length
    expect(await count('minDurationMs=118.5&scope=trace')).toBe(2)
    expect(await count('minDurationMs=1e308')).toBe(0)
    expect(await count('service=%00')).toBe(0)
    expect(await count('component=mysql/stock')).toBe(40)
    expect(await count('component=database:mysql/stock&scope=service')).toBe(20)
    expect(await count('component=service:mysql/stock')).toBe(0)
    expect(await count('service=stock&operation=GET%20/stock/%7Bid%7D')).toBe(20)
    expect(await count('sort=start')).toBe(40)
    expect((await get('/api/v1/traces?scope=trace&offset=19&limit=2')).nextOffset).toBe(null)
  })
})

describe('/api/v1/traces/{id}', () => {
  it('has spans as sent, repairs, and entries as analyze --json has them', async () => {
    const trace = await get(`/api/v1/traces/${traceId(4).toUpperCase()}`, 200, '/api/v1/traces/{id}')
    expect(Object.keys(trace)).toEqual(['traceId', 'modelVersion', 'spans', 'repairs', 'entries'])
    expect(trace.traceId).toBe(traceId(4))
    expect(trace.spans).toHaveLength(4)
    expect(trace.spans.find((s) => s.spanId === id(4))).toEqual({
      spanId: id(4),
      parentSpanId: id(3),
      service: 'stock',
      operation: 'SELECT',
      kind: 'Client',
      startUnixNano: String(startNs + BigInt(20 * MS)),
      durationNs: 60 * MS,
      status: 'Unset',
      statusMessage: '',
      attributes: { 'db.system.name': 'mysql', 'db.namespace': 'stock' },
      resource: { 'deployment.environment.name': 'prod', 'service.namespace': 'eu' },
      events: [{ timeUnixNano: '1767323045000000006', name: 'slow', attributes: { rows: '9' } }],
      links: [{ traceId: traceId(99), spanId: id(99), traceState: 'a=b', attributes: { why: 'batch' } }],
    })
    expect(trace.repairs).toEqual([])
    const component = { shop: { kind: 'service', name: 'shop' }, stock: { kind: 'service', name: 'stock' } }
    const database = { kind: 'database', name: 'mysql/stock' }
    expect(trace.entries).toEqual([
      {
        spanId: id(1),
        service: 'shop',
        operation: 'GET /',
        kind: 'root',
        startUnixNano: String(startNs),
        durationNs: 104 * MS,
        queueWaitNs: 0,
        criticalPath: [
          { spanId: id(1), component: component.shop, startNs: 0, endNs: 10 * MS },
          { spanId: id(3), component: component.stock, startNs: 10 * MS, endNs: 20 * MS },
          { spanId: id(4), component: database, startNs: 20 * MS, endNs: 80 * MS },
          { spanId: id(3), component: component.stock, startNs: 80 * MS, endNs: 90 * MS },
          { spanId: id(1), component: component.shop, startNs: 90 * MS, endNs: 104 * MS },
        ],
        components: [
          { ...database, criticalNs: 60 * MS, ifInstantNs: 44 * MS },
          { ...component.shop, criticalNs: 24 * MS, ifInstantNs: 80 * MS },
          { ...component.stock, criticalNs: 20 * MS, ifInstantNs: 84 * MS },
        ],
      },
    ])
  })

  it('is 404 for a trace that is not stored', async () => {
    const body = await get(`/api/v1/traces/${'f'.repeat(32)}`, 404, '/api/v1/traces/{id}')
    expect(body.error.code).toBe('trace-not-found')
  })
})

describe('the questions of the warm-up', () => {
  it.each(QUESTIONS)('%s', async (question) => {
    expect((await api.request(question)).status).toBe(200)
  })
})

describe('what cannot be answered', () => {
  it.each([
    ['/api/v1/endpoints?from=yesterday', 'from'],
    ['/api/v1/endpoints?from=2026-13-45', 'from'],
    ['/api/v1/endpoints?from=2026-02-30', 'from'],
    ['/api/v1/endpoints?from=now&to=now-1h', 'from'],
    ['/api/v1/endpoints?from=now-99999999w', 'from'],
    ['/api/v1/endpoints?from=now-9999999999999999999w', 'from'],
    ['/api/v1/timeline?from=1969-12-31', 'from'],
    ['/api/v1/capacity?service=shop&to=2106-01-02', 'to'],
    ['/api/v1/compare?baselineFrom=0000-01-01&baselineTo=now', 'baselineFrom'],
    ['/api/v1/endpoints?scope=all', 'scope'],
    ['/api/v1/bottlenecks?target=fast', 'target'],
    ['/api/v1/bottlenecks?limit=0', 'limit'],
    ['/api/v1/bottlenecks?limit=many', 'limit'],
    ['/api/v1/components?offset=-1', 'offset'],
    ['/api/v1/traces?sort=name', 'sort'],
    ['/api/v1/traces?minDurationMs=-3', 'minDurationMs'],
  ])('%s says which parameter', async (path, parameter) => {
    const { error } = await get(path, 400)
    expect(error).toMatchObject({ code: 'bad-parameter', message: expect.stringContaining(parameter) })
    expect(error.details).toEqual([{ parameter, message: expect.any(String) }])
  })

  it.each([
    ['/api/v1/endpoints?sevice=shop', 'sevice'],
    ['/api/v1/components?target=p95<50ms', 'target'],
    ['/api/v1/compare?baselineFrm=now-2h', 'baselineFrm'],
    [`/api/v1/traces/${'a'.repeat(32)}?span=1`, 'span'],
  ])('%s: a parameter that the route does not know is 400', async (path, parameter) => {
    const { error } = await get(path, 400, path.includes('traces') ? '/api/v1/traces/{id}' : undefined)
    expect(error).toMatchObject({ code: 'bad-parameter', message: expect.stringContaining('from, to, ') })
    expect(error.details).toEqual([{ parameter, message: expect.any(String) }])
  })

  it('ranges, filters and pages are parameters of every route', async () => {
    const common =
      'from=now-1h&to=now&environment=e&namespace=n&service=s&operation=o&scope=trace&version=1&limit=2'
    for (const route of ['timeline', 'capacity', 'doctor', 'marks', 'flamegraph', 'findings']) {
      expect((await api.request(`/api/v1/${route}?${common}&offset=1`)).status, route).toBe(200)
    }
  })

  it('an id of another form is 400, a route that is not there 404', async () => {
    const bad = await get('/api/v1/traces/xyz', 400, '/api/v1/traces/{id}')
    expect(bad.error.details[0]!.parameter).toBe('id')
    const answer = await api.request('/api/v1/nothing')
    expect(answer.status).toBe(404)
    expect(await answer.json()).toEqual({
      error: { code: 'no-such-route', message: 'there is no GET /api/v1/nothing', details: null },
    })
  })

  it('a route asked in another way than it can be is 405', async () => {
    const answer = await api.request('/api/v1/endpoints', { method: 'POST' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET'])
    expect(await answer.json()).toMatchObject({ error: { code: 'wrong-method', details: null } })
    const mark = await api.request('/api/v1/marks/x', { method: 'POST' })
    expect([mark.status, mark.headers.get('allow')]).toEqual([405, 'PUT, DELETE'])
  })

  it('a store that is away is 503', async () => {
    const away = await openTestStore()
    await away.close()
    const client = { ping: async () => false, query: () => Promise.reject(new Error('connect ECONNREFUSED')) }
    const app = createApi({ store: { ...away, ...client, stream: client.query } as never, log: quiet })
    expect((await app.request('/readyz')).status).toBe(503)
    expect((await app.request('/healthz')).status).toBe(200)
    const answer = await app.request(`/api/v1/traces/${'a'.repeat(32)}`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ error: { code: 'store-unavailable' } })
  })
})

it('takes names as long as the receivers let pass', async () => {
  const served = await startApi({ store, log: quiet, address: '127.0.0.1:0' })
  try {
    const service = 'é'.repeat(DEFAULT_SPAN_LIMITS.valueBytes / 2)
    const operation = 'é'.repeat(DEFAULT_SPAN_LIMITS.nameBytes / 2)
    const answer = await fetch(
      `http://${served.address}/api/v1/bottlenecks?${new URLSearchParams({ service, operation })}`,
    )
    expect([answer.status, await answer.json()]).toMatchObject([200, { bottlenecks: [] }])
  } finally {
    await served.stop()
  }
})

describe('access', () => {
  it('asks for the token where there is one, except for health', async () => {
    const app = createApi({ store, log: quiet, token: 'secret' })
    const status = async (path: string, headers = {}) => (await app.request(path, { headers })).status
    expect(await status('/api/v1/endpoints')).toBe(401)
    expect(await status('/api/v1/endpoints', { authorization: 'Bearer wrong' })).toBe(401)
    expect(await status('/api/v1/endpoints', { authorization: 'Bearer secret' })).toBe(200)
    expect(await status('/api/v1/endpoints', { authorization: 'bearer  secret' })).toBe(200)
    expect(await status('/metrics')).toBe(401)
    expect(await status('/healthz')).toBe(200)
    expect(await status('/readyz')).toBe(200)
  })

  it('on loopback, without a token: refuses names that somebody else can point here', async () => {
    const status = async (host: string, options: { localOnly?: boolean; token?: string }) =>
      (await createApi({ store, log: quiet, ...options }).request('/healthz', { headers: { host } })).status
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080']) {
      expect(await status(host, { localOnly: true })).toBe(200)
    }
    expect(await status('evil.example:8080', { localOnly: true })).toBe(403)
    expect(await status('longpole.example', { localOnly: true, token: 'secret' })).toBe(200)
    expect(await status('longpole:8080', {})).toBe(200)
  })

  it('refuses pages of other sites', async () => {
    const from = async (origin: string) =>
      (await api.request('/api/v1/endpoints', { headers: { host: 'localhost:8080', origin } })).status
    expect(await from('http://evil.example')).toBe(403)
    expect(await from('null')).toBe(403)
    expect(await from('http://localhost:8080')).toBe(200)
  })
})

it('a body that does not end is not read to its end', async () => {
  let pulled = 0
  const body = new ReadableStream({
    pull(controller) {
      // Far more than is read, and yet an end for whoever reads all of it.
      if (++pulled > 1000) controller.close()
      else controller.enqueue(new Uint8Array(64 * 1024).fill(0x20))
    },
  })
  const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  const asked = new Request('http://localhost/api/v1/what-if', {
    method: 'POST',
    headers,
    body,
    duplex: 'half',
  })
  const answer = await api.request(asked)
  expect(answer.status).toBe(413)
  expect(await answer.json()).toMatchObject({ error: { code: 'too-large' } })
  expect(pulled).toBeLessThan(50)
})

it('/metrics says what the analyzer did', async () => {
  const text = await (await api.request('/metrics')).text()
  expect(text).toMatch(/^longpole_analyzer_traces_total 20$/m)
  expect(text).toMatch(/^longpole_analyzer_lag_seconds /m)
})
