import { afterAll, beforeAll, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createOpenMinutes } from '../../src/analyzer/open-minutes.ts'
import { createFrames } from '../../src/store/rollup-rows.ts'
import {
  addToPrint,
  bucketName,
  printText,
  type SamplePrint,
  sampleBlock,
} from '../../src/store/rollup-sources.ts'
import { samplesBlock } from '../../src/store/samples-block.ts'
import type { Store } from '../../src/store/store.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { collectorSpansOf } from '../support/collector-spans.ts'
import { type CollectorSpan, insertCollectorSpans, openTestStore, quiet } from '../support/store.ts'
import { expectAlike, readStored, rollUpSlowly } from './rollup-twin.ts'

let store: Store
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

const WORLD = createWorld(20261127, FAMILIES.joined!)
const requests = (first: number, count: number) => collectorSpansOf(runWorld(WORLD, first, count).columns)

/** An analyzer, and how often it has read samples back. */
function open() {
  let reads = 0
  const queryLarge: Store['queryLarge'] = (sql, params, take) => {
    if (/FROM samples/.test(sql)) reads++
    return store.queryLarge(sql, params, take)
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

it('minutes whose samples are added up as they come are those that are built each time', () => {
  const prints = new Map<string, SamplePrint>()
  const frames = createFrames()
  const built = createOpenMinutes(() => {})
  // Half of a batch is as much as is held.
  const condensed = createOpenMinutes(() => {}, 2 * samplesOf(0).rows - 2)
  for (let r = 0; r < 3; r++) {
    const block = sampleBlock(samplesOf(r).stored, frames)
    for (let row = 0; row < block.rows; row++) {
      const name = bucketName(block.bucketOf(row), block.keyOf(row))
      const print = prints.get(name) ?? { rows: 0, versions: 0n, squares: 0n }
      addToPrint(print, 1, 1 + r)
      prints.set(name, print)
    }
    for (const minutes of [built, condensed]) minutes.add(block, 1 + r, () => true)
    expect(condensed.condense()).toBe(false)
    expect(rollupsOf(built)).not.toContain(undefined)
  }
  // Would be let go, were they not added up.
  condensed.settle()
  expect(rollupsOf(condensed)).toEqual(rollupsOf(built))

  function samplesOf(round: number) {
    const { columns } = runWorld(WORLD, 1000 + 50 * round, 50)
    const analysis = analyzeSpans(columns, { range: true, callTrees: true })
    const nameOf = (endpoint: number) => columns.dictionary.endpoints[endpoint]!
    return samplesBlock(analysis, nameOf, [], { version: 1 + round, modelVersion: 0 })
  }

  function rollupsOf(minutes: ReturnType<typeof createOpenMinutes>) {
    return [...prints].map(([name, print]) => minutes.rollupsOf(name, printText(print)))
  }
})
