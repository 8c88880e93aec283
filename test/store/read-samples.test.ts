import { afterAll, beforeAll, expect, it } from 'vitest'
import { COMPONENTS_PER_ENDPOINT, readSampleGroups } from '../../src/store/read-samples.ts'
import { openTestStore, startTestEngine, type TestEngine } from '../support/store.ts'

let engine: TestEngine
let store: Awaited<ReturnType<typeof openTestStore>>
beforeAll(async () => {
  engine = await startTestEngine()
  store = await openTestStore(engine.url)
})
afterAll(async () => {
  await store?.close()
  await engine?.stop()
})

it('keeps 200 components an endpoint, those with the most critical time; the rest is (other)', async () => {
  const count = COMPONENTS_PER_ENDPOINT + 30
  const now = new Date().toISOString().slice(0, 19).replace('T', ' ')
  await store.client.insert({
    table: 'samples',
    format: 'JSONEachRow',
    // Every sample is 10 s long; component i has i + 1 ms of it, and saves just that.
    values: Array.from({ length: count }, (_, i) => ({
      Start: now,
      Service: 's',
      Operation: 'GET /',
      Scope: 'trace',
      TraceId: String(i).padStart(32, '0'),
      SpanId: '1'.padStart(16, '0'),
      DurationNs: 10_000_000_000,
      ComponentKinds: ['service', 'database'],
      ComponentNames: ['s', `db${i}`],
      CriticalNs: [10_000_000_000 - (i + 1) * 1_000_000, (i + 1) * 1_000_000],
      IfInstantNs: [(i + 1) * 1_000_000, 10_000_000_000 - (i + 1) * 1_000_000],
      Version: 1,
    })),
  })
  const any = { environment: '*', namespace: '*', service: '*', operation: '*', scope: '*' }
  const [group] = await readSampleGroups(store, {
    ...any,
    fromMs: Date.now() - 60_000,
    toMs: Date.now() + 60_000,
  })
  expect(group!.durationsNs).toHaveLength(count)
  expect(group!.components).toHaveLength(COMPONENTS_PER_ENDPOINT + 1)
  const other = group!.components.at(-1)!
  expect(other.component).toEqual({ kind: 'service', name: '(other)' })
  // The 31 that are left out are those with the least.
  expect([...other.criticalNs].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 31 }, (_, i) => (i + 1) * 1_000_000),
  )
  other.sample.forEach((sample, i) => {
    expect(other.ifInstantNs[i]).toBe(group!.durationsNs[sample]! - other.criticalNs[i]!)
  })
})
