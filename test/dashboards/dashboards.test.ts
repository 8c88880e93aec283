import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'

const DASHBOARDS = join(import.meta.dirname, '..', '..', 'dashboards')
const MS = 1_000_000n
/** Anybody who sends spans can have such a name; All is of every name there is. */
const ODD = "'o\\'dd\\"

type Dashboard = {
  panels: { title: string; targets: { rawSql: string }[] }[]
  templating: { list: { name: string; query: string }[] }
}

const dashboards = readdirSync(DASHBOARDS)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, json: JSON.parse(readFileSync(join(DASHBOARDS, name), 'utf8')) as Dashboard }))

let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
  const startNs = BigInt(Date.now() - 60_000) * MS
  const request = (
    number: number,
    durationMs: number,
    { environment = 'prod', ServiceName = 's', TraceState = '' } = {},
  ) => {
    const TraceId = String(number).padStart(32, '0')
    const resource = { 'deployment.environment.name': environment }
    return [
      {
        TraceId,
        SpanId: '0000000000000001',
        SpanKind: 'Server',
        SpanName: 'GET /',
        ServiceName,
        TraceState,
        startNs,
        durationNs: durationMs * 1e6,
        ResourceAttributes: resource,
      },
      {
        TraceId,
        SpanId: '0000000000000002',
        ParentSpanId: '0000000000000001',
        SpanKind: 'Client',
        ServiceName,
        SpanAttributes: { 'db.system.name': 'mysql' },
        startNs: startNs + 10n * MS,
        durationNs: (durationMs - 20) * 1e6,
      },
    ]
  }
  await insertCollectorSpans(store, [
    ...[1, 2, 3].flatMap((number) => request(number, 100)),
    // One of eight, and one that was kept for sure.
    ...request(4, 100, { environment: 'staging', TraceState: 'ot=th:e' }),
    ...request(5, 900, { environment: 'staging' }),
    ...request(6, 50, { environment: ODD, ServiceName: ODD }),
  ])
  await startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false }).drain()
})
afterAll(() => store?.close())

/** As Grafana writes a variable that has several values as `singlequote`: of backslashes it knows nothing. */
function singleQuoted(values: readonly string[]): string {
  return values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(',')
}

/** What Grafana's data source makes of its macros and of variables. */
function expand(sql: string, { environment = ['prod'], service = ['s'] } = {}): string {
  const now = Date.now()
  return sql
    .replace(
      /\$__timeFilter_ms\((\w+)\)/g,
      `$1 >= fromUnixTimestamp64Milli(${now - 3_600_000}) AND $1 <= fromUnixTimestamp64Milli(${now})`,
    )
    .replace(/\$\{environment:singlequote\}/g, () => singleQuoted(environment))
    .replace(/\$\{service:singlequote\}/g, () => singleQuoted(service))
}

/** As the data source asks: a user who may only read; Native is its format, JSON says the same. */
async function ask(
  sql: string,
  variables?: Parameters<typeof expand>[1],
): Promise<Record<string, unknown>[]> {
  const reader = createClient({
    url: store.url,
    database: store.database,
    // A server has no such user.
    ...(process.env.LONGPOLE_CLICKHOUSE_URL ? {} : { username: 'reader' }),
    log: { level: 127 },
  })
  try {
    return await (await reader.query({ query: expand(sql, variables), format: 'JSONEachRow' })).json()
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

describe('the panel of bottlenecks', () => {
  const { panels, templating } = dashboards.find(({ name }) => name === 'bottlenecks.json')!.json
  const sql = panels[0]!.targets[0]!.rawSql
  const prod = {
    environment: 'prod',
    service: 's',
    endpoint: 'GET /',
    requests: 3,
    component: 'database mysql',
    p95: 100,
    'p95 without it': 20,
  }

  it('says what the report says', async () => {
    expect((await ask(sql))[0]).toMatchObject(prod)
  })

  it('keeps environments apart, and counts requests that samples stand for', async () => {
    const rows = await ask(sql, { environment: ['prod', 'staging'], service: ['s'] })
    const databases = rows.filter(({ component }) => component === 'database mysql')
    // Of nine requests the ninth is the 95th percentile.
    const staging = { ...prod, environment: 'staging', requests: 9, p95: 900 }
    expect(databases).toEqual([expect.objectContaining(staging), expect.objectContaining(prod)])
    expect(databases[0]!['share of time']).toBeCloseTo((8 * 80 + 880) / (8 * 100 + 900), 12)
  })

  it('and all others take All of any names', async () => {
    const [environment, service] = await Promise.all(
      // A query of two columns: first the values, then the texts that are shown.
      templating.list.map(async ({ query }) =>
        (await ask(query)).map((row) => Object.values(row)[0] as string),
      ),
    )
    for (const { targets } of panels) await ask(targets[0]!.rawSql, { environment, service })
    const ofOdd = (values: readonly string[]) => values.filter((value) => value.includes('dd'))
    const odd = { environment: ofOdd(environment!), service: ofOdd(service!) }
    expect(await ask(sql, odd)).toContainEqual(expect.objectContaining({ service: ODD, requests: 1 }))
  })
})
