import type { OpenAPIHono, z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { latenciesWith } from '../../src/analysis/analyze.ts'
import { quantileOf } from '../../src/analysis/quantile.ts'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createApi } from '../../src/api/app.ts'
import type { Bottleneck } from '../../src/api/schemas.ts'
import type { TraceWhatIf, WhatIf } from '../../src/api/what-if-schemas.ts'
import { readTraces } from '../../src/store/analyzer-store.ts'
import { readModel } from '../../src/store/models.ts'
import { chooseSamples, REPLAYED_AN_HOUR } from '../../src/store/replay-samples.ts'
import { traceIdHex } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { draw } from '../draw.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import { insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'
import { schemaOf } from './contract.ts'

const WORLD = createWorld(20261128, FAMILIES.hidden!)
// Enough for something to be learned (a structure takes 30 families, and 5 more for each repeated call), and too few to
// bound a p95.
const TRACES = 70
const spans = runWorld(WORLD, 0, TRACES).columns
const ids = [...new Set(Array.from({ length: spans.count }, (_, row) => traceIdHex(spans, row)))]

/** Two databases asked side by side: the slower one is the critical path, the other never is. */
const SIDE_BY_SIDE = draw(
  `
  W ====================
   A =================
   B ================
  `,
  {
    W: { kind: 'SERVER', service: 'beside' },
    A: { kind: 'CLIENT', service: 'beside', attributes: { 'db.system': 'a' } },
    B: { kind: 'CLIENT', service: 'beside', attributes: { 'db.system': 'b' } },
  },
)
let store: TestStore
let api: OpenAPIHono
let openapi: Parameters<typeof schemaOf>[0]

beforeAll(async () => {
  store = await openTestStore()
  await insertCollectorSpans(store, [...collectorSpansOf(spans), ...collectorSpansOf(SIDE_BY_SIDE)])
  await startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false }).drain()
  api = createApi({ store, log: quiet })
  openapi = (await (await api.request('/openapi.json')).json()) as typeof openapi
})
afterAll(() => store?.close())

type Answer = z.infer<typeof TraceWhatIf> & {
  whatIf: z.infer<typeof WhatIf>[]
  total: number
  error: { code: string; message: string; details: unknown }
}
async function post(path: string, body: unknown, status = 200): Promise<Answer> {
  const answer = await api.request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const json = (await answer.json()) as Answer
  expect(answer.status, JSON.stringify(json)).toBe(status)
  const route = path.replace(/[0-9a-f]{32}/, '{id}')
  const checked = schemaOf(openapi, route, 'post', status).safeParse(json)
  expect(checked.success ? undefined : checked.error).toBeUndefined()
  return json
}

const ENDPOINT = { from: 'now-12h', service: WORLD.service, scope: 'trace' }
const OWN = { kind: 'service', name: WORLD.service }

/** Latencies of the entries, replayed from the stored spans with the recorded model. */
async function replayed(factorOf: Parameters<typeof latenciesWith>[1], inclusive: boolean) {
  const stored = await readTraces(store, createDictionary(), ids, 0, Number.POSITIVE_INFINITY)
  const { model } = (await readModel(store, 1))!
  return latenciesWith(stored, factorOf, { model, inclusive, serviceScope: false }).slice(0, TRACES).sort()
}

describe('POST /api/v1/what-if', () => {
  test.each([false, true])('is the exact replay of the stored samples, inclusive: %s', async (inclusive) => {
    const components = [
      { ...OWN, factor: 0.5 },
      { kind: 'database', name: 'postgresql/orders', factor: 2 },
    ]
    const { whatIf, total } = await post('/api/v1/what-if', { ...ENDPOINT, components, inclusive })
    expect(total).toBe(1)
    const [endpoint] = whatIf
    expect(endpoint).toMatchObject({
      ...{ service: WORLD.service, scope: 'trace' },
      entries: TRACES,
      replayed: TRACES,
    })
    const factorOf = (c: { kind: string; name: string }) =>
      components.find((of) => of.kind === c.kind && of.name === c.name)?.factor
    for (const [said, ns] of [
      [endpoint!.observed, await replayed(() => 1, false)],
      [endpoint!.ifChanged, await replayed(factorOf, inclusive)],
    ] as const) {
      expect(said.p50Ns).toBe(quantileOf(ns, 0.5))
      expect(said.p95Ns).toBe(quantileOf(ns, 0.95))
      expect(said.p50Interval![0]).toBeLessThanOrEqual(said.p50Ns)
      expect(said.p50Interval![1]).toBeGreaterThanOrEqual(said.p50Ns)
      // So few requests do not bound a p95.
      expect(said.p95Interval).toBeNull()
      expect(said.needMore!.p95).toBeGreaterThan(0)
    }
  })

  it('sweeps: ever faster, each step with what it saves more', async () => {
    const { whatIf } = await post('/api/v1/what-if', { ...ENDPOINT, components: [OWN] })
    const { sweep, ifChanged, observed } = whatIf[0]!
    expect(sweep.map(({ speed }) => speed)).toEqual(['1x', '2x', '4x', 'infinitely fast'])
    expect(sweep[0]!.p95Ns).toBe(observed.p95Ns)
    // Without a factor: infinitely fast.
    expect(sweep[3]!.p95Ns).toBe(ifChanged.p95Ns)
    let before = observed.p95Ns
    for (const step of sweep) {
      expect(step.p95Ns).toBeLessThanOrEqual(before)
      expect(step.savedMoreP95Ns).toBe(before - step.p95Ns)
      expect(step.savedP95Ns).toBe(observed.p95Ns - step.p95Ns)
      before = step.p95Ns
    }
    expect(sweep[3]!.savedP95Ns).toBeGreaterThan(0)
  })

  it('judges the change against a target', async () => {
    const body = { ...ENDPOINT, components: [OWN], inclusive: true }
    const { whatIf } = await post('/api/v1/what-if', { ...body, target: 'p95<1ms' })
    // Everything is called by the entry: nothing is left.
    expect(whatIf[0]!.ifChanged.p95Ns).toBe(0)
    expect(whatIf[0]!.verdict).toBe('bottleneck')
  })

  test.each([
    ['no component', { components: [] }, 'expected at least one component'],
    ['no body to speak of', {}, 'components'],
    ['a negative factor', { components: [{ ...OWN, factor: -1 }] }, 'components.0.factor'],
    ['a kind there is not', { components: [{ kind: 'disk', name: 'x' }] }, 'components.0.kind'],
    ['the same twice', { components: [OWN, OWN] }, 'expected each component once'],
    ['a property there is not', { components: [OWN], endpoint: 'x' }, '"message":"Unrecognized key: '],
    ['a bad time', { components: [OWN], from: 'soon' }, 'from'],
    ['a bad target', { components: [OWN], target: 'fast' }, 'expected a target'],
  ])('400: %s', async (_, body, says) => {
    const { error } = await post(
      '/api/v1/what-if',
      { ...ENDPOINT, ...{ components: undefined }, ...body },
      400,
    )
    expect(JSON.stringify(error)).toContain(says)
  })

  test.each([
    ['{"components":', 'application/json', 400, 'Malformed JSON'],
    ['', 'application/json', 400, 'Malformed JSON'],
    ['{"components":[]}', 'text/plain', 415, 'Unsupported Media Type'],
  ])('%j as %s: %d', async (body, type, status, says) => {
    const answer = await api.request('/api/v1/what-if', {
      method: 'POST',
      body,
      headers: { 'Content-Type': type },
    })
    const text = await answer.text()
    expect([answer.status, text]).toEqual([status, expect.stringContaining(says)])
    expect(JSON.parse(text).error.message).not.toBe('')
  })

  it('knows components that are on no critical path', async () => {
    const of = { from: 'now-12h', service: 'beside' }
    const b = { kind: 'database', name: 'b' }
    const latencyWith = async (components: object[]) => {
      const { whatIf } = await post('/api/v1/what-if', { ...of, components })
      return whatIf[0]!.ifChanged.p95Ns
    }
    expect(await latencyWith([b])).toBe(20_000)
    expect(await latencyWith([b, { kind: 'database', name: 'a' }])).toBe(3000)
    expect(await latencyWith([{ ...b, factor: 2 }])).toBe(35_000)
    const traceId = traceIdHex(SIDE_BY_SIDE, 0)
    const { entries } = await post(`/api/v1/traces/${traceId}/what-if`, {
      components: [{ ...b, factor: 2 }],
    })
    expect(entries[0]!.ifChangedNs).toBe(35_000)
    // What its CLIENT spans would be if they were not charged to databases is no component.
    const { error } = await post(
      `/api/v1/traces/${traceId}/what-if`,
      { components: [{ kind: 'external', name: 'A' }] },
      404,
    )
    expect(error.details).toEqual({
      components: [{ kind: 'database', name: 'a' }, b, { kind: 'service', name: 'beside' }],
    })
  })

  it('404: no such endpoint, and no such component with those there are', async () => {
    const none = await post('/api/v1/what-if', { ...ENDPOINT, service: 'nobody', components: [OWN] }, 404)
    expect(none.error.code).toBe('no-samples')
    const components = [{ kind: 'database', name: 'oracle' }]
    const { error } = await post('/api/v1/what-if', { ...ENDPOINT, components }, 404)
    expect(error.code).toBe('component-not-found')
    expect(error.message).toContain('database oracle')
    expect((error.details as { components: unknown[] }).components).toContainEqual(OWN)
  })
})

describe('POST /api/v1/traces/{id}/what-if', () => {
  it('is the replay of one trace, with the model that its results name', async () => {
    const { entries, modelVersion } = await post(`/api/v1/traces/${ids[0]}/what-if`, {
      components: [{ ...OWN, factor: 0 }],
    })
    expect(modelVersion).toBe(1)
    const [entry] = entries
    expect(entry).toMatchObject({ service: WORLD.service, scope: 'trace', kind: 'root' })
    expect(entry!.ifChangedNs).toBe(entry!.sweep[3]!.latencyNs)
    const trace = (await (await api.request(`/api/v1/traces/${ids[0]}`)).json()) as {
      entries: { durationNs: number; components: { kind: string; name: string; ifInstantNs: number }[] }[]
    }
    expect(entry!.durationNs).toBe(trace.entries[0]!.durationNs)
    const own = trace.entries[0]!.components.find(({ kind, name }) => kind === 'service' && name === OWN.name)
    expect(entry!.ifChangedNs).toBe(own!.ifInstantNs)
    // ... which is also what the list of stored results says.
    const list = (await (await api.request('/api/v1/traces?from=now-12h&scope=trace&limit=1000')).json()) as {
      traces: { traceId: string; components: (typeof trace.entries)[0]['components'] }[]
    }
    const stored = list.traces.find(({ traceId }) => traceId === ids[0])!
    const pick = ({ kind, name, ifInstantNs }: (typeof stored.components)[0]) => ({ kind, name, ifInstantNs })
    expect(trace.entries[0]!.components.map(pick)).toEqual(
      expect.arrayContaining(stored.components.map(pick)),
    )
  })
  it('404: no such trace, no such component; 400: nothing to change', async () => {
    const nobody = `/api/v1/traces/${'f'.repeat(32)}/what-if`
    expect((await post(nobody, { components: [OWN] }, 404)).error.code).toBe('trace-not-found')
    const path = `/api/v1/traces/${ids[0]}/what-if`
    const components = [{ kind: 'queue', name: 'none' }]
    expect((await post(path, { components }, 404)).error.code).toBe('component-not-found')
    await post(path, {}, 400)
  })
})

describe('the pair that suffices', () => {
  it('is named in /bottlenecks where no single component is enough', async () => {
    const get = async (target: string) => {
      const path = `/api/v1/bottlenecks?from=now-12h&scope=trace&service=${WORLD.service}&target=${encodeURIComponent(target)}`
      const body = (await (await api.request(path)).json()) as { bottlenecks: z.infer<typeof Bottleneck>[] }
      const checked = schemaOf(openapi, '/api/v1/bottlenecks', 'get', 200).safeParse(body)
      expect(checked.success ? undefined : checked.error).toBeUndefined()
      return body.bottlenecks[0]!
    }
    const alone = await get('p50<1ns')
    expect(alone.pair).toBeUndefined()
    const best = Math.min(...alone.components.map(({ ifInstant }) => ifInstant.p50Ns))
    const { pair, pairFigures } = await get(`p50<${Math.round(best * 0.9)}ns`)
    expect(pair).toHaveLength(2)
    expect(pairFigures!.samples).toBe(TRACES)
    expect(pairFigures!.p50Interval![1]).toBeLessThan(best * 0.9)
    const factorOf = (c: { kind: string; name: string }) =>
      pair!.some((of) => of.kind === c.kind && of.name === c.name) ? 0 : 1
    expect(pairFigures!.ifInstant.p50Ns).toBe(quantileOf(await replayed(factorOf, false), 0.5))
  })
})

describe('GET /api/v1/doctor', () => {
  const ask = async (query: string, status = 200) => {
    const answer = await api.request(`/api/v1/doctor${query}`)
    const body = (await answer.json()) as { spans: number; traces: number; share: number; checks: unknown[] }
    expect(answer.status, JSON.stringify(body)).toBe(status)
    const checked = schemaOf(openapi, '/api/v1/doctor', 'get', status).safeParse(body)
    expect(checked.success ? undefined : checked.error).toBeUndefined()
    return body
  }
  it('looks at the traces stored in the range, or those of a service', async () => {
    const all = await ask('')
    expect(all).toMatchObject({ spans: spans.count + SIDE_BY_SIDE.count, traces: TRACES + 1, share: 1 })
    expect(all.checks.length).toBeGreaterThan(8)
    expect(await ask('?service=nobody')).toMatchObject({ spans: 0, traces: 0 })
    expect(await ask(`?service=${WORLD.service}`)).toMatchObject({ traces: TRACES })
    await ask('?from=soon', 400)
  })
})

describe('samples that are replayed', () => {
  it('are at most 500 an hour, weighted so that they stand for all, and the same each time', async () => {
    const hourMs = 3_600_000
    const startMs = Math.floor(Date.now() / hourMs - 30) * hourMs
    await store.client.insert({
      table: 'samples',
      format: 'JSONEachRow',
      values: Array.from({ length: 3000 }, (_, i) => ({
        Start: new Date(startMs + (i % 2) * hourMs + i).toISOString().slice(0, 23).replace('T', ' '),
        Service: 'busy',
        Operation: 'GET /',
        Scope: 'trace',
        TraceId: (i + 1).toString(16).padStart(32, '0'),
        SpanId: '0000000000000001',
        // The second hour has few.
        DurationNs: 1,
        Weight: i % 2 === 0 ? 10 : 1,
        Version: 1,
      })).filter((_, i) => i % 2 === 0 || i < 200),
    })
    const any = { environment: '*', namespace: '*', operation: '*', scope: '*', version: '*' }
    const filter = { ...any, service: 'busy', fromMs: startMs, toMs: startMs + 2 * hourMs }
    const [chosen] = await chooseSamples(store, filter)
    expect(chosen!.entries).toBe(1600)
    expect(chosen!.samples).toHaveLength(REPLAYED_AN_HOUR + 100)
    const few = chosen!.samples.filter(({ weight }) => weight === 1)
    expect(few).toHaveLength(100)
    const total = chosen!.samples.reduce((sum, { weight }) => sum + weight, 0)
    expect(Math.abs(total / (1500 * 10 + 100) - 1)).toBeLessThan(0.1)
    expect((await chooseSamples(store, filter))[0]).toEqual(chosen)
    expect(await chooseSamples(store, { ...filter, version: '2' })).toEqual([])
  })
})
