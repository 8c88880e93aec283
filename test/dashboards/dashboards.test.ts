import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import {
  insertCollectorSpans,
  openTestStore,
  quiet,
  startTestEngine,
  type TestEngine,
} from '../support/store.ts'

const DASHBOARDS = join(import.meta.dirname, '..', '..', 'dashboards')
const MS = 1_000_000n

type Dashboard = {
  panels: { title: string; targets: { rawSql: string }[] }[]
  templating: { list: { name: string; query: string }[] }
}

const dashboards = readdirSync(DASHBOARDS)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, json: JSON.parse(readFileSync(join(DASHBOARDS, name), 'utf8')) as Dashboard }))

let engine: TestEngine
let store: Awaited<ReturnType<typeof openTestStore>>

beforeAll(async () => {
  engine = await startTestEngine()
  store = await openTestStore(engine.url)
  const startNs = BigInt(Date.now() - 60_000) * MS
  await insertCollectorSpans(
    store,
    [1, 2, 3].flatMap((i) => {
      const TraceId = String(i).padStart(32, '0')
      const resource = { 'deployment.environment.name': 'prod' }
      return [
        {
          TraceId,
          SpanId: '0000000000000001',
          SpanKind: 'Server',
          SpanName: 'GET /',
          startNs,
          durationNs: 1e8,
          ResourceAttributes: resource,
        },
        {
          TraceId,
          SpanId: '0000000000000002',
          ParentSpanId: '0000000000000001',
          SpanKind: 'Client',
          SpanAttributes: { 'db.system.name': 'mysql' },
          startNs: startNs + 10n * MS,
          durationNs: 8e7,
        },
      ]
    }),
  )
  await startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false }).drain()
})
afterAll(async () => {
  await store?.close()
  await engine?.stop()
})

/** What Grafana's data source makes of its macros and of variables set to one value each. */
function expand(sql: string): string {
  const now = Date.now()
  return sql
    .replace(
      /\$__timeFilter_ms\((\w+)\)/g,
      `$1 >= fromUnixTimestamp64Milli(${now - 3_600_000}) AND $1 <= fromUnixTimestamp64Milli(${now})`,
    )
    .replace(/\$\{environment:singlequote\}/g, "'prod'")
    .replace(/\$\{service:singlequote\}/g, "'s'")
}

/** As the data source asks: a user who may only read; Native is its format, JSON says the same. */
async function ask(sql: string): Promise<Record<string, unknown>[]> {
  const reader = createClient({
    url: engine.url,
    database: store.database,
    // A server has no such user.
    ...(engine.engine === undefined ? {} : { username: 'reader' }),
    log: { level: 127 },
  })
  try {
    return await (await reader.query({ query: expand(sql), format: 'JSONEachRow' })).json()
  } finally {
    await reader.close()
  }
}

describe.each(dashboards)('$name', ({ json }) => {
  it.each(json.panels.flatMap((panel) => panel.targets.map((target) => [panel.title, target.rawSql])))(
    'panel "%s" has rows',
    async (_, sql) => {
      expect(sql).not.toMatch(/\$__(?!timeFilter_ms)/)
      expect((await ask(sql!)).length).toBeGreaterThan(0)
    },
  )

  it.each(json.templating.list.map((variable) => [variable.name, variable.query]))(
    'variable "%s" has values',
    async (_, sql) => {
      expect((await ask(sql!)).length).toBeGreaterThan(0)
    },
  )
})

it('the panel of bottlenecks says what the report says', async () => {
  const panel = dashboards.find(({ name }) => name === 'bottlenecks.json')!.json.panels[0]!
  const rows = await ask(panel.targets[0]!.rawSql)
  expect(rows[0]).toMatchObject({
    service: 's',
    endpoint: 'GET /',
    requests: 3,
    component: 'database mysql',
    p95: 100,
    'p95 without it': 20,
  })
})
