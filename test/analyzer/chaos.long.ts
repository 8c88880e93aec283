import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { emptyStore, insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

const base = BigInt(Date.now() - 600_000) * 1_000_000n
const RESULTS = ['samples', 'analyzed_traces']

/** Spans of few traces, with ids and parents that make entries come and go; inserts that become visible late. */
const span = fc.record({
  trace: fc.integer({ min: 1, max: 3 }),
  id: fc.integer({ min: 1, max: 5 }),
  parent: fc.integer({ min: 1, max: 7 }),
  kind: fc.constantFrom('Server', 'Client', 'Producer', 'Consumer', 'Internal'),
  service: fc.constantFrom('a', 'b'),
  startMs: fc.integer({ min: 0, max: 100 }),
  ms: fc.integer({ min: 0, max: 100 }),
})
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ insert: fc.array(span, { minLength: 1, maxLength: 3 }), lateMs: fc.nat(30_000) }),
  },
  { weight: 3, arbitrary: fc.record({ cycle: fc.constantFrom('whole', ...RESULTS) }) },
  { weight: 1, arbitrary: fc.constant({ restart: true }) },
)
type Span = typeof span extends fc.Arbitrary<infer T> ? T : never

async function insert(spans: readonly (Omit<Span, 'parent'> & { parent: number })[], lateMs: number) {
  await insertCollectorSpans(
    store,
    spans.map((s) => ({
      TraceId: String(s.trace).padStart(32, '0'),
      SpanId: String(s.id).padStart(16, '0'),
      ParentSpanId: s.parent === 0 ? '' : String(s.parent).padStart(16, '0'),
      SpanKind: s.kind,
      SpanName: `${s.kind} ${s.id}`,
      ServiceName: s.service,
      startNs: base + BigInt(s.startMs) * 1_000_000n,
      durationNs: s.ms * 1_000_000,
      extra: { StoredAt: ((Date.now() - lateMs) / 1000).toFixed(3) },
    })),
  )
}

// What a model has learned depends on when: the rules for one trace do not.
const open = () => startAnalyzer({ store, settleSeconds: 0, dependencies: 'single', log: quiet, loop: false })

async function results(): Promise<unknown[]> {
  const read = async (query: string) => (await store.client.query({ query, format: 'JSONEachRow' })).json()
  return [
    await read('SELECT * EXCEPT (Version) FROM samples FINAL ORDER BY TraceId, SpanId, Scope'),
    await read('SELECT TraceId, SpanCount, RowCount, Flag FROM analyzed_traces FINAL ORDER BY TraceId'),
  ]
}

async function clear(tables: readonly string[]): Promise<void> {
  for (const table of tables) await store.client.command({ query: `TRUNCATE TABLE ${table}` })
}

it('late spans, cycles cut short anywhere and restarts leave what one analysis of all spans gives', async () => {
  const { insertBlock } = store
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
      await emptyStore(store)
      let analyzer = open()
      for (const step of steps) {
        if ('insert' in step) await insert(step.insert, step.lateMs)
        else if ('restart' in step) analyzer = open()
        else {
          store.insertBlock = (table, native, token) =>
            table === step.cycle ? Promise.reject(new Error('cut short')) : insertBlock(table, native, token)
          await analyzer.runOnce().catch(() => {})
          store.insertBlock = insertBlock
        }
      }
      // A root each: a trace without one would wait for a minute.
      const root = { id: 6, parent: 0, kind: 'Server', service: 'a', startMs: 0, ms: 100 } as const
      await insert(
        [1, 2, 3].map((trace) => ({ ...root, trace })),
        0,
      )
      await analyzer.drain()
      const made = await results()
      await clear(['analyzer_state', ...RESULTS])
      await open().drain()
      expect(made).toEqual(await results())
    }),
    { numRuns: 3, endOnFailure: true },
  )
})
