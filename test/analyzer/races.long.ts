import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import {
  type CollectorSpan,
  emptyStore,
  insertCollectorSpans,
  openTestStore,
  quiet,
  type TestStore,
} from '../support/store.ts'

let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
})
beforeEach(() => emptyStore(store))
afterEach(() => vi.restoreAllMocks())
afterAll(() => store?.close())

const base = BigInt(Date.now() - 600_000) * 1_000_000n
const MS = 1_000_000
const id = (n: number) => n.toString(16).padStart(16, '0')
const trace = (n: number) => n.toString(16).padStart(32, '0')

function span(
  of: { trace?: number; id: number; parent?: number; storedSecondsAgo?: number } & Partial<CollectorSpan>,
) {
  const { trace: n = 1, id: spanId, parent, storedSecondsAgo, ...rest } = of
  return {
    TraceId: trace(n),
    SpanId: id(spanId),
    ParentSpanId: parent === undefined ? '' : id(parent),
    startNs: base,
    durationNs: 100 * MS,
    ...rest,
    ...(storedSecondsAgo === undefined
      ? {}
      : { extra: { StoredAt: ((Date.now() - storedSecondsAgo * 1000) / 1000).toFixed(3) } }),
  }
}

const open = (options: { settleSeconds?: number; largestTrace?: number } = {}) =>
  startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false, ...options })

async function rows<T>(query: string): Promise<T[]> {
  return (await store.client.query({ query, format: 'JSONEachRow' })).json<T>()
}
const samples = async () =>
  (await rows<{ SpanId: string }>('SELECT SpanId FROM samples FINAL ORDER BY TraceId, SpanId')).map((row) =>
    Number.parseInt(row.SpanId, 16),
  )
const analyzed = () =>
  rows<{ SpanCount: number; RowCount: number; Analyses: number; Flag: string }>(
    'SELECT SpanCount, RowCount, Analyses, Flag FROM analyzed_traces FINAL ORDER BY TraceId',
  )

describe('spans that become visible late', () => {
  it('are seen behind those that were analyzed, though their trace began long ago', async () => {
    const analyzer = open()
    await insertCollectorSpans(store, [span({ id: 1, storedSecondsAgo: 200 })])
    await insertCollectorSpans(store, [span({ id: 2, parent: 1, storedSecondsAgo: 5 })])
    await analyzer.drain()
    expect(await analyzed()).toMatchObject([{ SpanCount: 2, Analyses: 1 }])
    // Its insert began before the one above, and took longer.
    await insertCollectorSpans(store, [span({ id: 3, parent: 1, storedSecondsAgo: 10 })])
    await analyzer.drain()
    expect(await analyzed()).toMatchObject([{ SpanCount: 3, Analyses: 2 }])
  })

  it('are found by the next process, too', async () => {
    await insertCollectorSpans(store, [
      span({ id: 1, storedSecondsAgo: 200 }),
      span({ id: 2, parent: 1, storedSecondsAgo: 5 }),
    ])
    await open().drain()
    await insertCollectorSpans(store, [span({ id: 3, parent: 1, storedSecondsAgo: 10 })])
    await open().drain()
    expect(await analyzed()).toMatchObject([{ SpanCount: 3 }])
  })

  it('in the same millisecond as spans that were seen', async () => {
    const StoredAt = (Date.now() / 1000 - 3).toFixed(3)
    const analyzer = open()
    await insertCollectorSpans(store, [span({ id: 1, extra: { StoredAt } })])
    await analyzer.drain()
    await insertCollectorSpans(store, [span({ trace: 2, id: 2, extra: { StoredAt } })])
    await analyzer.drain()
    expect(await samples()).toEqual([1, 2])
  })
})

describe('a trace that waits', () => {
  it('keeps no other waiting, and is found again after a restart', async () => {
    const rootless = span({ trace: 1, id: 1, parent: 9, storedSecondsAgo: 20 })
    const analyzer = open()
    await insertCollectorSpans(store, [rootless, span({ trace: 2, id: 2 })])
    expect(await analyzer.runOnce()).toEqual({ analyzed: 1, waiting: 1 })
    await insertCollectorSpans(store, [span({ trace: 3, id: 3 })])
    expect(await analyzer.runOnce()).toEqual({ analyzed: 1, waiting: 1 })
    await analyzer.stop()
    const next = open()
    expect(await next.runOnce()).toEqual({ analyzed: 0, waiting: 1 })
    await insertCollectorSpans(store, [span({ trace: 1, id: 9, SpanKind: 'Server' })])
    await next.drain()
    expect(await samples()).toEqual([9, 2, 3])
  })

  it('without a root is analyzed a minute after its first span', async () => {
    await insertCollectorSpans(store, [span({ id: 1, parent: 9, SpanKind: 'Server', storedSecondsAgo: 61 })])
    expect(await open().runOnce()).toEqual({ analyzed: 1, waiting: 0 })
    expect(await samples()).toEqual([1])
  })
})

describe('a clock that is set back by an hour', () => {
  const HOUR_MS = 3_600_000

  /** What the store says the time is. */
  function shiftClock(aheadMs: () => number): void {
    const { query } = store.client
    vi.spyOn(store.client, 'query').mockImplementation((async (params) => {
      if (!params.query.includes('now64(3)')) return query.call(store.client, params)
      return { json: async () => [{ now: String(Date.now() + aheadMs()) }] }
    }) as typeof query)
  }

  it('hides nothing that was stored since, however long the cycle took', async () => {
    let aheadMs = HOUR_MS
    shiftClock(() => aheadMs)
    const analyzer = open()
    await insertCollectorSpans(store, [span({ trace: 1, id: 1, storedSecondsAgo: -HOUR_MS / 1000 })])
    await analyzer.runOnce()
    expect(await samples()).toEqual([1])
    aheadMs = 0
    const now = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 200_000)
    await insertCollectorSpans(store, [span({ trace: 2, id: 2, storedSecondsAgo: 150 })])
    await analyzer.drain()
    expect(await samples()).toEqual([1, 2])
  })

  it('hides nothing from the next process', async () => {
    let aheadMs = HOUR_MS
    shiftClock(() => aheadMs)
    await insertCollectorSpans(store, [span({ trace: 1, id: 1, storedSecondsAgo: -HOUR_MS / 1000 })])
    await open().drain()
    aheadMs = 0
    await insertCollectorSpans(store, [span({ trace: 2, id: 2, storedSecondsAgo: 600 })])
    await open().drain()
    expect(await samples()).toEqual([1, 2])
  })
})

describe('an analysis that was cut short', () => {
  /** Its parent turns out to be a CONSUMER of the same service: no entry, no sample any more. */
  const consumer = span({ id: 7, parent: 6, SpanKind: 'Consumer', ServiceName: 'mail' })
  const root = span({ id: 1, SpanKind: 'Server' })
  const between = span({ id: 6, parent: 1, SpanKind: 'Consumer', ServiceName: 'mail' })

  it.each([
    ['samples', 'same process'],
    ['analyzed_traces', 'same process'],
    ['samples', 'next process'],
    ['analyzed_traces', 'next process'],
  ])('before %s leaves nothing behind that a late span makes untrue (%s)', async (table, how) => {
    let analyzer = open()
    await insertCollectorSpans(store, [root, consumer])
    const insertBlock = store.insertBlock
    store.insertBlock = async (name, native, token) => {
      if (name === table) throw new Error('crashed')
      return insertBlock(name, native, token)
    }
    await expect(analyzer.runOnce()).rejects.toThrow('crashed')
    store.insertBlock = insertBlock
    if (how === 'next process') analyzer = open()
    await insertCollectorSpans(store, [between])
    await analyzer.drain()
    expect(await samples()).toEqual([1, 6])
  })

  it('a clock that was set back does not make old results win', async () => {
    await insertCollectorSpans(store, [root])
    await open().drain()
    const now = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(now - 3_600_000)
    await insertCollectorSpans(store, [span({ id: 2, parent: 1, ServiceName: 'other' })])
    await open().drain()
    expect(await analyzed()).toMatchObject([{ SpanCount: 2, Analyses: 2 }])
    expect(await rows('SELECT ComponentNames[1] AS name FROM samples FINAL')).toEqual([{ name: 'other' }])
  })
})

describe('a trace larger than is analyzed', () => {
  const children = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => span({ id: from + i, parent: 1 }))

  it('is cut and flagged, also when it grew there', async () => {
    const analyzer = open({ largestTrace: 5 })
    await insertCollectorSpans(store, [span({ id: 1 }), ...children(2, 4)])
    await analyzer.drain()
    expect(await analyzed()).toEqual([{ SpanCount: 5, RowCount: 5, Analyses: 1, Flag: '' }])
    await insertCollectorSpans(store, children(6, 2))
    await analyzer.drain()
    expect(await analyzed()).toEqual([{ SpanCount: 5, RowCount: 5, Analyses: 2, Flag: 'too-large' }])
    expect(analyzer.counters.flagged).toBe(1)
  })
})
