import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { emptyStore, insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'

let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
})
beforeEach(() => emptyStore(store))
afterAll(() => store?.close())

const base = BigInt(Date.now() - 60_000) * 1_000_000n
const MS = 1_000_000

/** A root of 100 ms with a database call of 60 ms in it. */
function spansOf(trace: number, extra: { root?: boolean } = {}) {
  const TraceId = trace.toString(16).padStart(32, '0')
  return [
    ...(extra.root === false
      ? []
      : [
          {
            TraceId,
            SpanId: '0000000000000001',
            SpanKind: 'Server',
            SpanName: 'GET /',
            startNs: base,
            durationNs: 100 * MS,
          },
        ]),
    {
      TraceId,
      SpanId: '0000000000000002',
      ParentSpanId: '0000000000000001',
      SpanKind: 'Client',
      SpanAttributes: { 'db.system.name': 'postgresql', 'db.namespace': 'orders' },
      startNs: base + 20n * BigInt(MS),
      durationNs: 60 * MS,
    },
  ]
}

async function start(settleSeconds = 0) {
  return startAnalyzer({ store, settleSeconds, log: quiet, loop: false })
}

async function samples() {
  const answer = await store.client.query({
    query: `SELECT TraceId, SpanId, Service, Operation, Scope, DurationNs, ComponentKinds, ComponentNames, CriticalNs, IfInstantNs
            FROM samples FINAL ORDER BY TraceId, SpanId`,
    format: 'JSONEachRow',
  })
  return answer.json<Record<string, unknown>>()
}

describe('the batch loop', () => {
  it('writes what the analysis of the stored spans gives', async () => {
    const analyzer = await start()
    await insertCollectorSpans(store, [...spansOf(1), ...spansOf(2)])
    await analyzer.drain()
    const rows = await samples()
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({
      Service: 's',
      Operation: 'GET /',
      Scope: 'trace',
      DurationNs: 100 * MS,
      ComponentKinds: expect.arrayContaining(['database', 'service']),
      ComponentNames: expect.arrayContaining(['postgresql/orders', 's']),
    })
    expect(analyzer.counters).toMatchObject({ traces: 2, spans: 4, samples: 2 })
    await analyzer.drain()
    expect(analyzer.counters.traces).toBe(2)
  })

  it('waits until a trace has been quiet', async () => {
    const analyzer = await start(3600)
    await insertCollectorSpans(store, spansOf(1))
    expect(await analyzer.runOnce()).toEqual({ analyzed: 0, waiting: 1 })
  })

  it('the lag grows while nothing is analyzed, and is none where nothing waits', async () => {
    const analyzer = await start(3600)
    await analyzer.runOnce()
    expect(analyzer.counters.lagSeconds).toBe(0)
    await insertCollectorSpans(store, spansOf(1))
    await analyzer.runOnce()
    // As another thread is told.
    const lag = () => structuredClone(analyzer.counters).lagSeconds
    const before = lag()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(lag()).toBeGreaterThanOrEqual(before + 0.15)
  })

  it('waits for a missing root', async () => {
    const analyzer = await start()
    await insertCollectorSpans(store, spansOf(1, { root: false }))
    expect(await analyzer.runOnce()).toEqual({ analyzed: 0, waiting: 1 })
    await insertCollectorSpans(store, spansOf(1).slice(0, 1))
    await analyzer.drain()
    expect(await samples()).toHaveLength(1)
  })

  it('a late span makes the trace be analyzed again, results are replaced', async () => {
    const analyzer = await start()
    const [root, db] = spansOf(1)
    await insertCollectorSpans(store, [root!])
    await analyzer.drain()
    expect((await samples())[0]).toMatchObject({ ComponentNames: ['s'] })
    await insertCollectorSpans(store, [db!])
    await analyzer.drain()
    const rows = await samples()
    expect(rows).toHaveLength(1)
    expect(rows[0]!.ComponentNames).toHaveLength(2)
  })

  it('samples that are gone after a late span are taken out', async () => {
    const analyzer = await start()
    const TraceId = '5'.padStart(32, '0')
    const inner = {
      TraceId,
      SpanId: '0000000000000007',
      ParentSpanId: '0000000000000006',
      SpanKind: 'Consumer',
      ServiceName: 'mail',
      SpanName: 'process',
      startNs: base,
      durationNs: 5 * MS,
    }
    await insertCollectorSpans(store, [
      inner,
      {
        TraceId,
        SpanId: '0000000000000001',
        SpanKind: 'Server',
        SpanName: 'GET /',
        startNs: base,
        durationNs: MS,
      },
    ])
    await analyzer.drain()
    expect((await samples()).map((s) => s.Service)).toEqual(['s', 'mail'])
    // Its parent turns out to be a CONSUMER of the same service: no entry any more.
    await insertCollectorSpans(store, [
      { ...inner, SpanId: '0000000000000006', ParentSpanId: '0000000000000001', durationNs: 9 * MS },
    ])
    await analyzer.drain()
    expect((await samples()).map((s) => [s.Service, s.SpanId])).toEqual([
      ['s', '0000000000000001'],
      ['mail', '0000000000000006'],
    ])
  })

  it('a sample stands for as many requests as its root says', async () => {
    const analyzer = await start()
    await insertCollectorSpans(store, [
      ...spansOf(1).map((span) => ({
        ...span,
        extra: { TraceState: span.SpanKind === 'Server' ? 'ot=th:c' : '' },
      })),
      ...spansOf(2),
    ])
    await analyzer.drain()
    const answer = await store.client.query({
      query: 'SELECT TraceId, Weight FROM samples FINAL ORDER BY TraceId',
      format: 'JSONEachRow',
    })
    const rows = await answer.json<{ Weight: number }>()
    expect(rows.map(({ Weight }) => Weight)).toEqual([4, 1])
  })

  it('spans stored twice count once', async () => {
    const analyzer = await start()
    await insertCollectorSpans(store, spansOf(1))
    await insertCollectorSpans(store, spansOf(1))
    await analyzer.drain()
    expect(await samples()).toHaveLength(1)
    expect(analyzer.counters.repairs.duplicate).toBe(2)
  })

  it.each(['samples', 'analyzed_traces'])('a crash before %s is made good', async (table) => {
    const analyzer = await start()
    await insertCollectorSpans(store, spansOf(1))
    const insertBlock = store.insertBlock
    store.insertBlock = async (name, native, token) => {
      if (name === table) throw new Error('crashed')
      return insertBlock(name, native, token)
    }
    await expect(analyzer.runOnce()).rejects.toThrow('crashed')
    store.insertBlock = insertBlock
    const next = startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false })
    await next.drain()
    expect(await samples()).toHaveLength(1)
  })

  it('stopped in a cycle it begins no further part, which the next one makes good', async () => {
    const analyzer = await start()
    await insertCollectorSpans(store, spansOf(1))
    const insertBlock = store.insertBlock
    const tables: string[] = []
    let stopped: Promise<void> | undefined
    store.insertBlock = async (name, native, token) => {
      tables.push(name)
      stopped ??= analyzer.stop()
      return insertBlock(name, native, token)
    }
    await expect(analyzer.runOnce()).rejects.toThrow('stopped')
    await stopped
    // What had begun was finished.
    expect(tables).toEqual(['samples', 'analyzed_traces'])
    const next = await start()
    await next.drain()
    expect(await samples()).toHaveLength(1)
    expect(tables).toContain('rollups')
    store.insertBlock = insertBlock
  })

  it('at most 500 endpoints a service, the rest is (other)', async () => {
    const analyzer = await start()
    await insertCollectorSpans(
      store,
      Array.from({ length: 510 }, (_, i) => ({ ...spansOf(i + 1)[0]!, SpanName: `op-${i}x` })),
    )
    await analyzer.drain()
    const operations = (await samples()).map((s) => s.Operation)
    expect(new Set(operations).size).toBe(501)
    expect(analyzer.counters.cappedEndpoints).toBe(10)
  })
})
