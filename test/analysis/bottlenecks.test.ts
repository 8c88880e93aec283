import { describe, expect, it } from 'vitest'
import { bottleneckOf, type SampleGroup } from '../../src/analysis/bottlenecks.ts'
import { joinGroups } from '../../src/analysis/join-groups.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import type { ComponentKind } from '../../src/trace/component.ts'

type Row = { ms: number; weight?: number; failed?: boolean; without: Record<string, number> }

/** Samples of one endpoint: latency, and what it would be without a component, in ms. */
function groupOf(rows: readonly Row[]): SampleGroup {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.without)))]
  return {
    endpoint: { environment: '', namespace: '', service: 's', operation: 'GET /' },
    scope: 'trace',
    durationsNs: Float64Array.from(rows, ({ ms }) => ms * 1e6),
    ...(rows.some(({ weight }) => weight !== undefined)
      ? { weights: Float64Array.from(rows, ({ weight }) => weight ?? 1) }
      : {}),
    failed: Uint8Array.from(rows, ({ failed }) => (failed ? 1 : 0)),
    components: names.map((name) => {
      const on = [...rows.keys()].filter((i) => rows[i]!.without[name] !== undefined)
      return {
        component: { kind: 'database' as ComponentKind, name },
        sample: Int32Array.from(on),
        criticalNs: Float64Array.from(on, (i) => (rows[i]!.ms - rows[i]!.without[name]!) * 1e6),
        ifInstantNs: Float64Array.from(on, (i) => rows[i]!.without[name]! * 1e6),
      }
    }),
  }
}
const many = (count: number, row: (i: number) => Row) => Array.from({ length: count }, (_, i) => row(i))
const verdicts = (rows: readonly Row[], target?: string) =>
  Object.fromEntries(
    bottleneckOf(groupOf(rows), target === undefined ? undefined : parseTarget(target)).components.map(
      (c) => [c.name, c.verdict],
    ),
  )

describe('verdicts', () => {
  const rows = many(200, (i) => ({ ms: 100 + i, without: { a: 10 + i / 10, b: 95 + i, c: 99.9 + i } }))
  it('against a target', () => {
    expect(verdicts(rows, 'p95<200ms')).toEqual({
      a: 'bottleneck',
      b: 'not a bottleneck',
      c: 'not a bottleneck',
    })
    expect(verdicts(rows, 'mean<150ms').a).toBe('bottleneck')
    expect(verdicts(rows, 'p95<400ms').a).toBe('target-met')
    // 290 -> 28.9: not below 20, but far less.
    expect(verdicts(rows, 'p95<20ms')).toMatchObject({ a: 'contributor', b: 'not a bottleneck' })
  })
  it('the interval must meet the target as well', () => {
    const without = Float64Array.from(rows, (row) => row.without.a!)
    const upper = bottleneckOf(groupOf(rows)).components[0]!.p95Interval![1] / 1e6
    expect(upper).toBeGreaterThan(without.toSorted()[189]!)
    expect(verdicts(rows, `p95<${upper}ms`).a).toBe('contributor')
    expect(verdicts(rows, `p95<=${upper}ms`).a).toBe('bottleneck')
  })
  it('with few samples the point estimate decides', () => {
    const few = rows.slice(0, 10)
    expect(bottleneckOf(groupOf(few)).components[0]!.p95Interval).toBeNull()
    expect(verdicts(few, 'p95<50ms').a).toBe('bottleneck')
  })
  it('without a target the one that saves most is the leader, if it saves anything', () => {
    expect(verdicts(rows)).toEqual({ a: 'leader', b: 'not a bottleneck', c: 'not a bottleneck' })
    expect(verdicts(many(30, () => ({ ms: 5, without: { a: 5 } })))).toEqual({ a: 'not a bottleneck' })
  })
})

describe('what the evidence leaves open', () => {
  const rows = many(200, (i) => ({ ms: 100 + i, without: { a: 50 + i / 10 } }))
  const closed = groupOf(rows)
  const part = closed.components[0]!
  const open = (earlier: number, later: number): SampleGroup => ({
    ...closed,
    components: [
      {
        ...part,
        range: {
          earliestNs: part.ifInstantNs.map((ns) => ns - earlier * 1e6),
          latestNs: part.ifInstantNs.map((ns) => ns + later * 1e6),
        },
      },
    ],
  })
  it('widens the intervals, and is flagged', () => {
    const narrow = bottleneckOf(closed).components[0]!
    const wide = bottleneckOf(open(5, 20)).components[0]!
    expect(narrow.structuralRange).toBeUndefined()
    expect(wide.ifInstant).toEqual(narrow.ifInstant)
    expect(wide.p95Interval).toEqual([narrow.p95Interval![0] - 5e6, narrow.p95Interval![1] + 20e6])
    const sides = [
      wide.meanInterval![0] - narrow.meanInterval![0],
      wide.meanInterval![1] - narrow.meanInterval![1],
    ]
    expect(sides[0]).toBeCloseTo(wide.structuralRange!.meanNs[0] - wide.ifInstant.meanNs, 3)
    expect(sides[1]).toBeCloseTo(wide.structuralRange!.meanNs[1] - wide.ifInstant.meanNs, 3)
    expect(sides[0]).toBeLessThan(0)
    expect(sides[1]).toBeGreaterThan(0)
    expect(wide.structuralRange!.p95Ns).toEqual([wide.ifInstant.p95Ns - 5e6, wide.ifInstant.p95Ns + 20e6])
  })
  it('counts in the verdict', () => {
    const target = parseTarget('p95<80ms')
    expect(bottleneckOf(closed, target).components[0]!.verdict).toBe('bottleneck')
    expect(bottleneckOf(open(0, 20), target).components[0]!.verdict).toBe('contributor')
    expect(bottleneckOf(open(20, 0), target).components[0]!.verdict).toBe('bottleneck')
  })
  it('stays with its samples when groups are joined', () => {
    const joined = joinGroups([closed, open(5, 20)])
    const { earliestNs, latestNs } = joined.components[0]!.range!
    expect([...earliestNs.subarray(0, 200)]).toEqual([...part.ifInstantNs])
    expect([...latestNs.subarray(200)]).toEqual([...part.ifInstantNs.map((ns) => ns + 20e6)])
  })
})

describe('a tie', () => {
  // Long and short requests by turns, so that p95 is uncertain, for all components alike.
  const noise = (i: number) => (i * 7919) % 200
  it('is two that save the same, as far as one can tell', () => {
    const rows = many(200, (i) => {
      const ms = 300 + noise(i)
      return { ms, without: { a: ms - 100 - (i % 3), b: ms - 100 - ((i + 1) % 3), c: ms - 5 } }
    })
    const { tie, components } = bottleneckOf(groupOf(rows))
    expect(components[0]!.verdict).toBe('leader')
    expect(tie?.map(({ name }) => name)).toEqual([components[1]!.name])
  })
  it('is none where the same requests get clearly faster, however wide the intervals', () => {
    const rows = many(200, (i) => ({ ms: 300 + noise(i), without: { a: 200 + noise(i), b: 204 + noise(i) } }))
    const { tie, components } = bottleneckOf(groupOf(rows))
    // The intervals overlap; the requests are the same ones.
    expect(components[0]!.p95Interval![1]).toBeGreaterThan(components[1]!.p95Interval![0])
    expect(tie).toBeUndefined()
  })
})

describe('sampled traffic', () => {
  it('counts by weight', () => {
    // 10 slow requests were all kept, of 990 fast ones every 99th.
    const rows: (Row & { weight: number })[] = [
      ...many(10, () => ({ ms: 900, without: { db: 100 } })).map((row) => ({ ...row, weight: 1 })),
      ...many(10, () => ({ ms: 10, without: {} })).map((row) => ({ ...row, weight: 99 })),
    ]
    const spelled = rows.flatMap(({ weight, ...row }) => many(weight, () => row))
    const weighted = bottleneckOf(groupOf(rows))
    const whole = bottleneckOf(groupOf(spelled))
    expect(weighted.entries).toBe(20)
    expect(weighted.observed).toEqual(whole.observed)
    expect(weighted.components[0]).toMatchObject({
      criticalShare: whole.components[0]!.criticalShare,
      presentShare: whole.components[0]!.presentShare,
      ifInstant: whole.components[0]!.ifInstant,
    })
    expect(weighted.sampling).toMatchObject({ represents: 1000, biases: ['unequal-weights'] })
    expect(whole.sampling).toBeUndefined()
  })
  it('says when only errors were kept', () => {
    const rows = many(30, () => ({ ms: 10, failed: true, without: { db: 5 } }))
    expect(bottleneckOf(groupOf(rows)).sampling).toMatchObject({ represents: 30, biases: ['only-errors'] })
    rows[7]!.failed = false
    expect(bottleneckOf(groupOf(rows)).sampling).toBeUndefined()
  })
  it('with equal weights is unbiased, and says how much it stands for', () => {
    const rows = many(30, () => ({ ms: 10, weight: 4, without: { db: 5 } }))
    expect(bottleneckOf(groupOf(rows)).sampling).toEqual({
      represents: 120,
      effectiveSamples: 30,
      biases: [],
    })
  })
})
