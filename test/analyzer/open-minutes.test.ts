import { afterAll, beforeAll, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import type { Store } from '../../src/store/store.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import {
  type CollectorSpan,
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
afterAll(async () => {
  await store?.close()
  await engine?.stop()
})

const WORLD = createWorld(20261127, FAMILIES.joined!)
const requests = (first: number, count: number) => collectorSpansOf(runWorld(WORLD, first, count).columns)

/** An analyzer, and how often it has read samples back. */
function open() {
  let reads = 0
  const queryLarge: Store['queryLarge'] = (sql, params) => {
    if (/FROM samples/.test(sql)) reads++
    return store.queryLarge(sql, params)
  }
  const analyzer = startAnalyzer({
    store: { ...store, queryLarge },
    settleSeconds: 0,
    log: quiet,
    loop: false,
  })
  return { drain: () => analyzer.drain(), reads: () => reads }
}

async function expectExact() {
  const [expected, stored] = await Promise.all([rollUpSlowly(store), readStored(store)])
  expectAlike(expected, stored)
  return [...stored.values()].reduce((sum, rollup) => sum + rollup.samples, 0)
}

it('minutes are made of the samples at hand as long as these are all, else of what is stored', async () => {
  const first = open()
  // The same minutes, three times: what was added up before, and more.
  const spans = requests(0, 60)
  const round = ({ TraceId }: CollectorSpan) => Number.parseInt(TraceId.slice(-4), 16) % 3
  const counts = new Set<number>()
  for (let r = 0; r < 3; r++) {
    await insertCollectorSpans(
      store,
      spans.filter((span) => round(span) === r),
    )
    await first.drain()
    counts.add(await expectExact())
  }
  expect(counts.size).toBe(3)
  expect(first.reads()).toBe(0)

  // One that starts now does not know what was there before, and the other not what this one stores.
  const again = requests(0, 90).filter((span) => !spans.some(({ TraceId }) => TraceId === span.TraceId))
  const second = open()
  await insertCollectorSpans(store, again.slice(0, again.length / 2))
  await second.drain()
  await expectExact()
  expect(second.reads()).toBeGreaterThan(0)
  await insertCollectorSpans(store, again.slice(again.length / 2))
  await first.drain()
  await expectExact()
  expect(first.reads()).toBeGreaterThan(0)
})

it('a trace that is analyzed again is not counted twice', async () => {
  const analyzer = open()
  const spans = requests(200, 20)
  const isLate = (span: CollectorSpan, i: number) => span.ParentSpanId !== '' && i % 5 === 2
  await insertCollectorSpans(
    store,
    spans.filter((span, i) => !isLate(span, i)),
  )
  await analyzer.drain()
  await insertCollectorSpans(store, spans.filter(isLate))
  await analyzer.drain()
  await expectExact()
})
