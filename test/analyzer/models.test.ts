import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { createModel, modelToJson } from '../../src/analysis/model.ts'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createDependencyModels } from '../../src/analyzer/dependency-models.ts'
import { readTraces } from '../../src/store/analyzer-store.ts'
import { publishModel, readModel, readNewestModel } from '../../src/store/models.ts'
import { appendSpan, createColumns, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import { insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'

let store: TestStore
beforeEach(async () => {
  store = await openTestStore()
})
afterEach(() => store?.close())

const SEED = 20261127
const WORLD = createWorld(SEED, FAMILIES['hidden, forget, skew']!)
const requests = (first: number, count: number) => runWorld(WORLD, first, count).columns
const start = (dependencies: 'learned' | 'single' = 'learned') =>
  startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false, dependencies })

type Row = {
  TraceId: string
  SpanId: string
  DurationNs: string
  ModelVersion: string
  /** Component, critical time, if infinitely fast, by how much that may be earlier and later. */
  parts: [string, string, string, string, string][]
}
async function samples(): Promise<Row[]> {
  const answer = await store.client.query({
    query: `SELECT TraceId, SpanId, toString(s.DurationNs) AS DurationNs, toString(s.ModelVersion) AS ModelVersion,
                   arraySort(arrayMap((k, n, c, i, e, l) -> (concat(k, ' ', n), toString(c), toString(i), toString(e), toString(l)),
                     ComponentKinds, ComponentNames, CriticalNs, IfInstantNs,
                     arrayResize(EarlierNs, length(ComponentKinds)), arrayResize(LaterNs, length(ComponentKinds)))) AS parts
            FROM samples AS s FINAL ORDER BY TraceId, SpanId`,
    format: 'JSONEachRow',
  })
  return answer.json<Row>()
}

/** What a trace's spans give with the model that its samples name, in the form of `samples`. */
async function recomputed(rows: readonly Row[]): Promise<Row[]> {
  const again: Row[] = []
  for (const number of new Set(rows.map((row) => row.ModelVersion))) {
    const ids = [...new Set(rows.filter((row) => row.ModelVersion === number).map((row) => row.TraceId))]
    const spans = await readTraces(store, createDictionary(), ids, 0, Number.POSITIVE_INFINITY)
    const model = (await readModel(store, Number(number)))?.model
    const analysis = analyzeSpans(spans, { model, range: true })
    for (const group of groupSamples(analysis)) {
      group.rows.forEach((row, sample) => {
        const span = analysis.samples.span[row]!
        const parts = group.components.flatMap(
          ({ component, sample: on, criticalNs, ifInstantNs, range }) => {
            const at = on.indexOf(sample)
            if (at < 0) return []
            const instantNs = ifInstantNs[at]!
            const figures = [
              criticalNs[at]!,
              instantNs,
              instantNs - (range?.earliestNs[at] ?? instantNs),
              (range?.latestNs[at] ?? instantNs) - instantNs,
            ].map(String)
            return [[`${component.kind} ${component.name}`, ...figures] as Row['parts'][number]]
          },
        )
        again.push({
          TraceId: traceIdHex(spans, span),
          SpanId: idHex(spans.spanId, span),
          DurationNs: String(group.durationsNs[sample]),
          ModelVersion: number,
          parts: parts.sort(([a], [b]) => (a < b ? -1 : 1)),
        })
      })
    }
  }
  return again.sort((a, b) => (a.TraceId + a.SpanId < b.TraceId + b.SpanId ? -1 : 1))
}

describe('publishing', () => {
  it('of several at a time, one publishes a number, and all go on with that', async () => {
    const learned = [...learnDependencies(requests(0, 35)).structures]
    const models = [0, 1, 2].map((count) => createModel(new Map(learned.slice(0, count))))
    expect(new Set(models.map(({ version }) => version)).size).toBe(3)
    const published = await Promise.all(models.map((model) => publishModel(store, model, 0)))
    expect(published.map(({ number }) => number)).toEqual([1, 1, 1])
    const [winner, ...others] = new Set(published.map(({ model }) => model.version))
    expect(others).toEqual([])
    expect((await readNewestModel(store))?.model.version).toBe(winner)
    // What is there is not replaced.
    const loser = models.find(({ version }) => version !== winner)!
    expect((await publishModel(store, loser, 0)).number).toBe(2)
    expect((await readModel(store, 1))?.model.version).toBe(winner)
  })
})

/** 40 requests to each of some jobs, which make three calls, two of them side by side. */
function jobs(names: readonly string[]): SpanColumns {
  const columns = createColumns(createDictionary())
  const random = seeded(SEED)
  names.forEach((name, n) => {
    for (let i = 0; i < 40; i++) {
      const trace = 40 * n + i + 1
      const put = (span: number, kind: string, operation: string, from: number, to: number) =>
        appendSpan(columns, {
          traceId: trace.toString(16),
          spanId: String(span),
          parentSpanId: span === 1 ? '' : '1',
          startNs: BigInt(trace) * 1_000_000_000n + BigInt(Math.round(from * 1e6)),
          endNs: BigInt(trace) * 1_000_000_000n + BigInt(Math.round(to * 1e6)),
          status: 0,
          shapeKey: shapeKeyOf(shapeFieldsFrom(kind, operation, { 'service.name': 'jobs' }, {})),
        })
      const [one, other] = [3 + 5 * random(), 3 + 5 * random()]
      const last = Math.max(one, other) + 0.5 + random()
      put(1, 'SERVER', name, 0, last + 3)
      put(2, 'CLIENT', 'one', 1, one)
      put(3, 'CLIENT', 'other', 1.1, other)
      put(4, 'CLIENT', 'last', last, last + 2)
    }
  })
  return columns
}

describe('names without end', () => {
  it('leave the model as large as it may be: what was met last is kept, and learned from most', async () => {
    const few = (from: number, count: number) => Array.from({ length: count }, (_, i) => `job ${from + i}`)
    const known = (names: string[]) => [...learnDependencies(jobs(names)).structures.keys()]
    const ten = modelToJson(learnDependencies(jobs(few(0, 10)))).length
    const models = createDependencyModels(store, quiet, ten)
    const learn = async (names: string[]) => {
      const spans = jobs(names)
      return (await models.learn(spans, groupByTrace(spans))).model!
    }
    // Each is published: there are twice as many spans.
    await learn(['steady', 'once'])
    await learn(['steady', ...few(0, 5)])
    expect(models.counters).toEqual({ published: 2, structures: 7, structuresDropped: 0 })
    await learn(['steady', ...few(5, 8)])
    const model = await learn(['steady', ...few(13, 20)])
    expect(modelToJson(model).length).toBeLessThanOrEqual(ten)
    expect(model.structures.size).toBeGreaterThan(7)
    expect(model.structures.has(known(['steady'])[0]!)).toBe(true)
    const latest = new Set(known(['steady', ...few(13, 20)]))
    expect([...model.structures.keys()].filter((signature) => !latest.has(signature))).toEqual([])
    expect(models.counters.structuresDropped).toBeGreaterThan(0)
    expect((await readNewestModel(store))!.model.version).toBe(model.version)
  })
})

describe('the analyzer', () => {
  it('records the model with each result: computed again, later, the numbers are the same', async () => {
    const analyzer = start()
    for (const first of [0, 40, 80]) {
      await insertCollectorSpans(store, collectorSpansOf(requests(first, 40)))
      await analyzer.drain()
    }
    const rows = await samples()
    const numbers = new Set(rows.map((row) => Number(row.ModelVersion)))
    expect(numbers.size).toBeGreaterThan(1)
    expect(Math.min(...numbers)).toBe(1)
    expect(analyzer.counters.modelsPublished).toBe(Math.max(...numbers))
    expect(await recomputed(rows)).toEqual(rows)
    // What the evidence leaves open is stored too.
    expect(
      rows.some(({ parts }) => parts.some(([, , , earlier, later]) => earlier !== '0' || later !== '0')),
    ).toBe(true)
    // ... and the models matter: by the rules for one trace some come out differently.
    const alone = await recomputed(rows.map((row) => ({ ...row, ModelVersion: '0' })))
    expect(alone.map(({ parts }) => parts)).not.toEqual(rows.map(({ parts }) => parts))
    const traces = await store.client.query({
      query:
        'SELECT DISTINCT TraceId, toString(a.ModelVersion) AS ModelVersion FROM analyzed_traces AS a FINAL ORDER BY TraceId',
      format: 'JSONEachRow',
    })
    const ofTraces = new Map(rows.map((row) => [row.TraceId, row.ModelVersion]))
    expect(await traces.json()).toEqual(
      [...ofTraces].map(([TraceId, ModelVersion]) => ({ TraceId, ModelVersion })),
    )
  })

  it('knows clocks that are apart, as files analyzed at once do', async () => {
    const spans = requests(0, 60)
    await insertCollectorSpans(store, collectorSpansOf(spans))
    await start().drain()
    const { clocks } = (await readNewestModel(store))!.model
    expect(clocks).not.toEqual([])
    expect(clocks).toEqual(learnDependencies(spans).clocks)
  })

  it('starts from what another one has published', async () => {
    await insertCollectorSpans(store, collectorSpansOf(requests(0, 40)))
    await start().drain()
    const first = (await readNewestModel(store))!
    // Too few to learn anything from.
    await insertCollectorSpans(store, collectorSpansOf(requests(900, 2)))
    await start().drain()
    const rows = await samples()
    expect(new Set(rows.map((row) => Number(row.ModelVersion)))).toEqual(new Set([first.number]))
    expect((await readNewestModel(store))!.number).toBe(first.number)
  })

  it('with single learns nothing', async () => {
    await insertCollectorSpans(store, collectorSpansOf(requests(0, 40)))
    await start('single').drain()
    expect(await readNewestModel(store)).toBeUndefined()
    const rows = await samples()
    expect(new Set(rows.map((row) => row.ModelVersion))).toEqual(new Set(['0']))
    expect(await recomputed(rows)).toEqual(rows)
  })
})
