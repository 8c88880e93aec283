import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import type { Store } from '../../src/store/store.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import {
  type CollectorSpan,
  emptyStore,
  insertCollectorSpans,
  openTestStore,
  quiet,
  startTestEngine,
  type TestEngine,
} from '../support/store.ts'
import { expectAlike, readStored, rollUpSlowly } from './rollup-twin.ts'

let engine: TestEngine
let store: Store
beforeAll(async () => {
  engine = await startTestEngine()
  store = await openTestStore(engine.url)
})
beforeEach(() => emptyStore(store))
afterAll(async () => {
  await store?.close()
  await engine?.stop()
})

const WORLD = createWorld(20261128, FAMILIES.joined!)
const MINUTES = 3

/** Traces by the minute that they were stored in, some minutes ago; of every second one a span came a minute later. */
async function storeBacklog() {
  const spans = collectorSpansOf(runWorld(WORLD, 0, 24).columns)
  const numberOf = new Map<string, number>()
  for (const { TraceId } of spans) if (!numberOf.has(TraceId)) numberOf.set(TraceId, numberOf.size)
  const nowSeconds = Math.floor(Date.now() / 1000)
  const seen = new Set<string>()
  const stored = spans.map((span): CollectorSpan => {
    const number = numberOf.get(span.TraceId)!
    const isLate = number % 2 === 0 && span.ParentSpanId !== '' && !seen.has(span.TraceId)
    if (isLate) seen.add(span.TraceId)
    const minute = (number % MINUTES) + (isLate ? 1 : 0)
    return { ...span, extra: { StoredAt: `${nowSeconds - 60 * (MINUTES + 2 - minute)}.000` } }
  })
  await insertCollectorSpans(store, stored)
  return { traces: numberOf.size, spans: spans.length }
}

/** Of a store in which something is done before each insert of a table, and each look at what waits. */
function open(before: { insert?(table: string): Promise<void>; look?(): void }) {
  const client = Object.create(store.client) as Store['client']
  const query = store.client.query.bind(store.client)
  client.query = ((params: Parameters<typeof query>[0]) => {
    if (params.query.includes('WITH stored')) before.look?.()
    return query(params)
  }) as typeof client.query
  const insertBlock: Store['insertBlock'] = async (table, native, token) => {
    await before.insert?.(table)
    return store.insertBlock(table, native, token)
  }
  return startAnalyzer({
    store: { ...store, client, insertBlock },
    settleSeconds: 0,
    log: quiet,
    loop: false,
    backlogRows: 1,
  })
}

async function expectAll({ traces, spans }: Awaited<ReturnType<typeof storeBacklog>>) {
  const answer = await store.client.query({
    query: `SELECT count() AS traces, sum(SpanCount) AS spans FROM analyzed_traces FINAL`,
    format: 'JSONEachRow',
  })
  const [found] = await answer.json<Record<string, string>>()
  expect({ traces: Number(found!.traces), spans: Number(found!.spans) }).toEqual({ traces, spans })
  expectAlike(await rollUpSlowly(store), await readStored(store))
}

it('the next part of a backlog is looked for while results are stored; what is found of those is analyzed again', async () => {
  const stored = await storeBacklog()
  let looks = 0
  let lookedTwice = () => {}
  const second = new Promise<void>((resolve) => {
    lookedTwice = resolve
  })
  const analyzer = open({
    insert: async () => second,
    look: () => {
      if (++looks === 2) lookedTwice()
    },
  })
  await analyzer.drain()
  expect(looks).toBeGreaterThan(MINUTES)
  await expectAll(stored)
})

it.each([
  ['analyzed_traces', 2],
  ['rollups', 1],
])('what fails in a backlog at %s, insert %i, is made good by the next cycle', async (table, nth) => {
  const stored = await storeBacklog()
  let inserts = 0
  const analyzer = open({
    insert: async (into) => {
      if (into === table && ++inserts === nth) throw new Error('failed')
    },
  })
  await expect(analyzer.runOnce()).rejects.toThrow('failed')
  await analyzer.drain()
  await expectAll(stored)
})
