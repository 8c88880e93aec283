import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bottleneckOf, type SampleGroup } from '../../src/analysis/bottlenecks.ts'
import { compareRollups, normalQuantile } from '../../src/analysis/compare.ts'
import { type LeaderRun, leaderChanges, newVersions } from '../../src/analysis/leader-changes.ts'
import { addRollup, createRollup, type Rollup } from '../../src/analysis/rollup.ts'
import { bottleneckOfRollup } from '../../src/analysis/rollup-figures.ts'
import { rollUpSamples, type SampleTable } from '../../src/analysis/rollup-samples.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import type { Component } from '../../src/trace/component.ts'
import { seeded } from '../bench/random.ts'

const COMPONENTS: Component[] = [
  { kind: 'database', name: 'pg' },
  { kind: 'external', name: 'partner' },
  { kind: 'service', name: 's' },
]
const key = {
  environment: '',
  namespace: '',
  service: 's',
  operation: 'o',
  scope: 'trace',
  version: '',
} as const

type Sample = {
  durationNs: number
  weight: number
  failed: boolean
  shares: number[]
  kept: number[]
  open: number
}
const sample = fc.record({
  durationNs: fc.integer({ min: 1000, max: 2e9 }),
  weight: fc.constant(1),
  failed: fc.boolean(),
  // Critical share of each component, and how much of it is saved.
  shares: fc.tuple(...COMPONENTS.map(() => fc.constantFrom(0, 0, 0.1, 0.5, 0.9))),
  kept: fc.tuple(...COMPONENTS.map(() => fc.double({ min: 0, max: 1, noNaN: true }))),
  // How much of what is and of what is not saved the evidence leaves open, of the second component.
  open: fc.constantFrom(0, 0, 0.3, 1),
})
const samples = fc.array(sample, { minLength: 1, maxLength: 400 })

const partsOf = ({ durationNs, shares, kept, open }: Sample) =>
  COMPONENTS.flatMap((_, component) => {
    const criticalNs = Math.floor(durationNs * shares[component]!)
    const savedNs = Math.floor(criticalNs * kept[component]!)
    const isOpen = component === 1 ? open : 0
    return criticalNs === 0
      ? []
      : [
          {
            component,
            criticalNs,
            ifInstantNs: durationNs - savedNs,
            earlierNs: Math.floor((criticalNs - savedNs) * isOpen),
            laterNs: Math.floor(savedNs * isOpen),
          },
        ]
  })

function groupOf(list: readonly Sample[], weighted: boolean): SampleGroup {
  return {
    endpoint: key,
    scope: 'trace',
    durationsNs: Float64Array.from(list, (s) => s.durationNs),
    weights: weighted ? Float64Array.from(list, (s) => s.weight) : undefined,
    failed: Uint8Array.from(list, (s) => (s.failed ? 1 : 0)),
    components: COMPONENTS.flatMap((component, c) => {
      const rows = list.flatMap((s, i) =>
        partsOf(s)
          .filter((p) => p.component === c)
          .map((p) => ({ ...p, i })),
      )
      return rows.length === 0
        ? []
        : [
            {
              component,
              sample: Int32Array.from(rows, (r) => r.i),
              criticalNs: Float64Array.from(rows, (r) => r.criticalNs),
              ifInstantNs: Float64Array.from(rows, (r) => r.ifInstantNs),
              range: rows.every((r) => r.earlierNs + r.laterNs === 0)
                ? undefined
                : {
                    earliestNs: Float64Array.from(rows, (r) => r.ifInstantNs - r.earlierNs),
                    latestNs: Float64Array.from(rows, (r) => r.ifInstantNs + r.laterNs),
                  },
            },
          ]
    }),
  }
}

function tableOf(list: readonly Sample[]): SampleTable {
  const parts = list.map(partsOf)
  let count = 0
  const ends = parts.map((of) => (count += of.length))
  const flat = parts.flat()
  const open = parts.map((of) => (of.some((p) => p.earlierNs + p.laterNs > 0) ? of : []))
  let openCount = 0
  const rangeEnds = open.map((of) => (openCount += of.length))
  return {
    start: new Uint32Array(2 * list.length),
    traceHigh: Uint32Array.from({ length: 2 * list.length }, (_, i) => i),
    traceLow: new Uint32Array(2 * list.length),
    durationNs: Float64Array.from(list, (s) => s.durationNs),
    weight: list.map((s) => s.weight),
    isError: list.map((s) => (s.failed ? 1 : 0)),
    componentEnds: ends,
    component: flat.map((p) => p.component),
    criticalNs: Float64Array.from(flat, (p) => p.criticalNs),
    ifInstantNs: Float64Array.from(flat, (p) => p.ifInstantNs),
    rangeEnds,
    earlierNs: Float64Array.from(open.flat(), (p) => p.earlierNs),
    laterNs: Float64Array.from(open.flat(), (p) => p.laterNs),
    callEnds: ends,
    calls: flat.map(() => 1),
    nodeEnds: list.map(() => 0),
    nodes: { parents: [], frames: [], nsWords: new Uint32Array(0), calls: [] },
    components: COMPONENTS,
  }
}

/** In pieces, as days are made of minutes. */
function rollupOf(list: readonly Sample[], pieces = 3): Rollup {
  const rollup = createRollup()
  for (let p = 0; p < pieces; p++) {
    const some = list.filter((_, i) => i % pieces === p)
    const rows = some.map((_, i) => i)
    if (some.length > 0) addRollup(rollup, rollUpSamples([{ table: tableOf(some), rows }], 0, 60))
  }
  return rollup
}

const near = (actual: number, exact: number) =>
  expect(Math.abs(actual - exact), `${actual} for ${exact}`).toBeLessThanOrEqual(0.0101 * exact)

const PLAIN = { durationNs: 1_071_964_369, weight: 1 as const, failed: false }

it('figures from histograms are those from samples, within 1 %; intervals cover theirs', () => {
  fc.assert(
    fc.property(samples, fc.constantFrom(undefined, 'p95<300ms', 'p50<=1s', 'mean<200ms'), (list, text) => {
      const target = text === undefined ? undefined : parseTarget(text)
      const exact = bottleneckOf(groupOf(list, false), target)
      const actual = bottleneckOfRollup(key, rollupOf(list), target)
      expect(actual.entries).toBe(exact.entries)
      for (const q of ['p50Ns', 'p95Ns', 'p99Ns'] as const) near(actual.observed[q], exact.observed[q])
      expect(actual.observed.meanNs).toBeCloseTo(exact.observed.meanNs, 3)
      expect(actual.components).toHaveLength(exact.components.length)
      for (const component of exact.components) {
        const other = actual.components.find(({ name }) => name === component.name)!
        expect(other.criticalShare).toBeCloseTo(component.criticalShare, 9)
        expect(other.presentShare).toBeCloseTo(component.presentShare, 9)
        expect(other.ifInstant.meanNs).toBeCloseTo(component.ifInstant.meanNs, 3)
        for (const q of ['p50Ns', 'p95Ns', 'p99Ns'] as const) near(other.ifInstant[q], component.ifInstant[q])
        for (const q of ['p50Interval', 'p95Interval', 'p99Interval'] as const) {
          expect(other[q] === null).toBe(component[q] === null)
          if (component[q] === null) continue
          expect(other[q]![0]).toBeLessThanOrEqual(component[q]![0])
          expect(other[q]![1]).toBeGreaterThanOrEqual(component[q]![1])
        }
        for (const q of ['p50Ns', 'p95Ns', 'p99Ns'] as const) {
          // Within a bin nothing is open.
          const range = component.structuralRange?.[q] ?? [component.ifInstant[q], component.ifInstant[q]]
          const stored = other.structuralRange?.[q] ?? [other.ifInstant[q], other.ifInstant[q]]
          for (const end of [0, 1] as const) near(stored[end], range[end])
        }
        // What is not called uncertain is what the samples say.
        if (target !== undefined && !other.uncertain) expect(other.verdict).toBe(component.verdict)
      }
    }),
    {
      numRuns: 150,
      // Without the component the median lies just within the target, and its bin on both sides of it.
      examples: [
        [
          [
            { ...PLAIN, shares: [0, 0.5, 0], kept: [0, 0.13426634531568685, 0], open: 0 },
            { ...PLAIN, shares: [0, 0, 0], kept: [0, 0, 0], open: 0 },
          ],
          'p50<=1s',
        ],
      ],
    },
  )
})

it('weights count as that many samples', () => {
  const weighted = fc.array(fc.tuple(sample, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 80 })
  fc.assert(
    fc.property(weighted, (pairs) => {
      const list = pairs.map(([s, weight]) => ({ ...s, weight }))
      const expanded = list.flatMap((s) => new Array<Sample>(s.weight).fill({ ...s, weight: 1 }))
      const [a, b] = [bottleneckOfRollup(key, rollupOf(list)), bottleneckOfRollup(key, rollupOf(expanded))]
      expect(a.observed).toEqual(b.observed)
      expect(a.components.map((c) => c.ifInstant)).toEqual(b.components.map((c) => c.ifInstant))
      expect(a.sampling?.represents ?? a.entries).toBe(expanded.length)
    }),
    { numRuns: 50 },
  )
})

it('changes of components add up to the change of the mean, calls and times to each', () => {
  // Components tell all of the latency.
  const whole = samples.map((list) =>
    list.map((s) => ({
      ...s,
      shares: [0.25, 0.25, 0.5].map((share, i) => (s.shares[i] === 0 && i < 2 ? 0 : share)),
    })),
  )
  fc.assert(
    fc.property(whole, whole, (before, after) => {
      const comparison = compareRollups(rollupOf(before), rollupOf(after))
      const rest = (list: readonly Sample[]) =>
        list.reduce((sum, s) => sum + s.durationNs - partsOf(s).reduce((a, p) => a + p.criticalNs, 0), 0) /
        list.length
      const sum = comparison.components.reduce((sum, { changeNs }) => sum + changeNs, 0)
      expect(sum + rest(after) - rest(before)).toBeCloseTo(comparison.mean.changeNs, 2)
      for (const { changeNs, byCallsNs, byTimeNs } of comparison.components) {
        expect(byCallsNs! + byTimeNs!).toBeCloseTo(changeNs, 2)
      }
    }),
    { numRuns: 50 },
  )
})

it('of two draws from one distribution at most one in twenty is beyond chance', () => {
  const random = seeded(5)
  const draw = () =>
    Array.from({ length: 60 }, (): Sample => {
      const shares = [0.3, 0.2, 0.5]
      return {
        durationNs: 1e6 + Math.floor(random() * 1e8),
        weight: 1,
        failed: false,
        shares,
        kept: [1, 1, 1],
        open: 0,
      }
    })
  let beyond = 0
  for (let round = 0; round < 200; round++) {
    if (compareRollups(rollupOf(draw()), rollupOf(draw())).mean.beyondChance) beyond++
  }
  // 5 % of 200 are 10; 20 would be three standard deviations more.
  expect(beyond).toBeLessThan(20)
  expect(normalQuantile(0.975)).toBeCloseTo(1.95996, 4)
})

it('a leader changes when another has led three buckets in a row', () => {
  const run = (fromSeconds: number, buckets: number, name: string | null, each = 25): LeaderRun => ({
    fromSeconds,
    buckets,
    samples: each * buckets,
    leader: name === null ? null : { kind: 'database', name },
    p95Ns: 1,
    savedNs: 1,
  })
  const changes = leaderChanges([
    run(0, 5, 'a'),
    run(5, 2, 'b'),
    run(7, 4, 'a'),
    run(11, 3, 'b'),
    run(14, 3, null),
    run(17, 1, 'a'),
    // Of so few requests that chance leads.
    run(18, 4, 'c', 2),
  ])
  expect(changes.map(({ atSeconds, from, to }) => [atSeconds, from.leader?.name, to.leader?.name])).toEqual([
    [11, 'a', 'b'],
    [14, 'b', undefined],
  ])
})

it('a version is new when a service had others before', () => {
  const rowsOf = (service: string, version: string, atSeconds: number) => [
    {
      ...{ atSeconds, weight: 1, samples: 1, leader: null, p95Ns: 1, savedNs: 0 },
      key: { ...key, service, version },
    },
  ]
  const versions = newVersions([
    rowsOf('canary', '2', 0),
    rowsOf('canary', '1', 0),
    rowsOf('rolled out', '2', 600),
    rowsOf('rolled out', '1', 0),
    rowsOf('rolled out', '2', 300),
    rowsOf('there later', '1', 600),
  ])
  // Two that were there from the beginning have been there before, for all one knows.
  expect(versions.map(({ key: { service, version }, atSeconds }) => [service, version, atSeconds])).toEqual([
    ['rolled out', '2', 300],
  ])
})
