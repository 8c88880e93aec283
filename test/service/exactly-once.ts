import { createClient } from '@clickhouse/client'
import { expect } from 'vitest'
import { type RunningService, until } from '../support/service.ts'
import { SPANS_A_TRACE, type SpanLoad } from './span-load.ts'

/**
 * Every acknowledged span is there exactly once for whoever counts: in the store, for the analyzer, through the API; and
 * none that was never sent.
 */
export async function expectExactlyOnce(
  service: Pick<RunningService, 'api'>,
  clickhouse: { url: string; database: string },
  load: Pick<SpanLoad, 'lost' | 'acknowledged'>,
): Promise<void> {
  const client = createClient({ ...clickhouse, log: { level: 127 } })
  const ask = async <Row>(query: string) => (await client.query({ query, format: 'JSONEachRow' })).json<Row>()
  const number = async (query: string) => Number((await ask<{ n: string }>(query))[0]!.n)
  try {
    expect(load.lost).toEqual([])
    const stored = await ask<{ id: string }>('SELECT DISTINCT SpanId AS id FROM otel_traces')
    const ids = new Set(stored.map(({ id }) => id))
    expect([...load.acknowledged].filter((id) => !ids.has(id))).toEqual([])
    // All requests were acknowledged in the end, so what else is there was never sent.
    expect(ids.size).toBe(load.acknowledged.size)
    expect(await number('SELECT uniqExact(TraceHigh, TraceLow, SpanId) AS n FROM spans_lean')).toBe(ids.size)

    const traces = ids.size / SPANS_A_TRACE
    // A query that was under way when the store hung is given up after two minutes.
    await until(
      () => number('SELECT sum(SpanCount) AS n FROM analyzed_traces FINAL'),
      (n) => n === ids.size,
      180_000,
    )
    const listed = async () => {
      const answer = await fetch(`http://${service.api}/api/v1/endpoints?scope=trace&service=load`)
      const { endpoints } = (await answer.json()) as { endpoints: { operation: string; entries: number }[] }
      return endpoints.map(({ operation, entries }) => ({ operation, entries }))
    }
    // Once the rollups have them.
    const endpoints = await until(listed, ([of]) => (of?.entries ?? 0) >= traces)
    expect(endpoints).toEqual([{ operation: 'GET /cart', entries: traces }])

    // Those that are there most often, as they are shown.
    const repeated = await ask<{ id: string }>(
      'SELECT TraceId AS id FROM otel_traces GROUP BY id ORDER BY count() DESC, id LIMIT 3',
    )
    for (const { id } of repeated) {
      const shown = await fetch(`http://${service.api}/api/v1/traces/${id}`)
      expect(((await shown.json()) as { spans: unknown[] }).spans).toHaveLength(SPANS_A_TRACE)
    }
  } finally {
    await client.close()
  }
}
