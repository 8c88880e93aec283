import { afterAll, beforeAll, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createEndpointNames } from '../../src/analyzer/endpoint-names.ts'
import { readTraces } from '../../src/store/analyzer-store.ts'
import { readModel } from '../../src/store/models.ts'
import { samplesBlock } from '../../src/store/samples-block.ts'
import type { Store } from '../../src/store/store.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import { type CollectorSpan, insertCollectorSpans, openTestStore, quiet } from '../support/store.ts'
import { expectAlike, readStored, rollUpSlowly } from './rollup-twin.ts'

let store: Store
/** Holds nothing but what is computed again. */
let scratch: Store

beforeAll(async () => {
  store = await openTestStore()
  scratch = await openTestStore()
})
afterAll(async () => {
  await store?.close()
  await scratch?.close()
})

const WORLD = createWorld(20261128, FAMILIES['hidden, forget, skew']!)
const requests = (first: number, count: number) => collectorSpansOf(runWorld(WORLD, first, count).columns)

/** An analyzer whose store fails once, at the first insert into a table. */
function open(failsAt?: string) {
  let fails = failsAt
  const insertBlock: Store['insertBlock'] = (table, native, token) => {
    if (table !== fails) return store.insertBlock(table, native, token)
    fails = undefined
    return Promise.reject(new Error('cut short'))
  }
  return startAnalyzer({ store: { ...store, insertBlock }, settleSeconds: 0, log: quiet, loop: false })
}

/** Every trace again, from its spans and the model that its samples name. Returns the models' numbers. */
async function recompute(): Promise<Set<number>> {
  const answer = await store.client.query({
    query: 'SELECT DISTINCT TraceId, toString(s.ModelVersion) AS model FROM samples AS s FINAL',
    format: 'JSONEachRow',
  })
  const ids = new Map<number, string[]>()
  for (const { TraceId, model } of await answer.json<{ TraceId: string; model: string }>()) {
    ids.set(Number(model), [...(ids.get(Number(model)) ?? []), TraceId])
  }
  for (const [number, of] of ids) {
    const dictionary = createDictionary()
    const names = createEndpointNames([])
    const spans = await readTraces(store, dictionary, of, 0, Number.POSITIVE_INFINITY)
    const model = (await readModel(store, number))?.model
    const analysis = analyzeSpans(spans, { model, range: true, callTrees: true })
    const nameOf = (endpoint: number) => names.nameOf(dictionary.endpoints[endpoint]!)
    const { block } = samplesBlock(analysis, nameOf, [], { version: 1, modelVersion: number })
    await scratch.insertBlock('samples', block, `model-${number}`)
  }
  return new Set(ids.keys())
}

it('rollups are what all spans, analyzed again with the models that results name, add up to', async () => {
  const [a, b] = [open(), open()]
  await insertCollectorSpans(store, requests(0, 40))
  await Promise.all([a.drain(), b.drain()])

  // Spans that come late (no roots: those are waited for): traces are analyzed again, with what is known by then.
  const later = requests(40, 60)
  const isLate = (span: CollectorSpan, i: number) => span.ParentSpanId !== '' && i % 7 === 3
  await insertCollectorSpans(
    store,
    later.filter((span, i) => !isLate(span, i)),
  )
  await Promise.all([a.drain(), b.drain()])
  await insertCollectorSpans(store, later.filter(isLate))
  await a.drain()

  // Processes that die between two inserts; the next one makes it good.
  for (const table of ['analyzed_traces', 'rollups']) {
    const first = 100 + 20 * ['analyzed_traces', 'rollups'].indexOf(table)
    await insertCollectorSpans(store, requests(first, 20))
    await expect(open(table).drain()).rejects.toThrow('cut short')
  }
  await open().drain()

  const models = await recompute()
  expect(models.size).toBeGreaterThan(1)
  const [expected, stored] = await Promise.all([rollUpSlowly(scratch), readStored(store)])
  expect(new Set([...expected.keys()].map((name) => Number(name.split(' ')[0]))).size).toBeGreaterThan(2)
  expectAlike(expected, stored)
})
