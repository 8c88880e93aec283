import { expect, test } from 'vitest'
import type { Bottleneck } from '../../src/analysis/bottlenecks.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { PAIRS_AT_ONCE, withPairs } from '../../src/api/service-pairs.ts'
import type { SampleFilter } from '../../src/store/sample-filter.ts'
import type { Store } from '../../src/store/store.ts'

test('pairs are looked for where most time is spent, not where an endpoint is listed', async () => {
  const asked: string[] = []
  const store = {
    query: async (_: string, { operation }: SampleFilter) => {
      asked.push(operation)
      return []
    },
  } as unknown as Store
  const count = PAIRS_AT_ONCE + 10
  const endpoints = Array.from({ length: count }, (_, i) => ({
    ...{ environment: '', namespace: '', service: 's', operation: String(i), scope: 'trace' },
    entries: i + 1,
    observed: { meanNs: 1e6 },
    // The last meets its target.
    components: [{ verdict: i === count - 1 ? 'target-met' : 'contributor' }],
  })) as unknown as Bottleneck[]
  const filter: SampleFilter = {
    ...{ fromMs: 0, toMs: 1, environment: '*', namespace: '*', service: '*', operation: '*', scope: '*' },
    version: '*',
  }
  const answered = await withPairs(store, endpoints, parseTarget('p95<1ms'), filter, async () => undefined)
  expect(answered).toEqual(endpoints)
  const most = endpoints.slice(count - 1 - PAIRS_AT_ONCE, count - 1).map(({ operation }) => operation)
  expect(asked.sort()).toEqual(most.sort())
})
