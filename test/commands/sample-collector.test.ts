import { expect, test } from 'vitest'
import { bottlenecksOf, type SampleGroup } from '../../src/analysis/bottlenecks.ts'
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
})
