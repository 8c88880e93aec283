import type { OpenAPIHono } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RollupKey } from '../../src/analysis/rollup.ts'
import { createRollupBuilder } from '../../src/analyzer/rollups.ts'
import { createApi } from '../../src/api/app.ts'
import { readEndpointRollups } from '../../src/store/rollup-sums.ts'
import { coverOf, EVERYTHING, namedTogether } from '../../src/store/rollups.ts'
import { openStore } from '../../src/store/store.ts'
import { seeded } from '../bench/random.ts'
import { openTestStore, quiet, type TestStore } from '../support/store.ts'
import { schemaOf } from './contract.ts'

const MS = 1_000_000
const SEED = 11
/** Three hours, an hour ago; after 90 minutes version 2 comes, which calls its database twice instead of once. */
const MINUTES = 180
const HALF = 90
const from = (Math.floor(Date.now() / 3_600_000) - 4) * 3_600_000
const at = (minute: number) => new Date(from + minute * 60_000).toISOString()
const whole = `from=${at(0)}&to=${at(MINUTES)}`

let store: TestStore
let api: OpenAPIHono
let openapi: Parameters<typeof schemaOf>[0]
/** Durations of the two halves, ns. */
const durations: [number[], number[]] = [[], []]

/**
 * Requests of shop GET /: 20 ms of its own, and calls of pg (10 ms each; once, later three times) after which the partner
 * is called (25 ms, later 5 ms). Busy in every tenth minute. One of 50 fails.
 */
function samples() {
  const random = seeded(SEED)
  const jitter = () => Math.floor((0.9 + 0.2 * random()) * MS)
  return Array.from({ length: MINUTES }, (_, minute) => {
    const late = minute >= HALF
    return Array.from({ length: minute % 10 === 0 ? 30 : 6 }, (_, i) => {
      const own = 20 * jitter()
      const calls = late ? 3 : 1
      const database = calls * 10 * jitter()
      const partner = (late ? 5 : 25) * jitter()
      const durationNs = own + database + partner
      durations[late ? 1 : 0].push(durationNs)
      return {
        Start: ((from + minute * 60_000 + i * 1000) / 1000).toFixed(3),
        Environment: 'prod',
        Namespace: '',
        Service: 'shop',
        Operation: 'GET /',
        Scope: 'trace',
        ServiceVersion: late ? '2' : '1',
        TraceId: (minute * 1000 + i).toString(16).padStart(32, '0'),
        SpanId: '0000000000000001',
        EntryKind: 'root',
        DurationNs: durationNs,
        IsError: i === 0 && minute % 8 === 0 ? 1 : 0,
        ComponentKinds: ['service', 'database', 'external'],
        ComponentNames: ['shop', 'pg', 'partner'],
        CriticalNs: [own, database, partner],
        IfInstantNs: [durationNs - own, durationNs - database, durationNs - partner],
        // Whether the partner was waited for throughout is not known before version 2.
        EarlierNs: late ? [] : [0, 0, 0],
        LaterNs: late ? [] : [0, 0, Math.floor(partner / 10)],
        ComponentCalls: [1, calls, 1],
        NodeParents: [0, 1, 1],
        NodeFrames: ['service\x1fshop\x1fGET /', 'database\x1fpg\x1fSELECT', 'external\x1fpartner\x1fPOST'],
        NodeNs: [own, database, partner],
        NodeCalls: [1, calls, 1],
        Version: minute * 1000 + i,
        IsDeleted: 0,
      }
    })
  }).flat()
}

/**
 * A day before, a job of 6 minutes every 15 minutes, of 7 after HALF, in two environments alike. In a
 * third it runs only before, in a fourth only after HALF, and takes longest there.
 */
const jobsFrom = from - 86_400_000
function jobs(like: ReturnType<typeof samples>[0]) {
  return ['same-b', 'same-a', 'then', 'when'].flatMap((environment, e) =>
    Array.from({ length: MINUTES / 15 }, (_, i) => ({ minute: 15 * i + 2, late: 15 * i >= HALF, i }))
      .filter(({ late }) => e < 2 || late === (environment === 'when'))
      .map(({ minute, late, i }) => {
        const durationNs = (e > 1 ? 12 : late ? 7 : 6) * 60_000 * MS
        return {
          ...like,
          Start: ((jobsFrom + minute * 60_000) / 1000).toFixed(3),
          Environment: environment,
          Service: 'nightly',
          Operation: 'job',
          ServiceVersion: '',
          TraceId: `${e}${i}`.padStart(32, 'e'),
          DurationNs: durationNs,
          ComponentKinds: ['service'],
          ComponentNames: ['nightly'],
          CriticalNs: [durationNs],
          IfInstantNs: [0],
          EarlierNs: [],
          LaterNs: [],
          ComponentCalls: [1],
          NodeParents: [0],
          NodeFrames: ['service\x1fnightly\x1fjob'],
          NodeNs: [durationNs],
          NodeCalls: [1],
        }
      }),
  )
}

/** Two days before, a request to each of 700 endpoints. */
function many(like: ReturnType<typeof samples>[0]) {
  return Array.from({ length: 700 }, (_, i) => ({
    ...like,
    Start: ((from - 2 * 86_400_000) / 1000).toFixed(3),
    Environment: 'test',
    Scope: 'service',
    Operation: `GET /${i}`,
    TraceId: `${i}`.padStart(32, 'd'),
  }))
}

beforeAll(async () => {
  store = await openTestStore()
  const requests = samples()
  const values = [...requests, ...jobs(requests[0]!), ...many(requests[0]!)]
  await store.client.insert({ table: 'samples', values, format: 'JSONEachRow' })
  await createRollupBuilder(store, quiet, { rollups: 0, tooLate: 0 }).run()
  api = createApi({ store, log: quiet })
  openapi = (await (await api.request('/openapi.json')).json()) as typeof openapi
})
afterAll(() => store?.close())

// biome-ignore lint/suspicious/noExplicitAny: an answer of any route; its schema is checked.
type Json = any

/** The answer, held against what /openapi.json says of it. */
async function ask(path: string, status = 200, method = 'get', body?: unknown): Promise<Json> {
  const answer = await api.request(path, {
    method: method.toUpperCase(),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })
  const json = (await answer.json()) as Json
  expect(answer.status, JSON.stringify(json)).toBe(status)
  const route = path.split('?')[0]!.replace(/marks\/.+/, 'marks/{name}')
  const checked = schemaOf(openapi, route, method, status).safeParse(json)
  expect(checked.success ? undefined : checked.error).toBeUndefined()
  return json
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
const within = (share: number) => (actual: number, expected: number) =>
  expect(Math.abs(actual - expected), `${actual} and ${expected}`).toBeLessThanOrEqual(share * expected)

describe('what the evidence for dependencies leaves open', () => {
  const early = `from=${at(0)}&to=${at(HALF)}&service=shop`
  const late = `from=${at(HALF)}&to=${at(MINUTES)}&service=shop`
  const componentsOf = async (query: string) => {
    const { bottlenecks } = await ask(`/api/v1/bottlenecks?${query}`)
    return (name: string) => bottlenecks[0].components.find((c: Json) => c.name === name)
  }

  it('is told of the components it is of, and their intervals cover it', async () => {
    const component = await componentsOf(early)
    for (const q of ['p50', 'p95'] as const) {
      const { ifInstant, structuralRange, [`${q}Interval`]: interval } = component('partner')
      const [earliest, latest] = structuralRange[`${q}Ns`]
      expect(earliest).toBe(ifInstant[`${q}Ns`])
      // About a tenth of 25 ms, within 1 % of 30.
      expect(latest - earliest).toBeGreaterThan(1.9 * MS)
      expect(latest - earliest).toBeLessThan(3.1 * MS)
      expect(interval[0]).toBeLessThanOrEqual(earliest)
      expect(interval[1]).toBeGreaterThanOrEqual(latest)
    }
    expect(component('pg').structuralRange).toBeUndefined()
    expect((await componentsOf(late))('partner').structuralRange).toBeUndefined()
  })

  it('decides: what meets the target only at the one end is no bottleneck', async () => {
    // Without the partner at most 33 ms, with a tenth of it about 35 at p95.
    const component = await componentsOf(`${early}&target=p95<34ms`)
    expect(component('partner').verdict).toBe('contributor')
    const { endpoints } = await ask(`/api/v1/endpoints?${early}&target=p95<34ms`)
    expect(endpoints[0]).toMatchObject({ leader: { name: 'partner' }, verdict: 'contributor' })
    const [low, high] = endpoints[0].p95RangeWithout
    expect(endpoints[0].p95IntervalWithout[0]).toBeLessThanOrEqual(low)
    expect(endpoints[0].p95IntervalWithout[1]).toBeGreaterThanOrEqual(high)
    expect((await ask(`/api/v1/endpoints?${late}`)).endpoints[0].p95RangeWithout).toBeUndefined()
  })
})

describe('/api/v1/timeline', () => {
  it('has latency, shares and the leader of each step', async () => {
    const { timeline, stepSeconds, coverage } = await ask(`/api/v1/timeline?${whole}&service=shop&step=600`)
    expect(stepSeconds).toBe(600)
    expect(coverage).toEqual({ from: at(0), to: at(MINUTES), stepSeconds: 600 })
    expect(timeline).toHaveLength(MINUTES / 10)
    timeline.forEach((point: Json, i: number) => {
      expect(point.from).toBe(at(10 * i))
      expect(point.entries).toBe(30 + 9 * 6)
      expect(point.ratePerSecond).toBeCloseTo(84 / 600, 9)
      expect(point.leader).toMatchObject({ name: i < HALF / 10 ? 'partner' : 'pg' })
      const shares = point.components.map((c: Json) => c.criticalShare)
      expect(shares.reduce((a: number, b: number) => a + b, 0)).toBeCloseTo(1, 9)
    })
    within(1e-9)(timeline[0].observed.meanNs, mean(durations[0].slice(0, 84)))
  })

  it('has pages for whoever asks for them', async () => {
    const all = await ask(`/api/v1/timeline?${whole}&step=600`)
    expect(all).toMatchObject({ total: MINUTES / 10, nextOffset: null })
    const page = await ask(`/api/v1/timeline?${whole}&step=600&limit=3&offset=2`)
    expect(page).toEqual({ ...all, timeline: all.timeline.slice(2, 5), nextOffset: 5 })
  })

  it('steps are longer where there would be too many', async () => {
    const { stepSeconds, timeline } = await ask(`/api/v1/timeline?from=${at(0)}&to=now`)
    expect(stepSeconds).toBe(60)
    expect(timeline).toHaveLength(MINUTES)
    expect((await ask('/api/v1/timeline?from=now-30d&to=now')).stepSeconds).toBe(3600)
    expect((await ask(`/api/v1/timeline?${whole}&step=7`, 400)).error.code).toBe('bad-parameter')
  })
})

describe('/api/v1/events', () => {
  it('says when another component came to lead, and when a version came', async () => {
    const { events } = await ask(`/api/v1/events?${whole}`)
    expect(events.map((e: Json) => [e.kind, e.time])).toEqual([
      ['leader-change', at(HALF)],
      ['new-version', at(HALF)],
    ])
    expect(events[0]).toMatchObject({
      service: 'shop',
      operation: 'GET /',
      from: { kind: 'external', name: 'partner' },
      to: { kind: 'database', name: 'pg' },
    })
    within(0.2)(events[0].to.savedP95Ns, 30 * MS)
    expect(events[1]).toMatchObject({ service: 'shop', version: '2' })
  })

  it('looks at longer steps where there are many endpoints', async () => {
    const month = `from=${new Date(from - 30 * 86_400_000).toISOString()}&to=${at(0)}`
    const stepOf = async (of: string) => (await ask(`/api/v1/events?${month}&${of}`)).coverage.stepSeconds
    expect(await stepOf('environment=same-a')).toBe(3600)
    expect(await stepOf('environment=test&scope=service')).toBe(6 * 3600)
  })
})

describe('/api/v1/compare', () => {
  const halves = `from=${at(HALF)}&to=${at(MINUTES)}&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`

  it('splits the change of mean latency so that it adds up', async () => {
    const { comparisons, coverage } = await ask(`/api/v1/compare?${halves}`)
    expect(comparisons).toHaveLength(1)
    const [{ mean: change, components, before, after }] = comparisons
    expect([before.entries, after.entries]).toEqual([durations[0].length, durations[1].length])
    within(1e-9)(change.beforeNs, mean(durations[0]))
    within(1e-9)(change.afterNs, mean(durations[1]))
    const sum = components.reduce((sum: number, c: Json) => sum + c.changeNs, 0)
    expect(sum).toBeCloseTo(change.changeNs, 3)
    for (const c of components) expect(c.byCallsNs + c.byTimeNs).toBeCloseTo(c.changeNs, 3)
    const of = (name: string) => components.find((c: Json) => c.name === name)
    // More calls, not slower ones; slower calls, not more; nothing.
    expect(of('pg')).toMatchObject({ beyondChance: true, calls: { before: 1, after: 3 } })
    within(0.03)(of('pg').byCallsNs, 20 * MS)
    expect(Math.abs(of('pg').byTimeNs)).toBeLessThan(MS)
    expect(of('partner')).toMatchObject({ beyondChance: true, byCallsNs: 0 })
    expect(of('shop').beyondChance).toBe(false)
    expect(coverage.before).toMatchObject({ from: at(0), to: at(HALF) })
  })

  it('compares versions and marks alike', async () => {
    // Sums of squares depend on the order in their last digits; which traces are typical, on the steps.
    const compared = async (path: string) =>
      JSON.parse(
        JSON.stringify((await ask(path)).comparisons, (key, value) =>
          key === 'exemplars' ? undefined : key === 'marginNs' && value !== null ? Math.round(value) : value,
        ),
      )
    const ranges = await compared(`/api/v1/compare?${halves}`)
    expect(await compared(`/api/v1/compare?${whole}&baselineVersion=1&version=2`)).toEqual(ranges)
    await ask('/api/v1/marks/before', 200, 'put', { from: at(0), to: at(HALF) })
    await ask('/api/v1/marks/after', 200, 'put', { from: at(5), to: at(HALF) })
    await ask('/api/v1/marks/after', 200, 'put', { from: at(HALF), to: at(MINUTES) })
    expect((await ask('/api/v1/marks')).marks).toEqual([
      { name: 'before', from: at(0), to: at(HALF) },
      { name: 'after', from: at(HALF), to: at(MINUTES) },
    ])
    const second = { name: 'after', from: at(HALF), to: at(MINUTES) }
    expect(await ask('/api/v1/marks?limit=1')).toMatchObject({ total: 2, nextOffset: 1 })
    expect(await ask('/api/v1/marks?limit=1&offset=1')).toEqual({
      marks: [second],
      total: 2,
      nextOffset: null,
    })
    expect((await ask(`/api/v1/marks?from=${at(HALF)}`)).marks).toEqual([second])
    expect((await ask(`/api/v1/marks?to=${at(HALF)}`)).marks).toMatchObject([{ name: 'before' }])
    expect(await compared('/api/v1/compare?baseline=before&mark=after')).toEqual(ranges)
    await ask('/api/v1/marks/after', 200, 'delete')
    expect((await ask('/api/v1/compare?baseline=before&mark=after', 404)).error.code).toBe('no-such-mark')
    expect((await ask('/api/v1/marks/after', 404, 'delete')).error.code).toBe('no-such-mark')
    expect((await ask('/api/v1/compare', 400)).error.message).toContain('baseline')
  })

  it('nothing that did not change is beyond chance', async () => {
    const same = `from=${at(40)}&to=${at(80)}&baselineFrom=${at(0)}&baselineTo=${at(40)}`
    const { comparisons } = await ask(`/api/v1/compare?${same}`)
    for (const { mean, components } of comparisons) {
      for (const change of [mean, ...components]) expect(change.beyondChance).toBe(false)
    }
  })
})

/** A time of the day of the jobs. */
const jobAt = (minute: number) => new Date(jobsFrom + minute * 60_000).toISOString()

describe('where requests are few and long', () => {
  it('/compare has what can be compared first, ties by name', async () => {
    const { comparisons } = await ask(
      `/api/v1/compare?from=${jobAt(HALF)}&to=${jobAt(MINUTES)}&baselineFrom=${jobAt(0)}&baselineTo=${jobAt(HALF)}`,
    )
    expect(comparisons.map((c: Json) => [c.environment, c.before.entries, c.after.entries])).toEqual([
      ['same-a', 6, 6],
      ['same-b', 6, 6],
      ['then', 6, 0],
      ['when', 0, 6],
    ])
  })

  it('/capacity counts what runs, in whichever minute it started', async () => {
    const capacity = (first: number) =>
      ask(`/api/v1/capacity?from=${jobAt(first)}&to=${jobAt(MINUTES)}&service=nightly&environment=same-a`)
    const { points, little } = await capacity(0)
    // 12 jobs in 6 minutes or 7.
    expect(points).toHaveLength(6 * 6 + 6 * 7)
    within(1e-9)(little.concurrency, little.throughputTimesLatency)
    // The first had begun.
    const { points: later } = await capacity(4)
    expect(later).toEqual(points.slice(2))
  })
})

describe('/api/v1/flamegraph', () => {
  it('has no stacks of SERVER spans by themselves, and says so', async () => {
    const { error } = await ask(`/api/v1/flamegraph?${whole}&scope=service`, 400)
    expect(error.message).toBe('scope: expected trace: SERVER spans by themselves have no stacks')
    expect((await ask(`/api/v1/flamegraph?${whole}&scope=trace`)).entries).toBeGreaterThan(0)
  })

  it('tells all of the time, in three formats', async () => {
    const total = [...durations[0], ...durations[1]].reduce((a, b) => a + b, 0)
    const { roots, totalNs, entries } = await ask(`/api/v1/flamegraph?${whole}&service=shop`)
    expect([totalNs, entries]).toEqual([total, durations[0].length + durations[1].length])
    expect(roots[0]).toMatchObject({ name: 'service shop: GET /', totalNs: total, calls: entries })
    expect(roots[0].children.map((c: Json) => c.name).sort()).toEqual([
      'database pg: SELECT',
      'external partner: POST',
    ])
    const folded = await (await api.request(`/api/v1/flamegraph?${whole}&format=folded`)).text()
    const lines = folded.trim().split('\n')
    expect(lines.map((line) => line.replace(/ \d+$/, ''))).toEqual([
      'service shop: GET /',
      'service shop: GET /;database pg: SELECT',
      'service shop: GET /;external partner: POST',
    ])
    expect(lines.reduce((sum, line) => sum + Number(/\d+$/.exec(line)![0]), 0)).toBe(total)
    const { profiles, shared } = await ask(`/api/v1/flamegraph?${whole}&format=speedscope`)
    expect(profiles[0]).toMatchObject({ type: 'sampled', unit: 'nanoseconds', endValue: total })
    expect(shared.frames).toHaveLength(3)
  })

  it('shows what changed between two ranges, a request each', async () => {
    const { roots } = await ask(
      `/api/v1/flamegraph?from=${at(HALF)}&to=${at(MINUTES)}&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`,
    )
    within(1e-9)(roots[0].beforeNs, mean(durations[0]))
    within(1e-9)(roots[0].afterNs, mean(durations[1]))
    expect(roots[0].children.map((c: Json) => [c.name, Math.sign(c.changeNs)])).toEqual(
      expect.arrayContaining([
        ['database pg: SELECT', 1],
        ['external partner: POST', -1],
      ]),
    )
  })
})

describe('/api/v1/flamegraph and /api/v1/compare', () => {
  const halves = `from=${at(HALF)}&to=${at(MINUTES)}&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`

  it('take marks and versions alike', async () => {
    await ask('/api/v1/marks/first-half', 200, 'put', { from: at(0), to: at(HALF) })
    await ask('/api/v1/marks/second-half', 200, 'put', { from: at(HALF), to: at(MINUTES) })
    const { roots, entries } = await ask(`/api/v1/flamegraph?${halves}`)
    expect(entries).toEqual({ before: durations[0].length, after: durations[1].length })
    for (const query of ['baseline=first-half&mark=second-half', `${whole}&baselineVersion=1&version=2`]) {
      expect((await ask(`/api/v1/flamegraph?${query}`)).roots).toEqual(roots)
    }
    const { entries: marked } = await ask('/api/v1/flamegraph?mark=first-half')
    expect(marked).toBe(durations[0].length)
    await ask('/api/v1/flamegraph?mark=nowhere', 404)
  })

  it.each([
    [`from=${at(HALF)}&baselineFrom=${at(0)}`, 'baselineTo'],
    [`baselineTo=${at(HALF)}`, 'baselineFrom'],
    [`baselineFrom=${at(HALF)}&baselineTo=${at(0)}`, 'baselineFrom'],
    [`baseline=x&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`, 'baseline'],
  ])('say what is wrong with a baseline: %s', async (query, parameter) => {
    for (const route of ['flamegraph', 'compare']) {
      if (parameter === 'baseline') await ask('/api/v1/marks/x', 200, 'put', { from: at(0), to: at(HALF) })
      const { error } = await ask(`/api/v1/${route}?${query}`, 400)
      expect(error.details).toEqual([{ parameter, message: error.message }])
    }
  })
})

describe('a version', () => {
  it.each(['endpoints', 'bottlenecks', 'components', 'timeline', 'traces', 'capacity', 'flamegraph'])(
    '/%s answers of it alone: here as of the half in which there was no other',
    async (route) => {
      const of = async (query: string) => {
        const { coverage, ...answer } = await ask(`/api/v1/${route}?service=shop&limit=900&${query}`)
        // What is spread over the range depends on how long that is.
        return JSON.parse(
          JSON.stringify(answer, (key, value) =>
            ['exemplars', 'ratePerSecond'].includes(key) ? undefined : value,
          ),
        )
      }
      const ofVersion = await of(`${whole}&version=2`)
      expect(ofVersion).toEqual(await of(`from=${at(HALF)}&to=${at(MINUTES)}`))
      expect(ofVersion).not.toEqual(await of(whole))
    },
  )
})

describe('/api/v1/capacity', () => {
  it("measures concurrency, which Little's law confirms", async () => {
    const { points, little, stepSeconds, scalability } = await ask(`/api/v1/capacity?${whole}&service=shop`)
    expect(stepSeconds).toBe(60)
    expect(points).toHaveLength(MINUTES)
    within(1e-9)(points[0].concurrency, durations[0].slice(0, 30).reduce((a, b) => a + b) / 60e9)
    expect(little.agreeing).toBe(1)
    within(1e-9)(little.concurrency, little.throughputTimesLatency)
    expect(scalability.fit).toBeNull()
    expect(scalability.reason).toContain('hardly ever')
  })

  it('has pages for whoever asks for them', async () => {
    const all = await ask(`/api/v1/capacity?${whole}`)
    expect(all).toMatchObject({ total: MINUTES, nextOffset: null })
    const page = await ask(`/api/v1/capacity?${whole}&limit=3&offset=2`)
    expect(page).toEqual({ ...all, points: all.points.slice(2, 5), nextOffset: 5 })
  })

  it('gives verdicts by load', async () => {
    const { levels } = await ask(`/api/v1/capacity?from=${at(0)}&to=${at(HALF)}&service=shop&target=p95<40ms`)
    expect(levels.map((l: Json) => [l.name, l.windows])).toEqual([
      ['quiet half', 45],
      ['busy', 36],
      ['busiest tenth', 9],
    ])
    expect(levels[2].ratePerSecond).toBeCloseTo(0.5, 9)
    expect(levels[2]).toMatchObject({ leader: { name: 'partner' }, verdict: 'bottleneck' })
  })

  it('is of entries of all services where none is named', async () => {
    const [all, entries] = [
      await ask(`/api/v1/capacity?${whole}`),
      await ask(`/api/v1/capacity?${whole}&scope=trace`),
    ]
    expect(all.points).toHaveLength(MINUTES)
    expect(all).toEqual(entries)
    const named = await ask(`/api/v1/capacity?${whole}&service=shop`)
    expect(all.little.concurrency).toBeGreaterThanOrEqual(named.little.concurrency)
  })
})

describe('a range', () => {
  it('is snapped outward to the steps that are there', async () => {
    const { coverage, endpoints } = await ask(`/api/v1/endpoints?from=${at(0.5)}&to=${at(9.2)}`)
    expect(coverage).toEqual({ from: at(0), to: at(10), stepSeconds: 600 })
    expect((await ask(`/api/v1/endpoints?from=${at(0.5)}&to=${at(12)}`)).coverage.stepSeconds).toBe(60)
    expect(endpoints[0].entries).toBe(30 + 9 * 6)
    const old = await ask(
      `/api/v1/endpoints?from=${new Date(from - 20 * 86_400_000).toISOString()}&to=${at(10)}`,
    )
    expect(old.coverage.stepSeconds).toBe(600)
    expect(Date.parse(old.coverage.from) % 3_600_000).toBe(0)
    expect(old.endpoints[0].entries).toBe(30 + 9 * 6)
  })

  it.each(['endpoints', 'timeline', 'events', 'flamegraph', 'capacity'])(
    '/%s looks no further ahead than spans may be',
    async (route) => {
      const { coverage } = await ask(`/api/v1/${route}?service=shop&from=${at(0)}&to=2105-12-31`)
      expect(coverage.from <= at(0)).toBe(true)
      expect(Date.parse(coverage.to)).toBeLessThan(Date.now() + 7 * 86_400_000)
      const later = await ask(`/api/v1/${route}?service=shop&from=2105-01-01&to=2105-12-31`)
      expect(Object.values(later).filter((value) => Array.isArray(value) && value.length > 0)).toEqual(
        route === 'capacity' ? [later.levels] : [],
      )
    },
  )
})

describe('endpoints beyond what a statement names', () => {
  it('are added up in slices', async () => {
    const range = `from=${new Date(from - 3 * 86_400_000).toISOString()}&to=${at(0)}`
    const { components } = await ask(`/api/v1/components?${range}&environment=test&scope=service`)
    const [like] = samples() as [ReturnType<typeof samples>[0]]
    expect(
      components.map((c: Json) => [c.name, c.endpoints, c.entries, c.worstEndpoint.operation]).sort(),
    ).toEqual(['partner', 'pg', 'shop'].map((name) => [name, 700, 700, 'GET /0']))
    const shop = components.find((c: Json) => c.name === 'shop')
    within(1e-9)(shop.criticalShare, like.CriticalNs[0]! / like.DurationNs)
    within(1e-9)(shop.savedNs, 700 * like.CriticalNs[0]!)
  })

  it('are read in slices, and no others with them', async () => {
    const cover = await coverOf(store, { fromMs: from, toMs: from + MINUTES * 60_000 })
    const all = await readEndpointRollups(store, cover, EVERYTHING, { observed: true })
    expect(all).toHaveLength(1)
    const [shop] = all as [(typeof all)[0]]
    const absent = Array.from({ length: 900 }, (_, i) => ({ ...shop.key, operation: `GET /${i}` }))
    const read = (endpoints: RollupKey[]) =>
      readEndpointRollups(store, cover, { ...EVERYTHING, endpoints }, { observed: true })
    expect(await read(absent)).toEqual([])
    expect(await read([...absent.slice(0, 500), shop.key, ...absent.slice(500)])).toEqual(all)
    expect(namedTogether(absent).map(({ length }) => length)).toEqual([400, 400, 100])
    const long = absent.slice(0, 3).map((key) => ({ ...key, service: 's'.repeat(30_000) }))
    expect(namedTogether(long).map(({ length }) => length)).toEqual([2, 1])
  })
})

describe('what is remembered', () => {
  const ranges = `from=${at(0)}&to=${new Date(from + 3 * 3_600_000).toISOString()}`
  const routes = [
    `endpoints?${ranges}`,
    `bottlenecks?${ranges}&target=p95<50ms`,
    `components?${ranges}`,
    `timeline?${ranges}`,
    `timeline?${ranges}&step=3600`,
    `events?${ranges}`,
    `compare?${ranges}&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`,
    `capacity?${ranges}&service=shop`,
    `flamegraph?${ranges}`,
  ]
  /** Answers, to 9 digits: sums of squares depend on the order. */
  const answers = async (of: OpenAPIHono) => {
    const texts: [string, string][] = []
    for (const route of routes) {
      const answer = await of.request(`/api/v1/${route}`)
      expect(answer.status).toBe(200)
      const text = JSON.stringify(await answer.json(), (_, value) =>
        typeof value === 'number' ? Number(value.toPrecision(9)) : value,
      )
      texts.push([route, text])
    }
    return texts
  }

  it('is what the store says, before and after something came late', async () => {
    const remembered = await answers(api)
    expect(await answers(api)).toEqual(remembered)
    const late = samples().find(({ TraceId }) => TraceId.endsWith((10 * 1000).toString(16)))!
    // In the eleventh minute, slower than any other, and of a version of its own.
    const row = {
      ...late,
      ServiceVersion: '3',
      TraceId: 'f'.repeat(32),
      DurationNs: 900 * MS,
      CriticalNs: [100 * MS, 700 * MS, 100 * MS],
      IfInstantNs: [800 * MS, 200 * MS, 800 * MS],
      Version: Date.now() * 1000,
    }
    await store.client.insert({ table: 'samples', values: [row], format: 'JSONEachRow' })
    await createRollupBuilder(store, quiet, { rollups: 0, tooLate: 0 }).run()
    const after = await answers(api)
    const other = openStore({ ...options(), log: quiet })
    const fromStore = await answers(createApi({ store: other, log: quiet }))
    await other.close()
    expect(after).toEqual(fromStore)
    const changed = routes.filter((_, i) => after[i]![1] !== remembered[i]![1])
    expect(changed).toEqual(routes)

    // Of each component the late one is the trace in which it would save most, and no typical one.
    const exemplars = [
      ...(await ask(`/api/v1/components?${ranges}`)).components,
      ...(await ask(`/api/v1/compare?${ranges}&baselineFrom=${at(0)}&baselineTo=${at(HALF)}`)).comparisons[0]
        .components,
      (await ask(`/api/v1/timeline?${ranges}&step=600`)).timeline[1].leader,
    ].map((of: Json) => of.exemplars)
    expect(exemplars).toHaveLength(7)
    for (const { worst, typical } of exemplars) {
      expect(worst[0]).toBe(row.TraceId)
      expect(worst).toHaveLength(3)
      expect(typical).toHaveLength(3)
      expect(typical).not.toContain(row.TraceId)
    }
  })

  const options = () => ({
    url: store.url,
    database: store.database,
    retentionDays: store.retention.days,
    rollupRetentionDays: store.retention.rollupDays,
  })
})
