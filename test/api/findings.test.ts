import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenAPIHono, z } from '@hono/zod-openapi'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AnalyzerHandle, startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createApi } from '../../src/api/app.ts'
import type { Bottleneck, Finding } from '../../src/api/schemas.ts'
import { startApi } from '../../src/api/server.ts'
import { run } from '../../src/commands/check.ts'
import { PATTERNS } from '../../src/findings/patterns.ts'
import { capture } from '../commands/capture.ts'
import { newDirectory } from '../support/directory.ts'
import {
  type CollectorSpan,
  insertCollectorSpans,
  openTestStore,
  quiet,
  type TestStore,
} from '../support/store.ts'
import { schemaOf } from './contract.ts'

const MS = 1_000_000
const startNs = BigInt(Date.now() - 600_000) * BigInt(MS)
const id = (n: number) => n.toString(16).padStart(16, '0')
const traceId = (n: number) => n.toString(16).padStart(32, '0')
const REQUESTS = 20
const QUERIES = 8

/** Query i of trace n: 10 ms, with a millisecond between. */
const query = (n: number, i: number): CollectorSpan => ({
  TraceId: traceId(n),
  SpanId: id(2 + i),
  ParentSpanId: id(1),
  SpanKind: 'Client',
  SpanName: 'SELECT',
  ServiceName: 'shop',
  startNs: startNs + BigInt((2 + 11 * i) * MS),
  durationNs: 10 * MS,
  SpanAttributes: {
    'db.system': 'mysql',
    'db.name': 'shop',
    'db.statement': `SELECT * FROM item WHERE id = ${i}`,
  },
})

/** GET /orders loads 8 items one by one, in every request; GET /plain loads one. */
function request(n: number): CollectorSpan[] {
  const heavy = n <= REQUESTS
  const server: CollectorSpan = {
    TraceId: traceId(n),
    SpanId: id(1),
    SpanKind: 'Server',
    SpanName: heavy ? 'GET /orders' : 'GET /plain',
    ServiceName: 'shop',
    startNs,
    durationNs: 100 * MS,
  }
  return [server, ...Array.from({ length: heavy ? QUERIES : 1 }, (_, i) => query(n, i))]
}

let store: TestStore
let analyzer: AnalyzerHandle
let api: OpenAPIHono

beforeAll(async () => {
  store = await openTestStore()
  await insertCollectorSpans(store, Array.from({ length: 2 * REQUESTS }, (_, i) => request(i + 1)).flat())
  analyzer = startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false })
  await analyzer.drain()
  api = createApi({ store, log: quiet })
})
afterAll(async () => {
  await analyzer?.stop()
  await store?.close()
})

async function get<T>(path: string): Promise<T> {
  const answer = await api.request(path)
  const body = await answer.json()
  expect(answer.status, JSON.stringify(body)).toBe(200)
  const openapi = (await (await api.request('/openapi.json')).json()) as Parameters<typeof schemaOf>[0]
  const checked = schemaOf(openapi, path.split('?')[0]!, 'get', 200).safeParse(body)
  expect(checked.success ? undefined : checked.error).toBeUndefined()
  return body as T
}
type Findings = { findings: z.infer<typeof Finding>[]; total: number }

it('are listed with what fixing them would save', async () => {
  const { findings, total } = await get<Findings>('/api/v1/findings')
  expect(total).toBe(1)
  expect(findings[0]).toMatchObject({
    pattern: 'n-plus-one',
    service: 'shop',
    operation: 'GET /orders',
    scope: 'trace',
    component: { kind: 'database', name: 'mysql/shop' },
    code: { service: 'shop', caller: 'GET /orders', operation: 'SELECT * FROM item WHERE id = ?' },
    entries: REQUESTS,
    samples: REQUESTS,
    amount: QUERIES,
    spentNs: 10 * QUERIES * MS,
    saved: { p50Ns: 70 * MS, p95Ns: 70 * MS, p99Ns: 70 * MS, meanNs: 70 * MS },
    unproven: false,
  })
  expect(findings[0]!.exemplars).toHaveLength(3)
  // Of a version that there was not.
  expect((await get<Findings>('/api/v1/findings?version=2')).total).toBe(0)
})

it.each([
  ['pattern=n-plus-one', 1],
  ['pattern=retries', 0],
  ['operation=GET%20/plain', 0],
  ['scope=trace&limit=1', 1],
  ['from=now-1m', 0],
])('filtered by %s', async (filter, count) => {
  expect((await get<Findings>(`/api/v1/findings?${filter}`)).findings).toHaveLength(count)
})

it('stand under the component they explain', async () => {
  const { bottlenecks } = await get<{ bottlenecks: z.infer<typeof Bottleneck>[] }>('/api/v1/bottlenecks')
  const found = bottlenecks.map(({ operation, components, findings }) => [
    operation,
    ...components.map((c) => [c.kind, c.findings.map(({ pattern }) => pattern)]),
    findings,
  ])
  expect(found).toEqual([
    ['GET /orders', ['database', ['n-plus-one']], ['service', []], []],
    ['GET /plain', ['service', []], ['database', []], []],
  ])
})

it('are what a missed budget is explained by, asked of a running service', async () => {
  const service = await startApi({ store, log: quiet, address: '127.0.0.1:0' })
  const file = join(newDirectory(), 'budget.yaml')
  const budget = (text: string) => {
    writeFileSync(file, text)
    const context = capture()
    return run(['--budget', file, '--url', `http://${service.address}`], context).then((code) => [
      code,
      context.out(),
    ])
  }
  try {
    // Percentiles of a service come from rollups: within 1 %.
    expect(await budget('budgets: { shop GET /plain: p95<1s }')).toEqual([
      0,
      expect.stringMatching(/^kept {4}shop GET \/plain: p95 (99|10[01]) ms, budget p95<1s\n$/),
    ])
    const [code, out] = await budget('budgets: { shop GET /orders: p95<50ms }\nowners: { shop: team-shop }')
    expect([code, ...String(out).split('\n')]).toEqual([
      1,
      expect.stringMatching(
        /^missed {2}shop GET \/orders: p95 (99|10[01]) ms, budget p95<50ms \(team-shop\)$/,
      ),
      expect.stringMatching(
        /^ +held back by database mysql\/shop: without its own work p95 (19\.[89]|20|20\.[012]) ms$/,
      ),
      '        N+1 queries, saves 70 ms at p95: shop GET /orders runs SELECT * FROM',
      '        item WHERE id = ? 8 times a request (80 ms together): load them all with',
      '        one query (a join, or WHERE ... IN).',
      '',
    ])
    expect(await budget('budgets: { shop GET /nowhere: p95<1s }')).toEqual([
      1,
      'absent  shop GET /nowhere: no requests, budget p95<1s\n',
    ])
  } finally {
    await service.stop()
  }
})

it('are described one by one', async () => {
  const openapi = JSON.stringify(await (await api.request('/openapi.json')).json())
  for (const { id: pattern } of PATTERNS) expect(openapi).toContain(`\`${pattern}\``)
})

it('are counted once, however often a trace is analyzed', async () => {
  await insertCollectorSpans(store, [{ ...query(1, 0), SpanId: id(50), durationNs: 0 }])
  await analyzer.drain()
  const { findings } = await get<Findings>('/api/v1/findings')
  expect(findings.map(({ entries, samples, saved }) => [entries, samples, saved.p95Ns])).toEqual([
    [REQUESTS, REQUESTS, 70 * MS],
  ])
})
