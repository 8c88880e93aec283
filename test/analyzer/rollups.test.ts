import { afterEach, describe, expect, it } from 'vitest'
import { createRollup } from '../../src/analysis/rollup.ts'
import { STEPS } from '../../src/analysis/steps.ts'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { createRollupBuilder } from '../../src/analyzer/rollups.ts'
import { createFrames } from '../../src/store/rollup-rows.ts'
import { EVERYTHING, readSteps, visitRollups } from '../../src/store/rollups.ts'
import type { Store } from '../../src/store/store.ts'
import { seeded } from '../bench/random.ts'
import { insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'
import { expectAlike, readStored, rollUpSlowly } from './rollup-twin.ts'

let store: TestStore

afterEach(() => store?.close())

const MS = 1_000_000
const HOUR_MS = 3_600_000
const COMPONENTS = [
  ['database', 'pg/orders'],
  ['database', 'redis'],
  ['service', 's'],
  ['network', 's->t'],
  ['external', 'api.example'],
] as const

type SampleRow = Record<string, unknown> & { TraceId: string; Version: number }

/** Samples as the analyzer writes them, of a few endpoints and versions, started within some hours before now, or before a day. */
function randomSamples(seed: number, count: number, hours: number, daysAgo = 0): SampleRow[] {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const nowMs = Date.now() - daysAgo * 24 * HOUR_MS
  return Array.from({ length: count }, (_, i) => {
    const durationNs = random() < 0.02 ? int(3 * HOUR_MS) * MS : Math.floor(Math.exp(random() * 12) * 1000)
    const parts = COMPONENTS.filter(() => random() < 0.6)
    let left = durationNs
    const critical = parts.map((_, k) => {
      const ns = k === parts.length - 1 ? left : int(left)
      left -= ns
      return ns
    })
    const entry = random() < 0.7
    const instant = critical.map((ns) => durationNs - int(ns + 1))
    // The evidence leaves some of what a third of the samples save open.
    const open = random() < 0.3
    return {
      Start: `${((nowMs - int(hours * HOUR_MS)) / 1000).toFixed(3)}000123`,
      Environment: 'prod',
      Namespace: '',
      Service: 's',
      Operation: `GET /${int(3)}`,
      Scope: entry ? 'trace' : 'service',
      ServiceVersion: `v${int(2)}`,
      TraceId: (seed * 1_000_000 + i).toString(16).padStart(32, '0'),
      SpanId: '0000000000000001',
      EntryKind: entry ? 'root' : 'service',
      DurationNs: durationNs,
      IsError: int(20) === 0 ? 1 : 0,
      Weight: random() < 0.5 ? 1 : 1 + int(40),
      ComponentKinds: parts.map(([kind]) => kind),
      ComponentNames: parts.map(([, name]) => name),
      CriticalNs: critical,
      IfInstantNs: instant,
      EarlierNs: open ? instant.map((ns) => (random() < 0.5 ? 0 : int(ns + 1))) : [],
      LaterNs: open ? instant.map((ns) => (random() < 0.5 ? 0 : int(durationNs - ns + 1))) : [],
      ComponentCalls: entry ? parts.map(() => 1 + int(3)) : [],
      NodeParents: entry ? [0, 1, 1, 2] : [],
      NodeFrames: entry ? ['service\x1fs\x1froot', 'a', 'b', `c${int(2)}`] : [],
      NodeNs: entry ? [durationNs, 0, 0, 0].map((ns) => (ns === 0 ? int(100) : ns)) : [],
      NodeCalls: entry ? [1, 1, 1, 1] : [],
      Version: nowMs * 1000 + i,
      IsDeleted: 0,
    }
  })
}

async function put(rows: readonly SampleRow[]) {
  await store.client.insert({ table: 'samples', values: rows, format: 'JSONEachRow' })
}

const builder = () => createRollupBuilder(store, quiet, { rollups: 0, tooLate: 0 })

/**
 * Every bucket that is over, and every minute, is what adding up the samples from scratch gives; the newest of
 * minutes and ten minutes are in recent_rollups just so.
 */
async function expectEqualToScratch() {
  expectAlike(...(await Promise.all([rollUpSlowly(store), readStored(store)])))
  const since = Math.floor(Date.now() / 1000) - 7200
  const [rows, recent] = await Promise.all(
    ['rollups', 'recent_rollups'].map(async (table) => {
      const answer = await store.client.query({
        query: `SELECT arraySort(groupArray(toString(cityHash64(*)))) AS rows FROM ${table} FINAL
                WHERE Step <= 600 AND Bucket >= toDateTime(${since}, 'UTC')`,
        format: 'JSONEachRow',
      })
      return (await answer.json<{ rows: string[] }>())[0]!.rows
    }),
  )
  expect(rows!.length).toBeGreaterThan(0)
  expect(recent).toEqual(rows)
}

describe('rollups', () => {
  it('are the samples added up, at every step', async () => {
    store = await openTestStore()
    await put(randomSamples(1, 400, 30))
    await builder().run()
    await expectEqualToScratch()
    const built = new Set([...(await readStored(store)).keys()].map((name) => Number(name.split(' ')[0])))
    // Four days may be over just now.
    for (const { seconds } of STEPS) if (seconds <= 86_400) expect(built).toContain(seconds)
  })

  it('follow samples that come late, change, move and go', async () => {
    store = await openTestStore()
    const rollups = builder()
    const rows = randomSamples(2, 400, 9)
    await put(rows.slice(0, 250))
    await rollups.run()
    await put(rows.slice(250))
    await rollups.run()
    const again = randomSamples(3, 200, 9)
    await put(
      rows.slice(0, 200).flatMap((row, i) => {
        const version = Date.now() * 1000 + i
        const gone = { ...row, IsDeleted: 1, Version: version }
        if (i % 3 === 0) return [gone]
        if (i % 3 === 1) return [{ ...row, DurationNs: Number(row.DurationNs) + 77 * MS, Version: version }]
        return [gone, { ...again[i]!, TraceId: row.TraceId, Version: version }]
      }),
    )
    await rollups.run()
    await expectEqualToScratch()
  })

  it('of an endpoint whose sums do not fit into 64 bits stop no other', async () => {
    store = await openTestStore()
    const [heavy, usual] = randomSamples(8, 2, 1) as [SampleRow, SampleRow]
    const days = 49 * 24 * HOUR_MS * MS
    const most = 2 ** 32 - 1
    const long = {
      ...heavy,
      Operation: 'long',
      DurationNs: days,
      Weight: most,
      ComponentKinds: ['service'],
      ComponentNames: ['s'],
      CriticalNs: [days],
      IfInstantNs: [0],
      EarlierNs: [],
      LaterNs: [],
      ComponentCalls: [],
    }
    await put([long, { ...long, TraceId: 'f'.repeat(32) }, usual])
    await builder().run()
    const answer = await store.client.query({
      query: `SELECT Operation, toString(max(DurationNs)) AS ns, sum(Samples) AS samples FROM rollups FINAL
              WHERE Step = 60 AND ServiceVersion != '' GROUP BY Operation ORDER BY Operation DESC`,
      format: 'JSONEachRow',
    })
    expect(await answer.json()).toEqual([
      { Operation: 'long', ns: `${2n ** 64n - 1n}`, samples: expect.anything() },
      { Operation: usual.Operation, ns: expect.any(String), samples: expect.anything() },
    ])
  })

  it('of spans from all over, as a broken clock says, stop no other', async () => {
    store = await openTestStore()
    const seconds = (i: number) => Math.floor(Date.now() / 1000) + i * 31 * 86_400
    const rows = randomSamples(9, 110, 1).map((row, i) => ({ ...row, Start: `${seconds(i)}.000000000` }))
    for (let i = 0; i < rows.length; i += 55) await put(rows.slice(i, i + 55))
    await builder().run()
    const answer = await store.client.query({
      query: 'SELECT uniqExact(toStartOfMonth(Bucket)) AS months FROM rollups FINAL WHERE Step = 60',
      format: 'JSONEachRow',
    })
    expect(await answer.json()).toEqual([{ months: 110 }])
  })

  it('of spans far ahead do not have all that changed since listed again and again', async () => {
    store = await openTestStore()
    await put(randomSamples(10, 5, 1))
    await builder().run()
    const command = (query: string) => store.client.command({ query })
    await command(`INSERT INTO rollups SELECT * REPLACE (toDateTime('2080-01-01') AS Bucket, Version - 3600000000 AS Version)
                   FROM rollups FINAL WHERE Step = 60 LIMIT 1`)
    await command('TRUNCATE TABLE analyzer_state')
    await builder().run()
    const answer = await store.client.query({
      query: `SELECT toUInt64(Value) > toUnixTimestamp(now() - 1800) * 1000000 AS isNear FROM analyzer_state FINAL
              WHERE Name = 'rollups-cursor-600'`,
      format: 'JSONEachRow',
    })
    expect(await answer.json()).toEqual([{ isNear: 1 }])
    // Longer steps have them as minutes do: when they are over nobody looks for them any more.
    const far = await store.client.query({
      query: `SELECT Step AS step, sum(Samples) AS samples FROM rollups FINAL
              WHERE Bucket > '2079-12-20' GROUP BY Step ORDER BY Step`,
      format: 'JSONEachRow',
    })
    const rows = await far.json<{ step: number; samples: string }>()
    expect(rows.map(({ step }) => step)).toEqual(STEPS.map(({ seconds }) => seconds))
    expect(new Set(rows.map(({ samples }) => samples)).size).toBe(1)
  })

  it('a crash anywhere is made good by the next builder', async () => {
    store = await openTestStore()
    const rows = randomSamples(4, 300, 3)
    await put(rows.slice(0, 200))
    await builder().run()
    await put(rows.slice(200))
    for (let failAt = 0; failAt < 3; failAt++) {
      let inserts = 0
      const crashing: Store = {
        ...store,
        insertBlock: async (table, native, token) => {
          if (inserts++ === failAt) throw new Error('killed here')
          return store.insertBlock(table, native, token)
        },
      }
      await expect(createRollupBuilder(crashing, quiet, { rollups: 0, tooLate: 0 }).run()).rejects.toThrow(
        'killed',
      )
    }
    await builder().run()
    await expectEqualToScratch()
  })

  it('two at once do not disturb each other', async () => {
    store = await openTestStore()
    const [a, b] = [builder(), builder()]
    const rows = randomSamples(5, 300, 2)
    for (let from = 0; from < rows.length; from += 100) {
      await Promise.all([
        put(rows.slice(from, from + 50)).then(() => a.run()),
        put(rows.slice(from + 50, from + 100)).then(() => b.run()),
      ])
    }
    await expectEqualToScratch()
  })

  it('are read alike from both tables, once nothing of a bucket can be from before there were two', async () => {
    store = await openTestStore()
    const askedAt = Date.now()
    const { recentFrom } = await readSteps(store, store.retention, askedAt)
    // Of a new store soon; two hours back at the most.
    expect(recentFrom).toBeGreaterThan(askedAt / 1000 + 60)
    expect(recentFrom).toBeLessThan(askedAt / 1000 + 600)
    const later = await readSteps(store, store.retention, askedAt + 4 * HOUR_MS)
    expect(later.recentFrom).toBe(Math.floor(askedAt / 1000) + 2 * 3600)

    await put(randomSamples(8, 300, 2))
    await builder().run()
    await put(randomSamples(9, 100, 0.5))
    await builder().run()
    const to = Math.ceil(Date.now() / 60_000) * 60
    const stretches = [
      {
        step: 600,
        fromSeconds: Math.floor(to / 600) * 600 - 7200,
        toSeconds: Math.floor(to / 600) * 600,
      },
      { step: 60, fromSeconds: to - 5400, toSeconds: to },
    ]
    const read = async (recentFrom?: number) => {
      const rows: string[] = []
      const parts = { observed: true, shifts: true, exemplars: true }
      await visitRollups(
        store,
        { stretches, recentFrom },
        EVERYTHING,
        parts,
        createFrames(),
        (place, addTo) => {
          const rollup = createRollup()
          addTo(rollup)
          rows.push(JSON.stringify([place, { ...rollup, components: [...rollup.components] }]))
        },
      )
      return rows.sort()
    }
    const rows = await read()
    expect(rows.length).toBeGreaterThan(100)
    expect(await read(to - 1830)).toEqual(rows)
    // It was there that they were read: the one table has no others, and without them rows are missing.
    await store.client.command({ query: 'TRUNCATE TABLE recent_rollups' })
    expect((await read(to - 1830)).length).toBeLessThan(rows.length)
    expect(await read(to)).toEqual(rows)
  })

  it('what is older than results are kept stays as it is, and is counted', async () => {
    store = await openTestStore(undefined, 1)
    const counters = { rollups: 0, tooLate: 0 }
    const rollups = createRollupBuilder(store, quiet, counters)
    const [row] = randomSamples(6, 1, 1) as [SampleRow]
    const old = (Date.now() - 23.5 * HOUR_MS) / 1000
    await put([row, { ...row, Start: `${old.toFixed(3)}000000` }])
    await rollups.run()
    await rollups.run()
    expect(counters.tooLate).toBe(1)
    expect([...(await readStored(store)).keys()].filter((name) => name.startsWith('60 '))).toHaveLength(1)
  })

  it('nothing is built again that has not changed', async () => {
    store = await openTestStore()
    const counters = { rollups: 0, tooLate: 0 }
    const rollups = createRollupBuilder(store, quiet, counters)
    // Of buckets that are over: one of ten minutes or more that is over just now is built by the second run.
    await put(randomSamples(7, 300, 4, 5))
    await rollups.run()
    const { rollups: written } = counters
    await rollups.run()
    expect(written).toBeGreaterThan(300)
    expect(counters.rollups).toBe(written)
  })
})

it('the analyzer keeps them: call stacks and calls of what it analyzes, late spans included', async () => {
  store = await openTestStore()
  const analyzer = startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false })
  const startNs = BigInt(Date.now() - 60_000) * 1_000_000n
  const trace = (n: number) => {
    const TraceId = n.toString(16).padStart(32, '0')
    const db = {
      TraceId,
      ParentSpanId: '0000000000000001',
      SpanKind: 'Client',
      SpanName: 'SELECT',
      SpanAttributes: { 'db.system.name': 'pg' },
    }
    return [
      {
        TraceId,
        SpanId: '0000000000000001',
        SpanKind: 'Server',
        SpanName: 'GET /',
        startNs,
        durationNs: 100 * MS,
      },
      { ...db, SpanId: '0000000000000002', startNs: startNs + 10n * BigInt(MS), durationNs: 20 * MS },
      { ...db, SpanId: '0000000000000003', startNs: startNs + 40n * BigInt(MS), durationNs: 30 * MS },
    ]
  }
  await insertCollectorSpans(store, [...trace(1), ...trace(2).slice(0, 2)])
  await analyzer.drain()
  await expectEqualToScratch()
  await insertCollectorSpans(store, trace(2).slice(2))
  await analyzer.drain()
  await expectEqualToScratch()
  const [rollup] = [...(await readStored(store)).values()]
  expect(rollup).toMatchObject({ samples: 2, components: { 'database\npg': { calls: 4, present: 2 } } })
  expect(Object.values(rollup!.stacks)).toEqual([String(100 * MS), String(100 * MS)])
  expect(analyzer.counters.rollups).toBeGreaterThan(0)
})
