import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bottlenecksOf, type SampleGroup } from '../../src/analysis/bottlenecks.ts'
import { joinGroups } from '../../src/analysis/join-groups.ts'
import { createSampleCollector } from '../../src/commands/sample-collector.ts'

const DATABASE = { kind: 'database', name: 'd' } as const
const OWN = { kind: 'service', name: 's' } as const

function group(operation: string, durations: number[], database: number[]): SampleGroup {
  return {
    endpoint: { environment: '', namespace: '', service: 's', operation },
    scope: 'trace',
    failed: new Uint8Array(durations.length),
    durationsNs: Float64Array.from(durations),
    components: [
      { component: OWN, ...part(durations.map((ns, i) => [i, ns / 4])) },
      ...(database.length === 0 ? [] : [{ component: DATABASE, ...part(database.map((i) => [i, 5])) }]),
    ],
  }
  function part(rows: [sample: number, ns: number][]) {
    return {
      sample: Int32Array.from(rows.map(([sample]) => sample)),
      criticalNs: Float64Array.from(rows.map(([, ns]) => ns)),
      ifInstantNs: Float64Array.from(rows.map(([sample, ns]) => durations[sample]! - ns)),
    }
  }
}

test('batches together give what one batch of all gives', () => {
  const collector = createSampleCollector()
  collector.add([group('a', [10, 20, 30], [1]), group('b', [7], [])])
  collector.add([group('a', [40], [])])
  collector.add([group('a', [50, 60], [0, 1])])
  const expected = bottlenecksOf([group('a', [10, 20, 30, 40, 50, 60], [1, 4, 5]), group('b', [7], [])])
  expect(bottlenecksOf(collector.groups())).toEqual(expected)
  expect(expected[0]?.components.map(({ presentShare }) => presentShare).sort()).toEqual([0.5, 1])
  collector.close()
})

test('what lay in the file comes back as it was', () => {
  const sample = fc.record({ ns: fc.nat(), weight: fc.nat(3), failed: fc.boolean(), database: fc.boolean() })
  const part = fc.record({
    operation: fc.constantFrom('a', 'b', 'ü'),
    samples: fc.array(sample, { minLength: 1, maxLength: 5 }),
    ranged: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (drawn) => {
      const parts = drawn.map(({ operation, samples, ranged }) => {
        const durations = samples.map(({ ns }) => ns)
        const queried = [...samples.keys()].filter((i) => samples[i]!.database)
        const of = group(operation, durations, queried)
        of.failed.set(samples.map(({ failed }) => (failed ? 1 : 0)))
        if (samples.some(({ weight }) => weight !== 1))
          of.weights = Float64Array.from(samples, ({ weight }) => weight)
        if (ranged)
          for (const each of of.components)
            each.range = { earliestNs: each.ifInstantNs.map((ns) => ns / 2), latestNs: each.ifInstantNs }
        return of
      })
      const collector = createSampleCollector()
      for (const each of parts) collector.add([each])
      const operations = [...new Set(drawn.map(({ operation }) => operation))]
      const expected = operations.map((operation) =>
        joinGroups(parts.filter(({ endpoint }) => endpoint.operation === operation)),
      )
      for (let turn = 0; turn < 2; turn++)
        expect([...collector.groups()].map((each) => joinGroups([each]))).toEqual(expected)
      collector.close()
    }),
  )
})
