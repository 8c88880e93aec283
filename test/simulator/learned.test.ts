import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { appendRows, createColumns } from '../../src/trace/columns.ts'
import { seeded } from '../bench/random.ts'
import { createWorld, FAMILIES, runWorld } from './program.ts'
import { LEARNED, programs, SINGLE, scoreFamily } from './score.ts'

const SEED = 20261124

describe('the simulator', () => {
  it('gives the same traces for the same seed, and the observed ones at factor 1', () => {
    const world = createWorld(SEED, FAMILIES['hidden, forget, skew']!)
    const once = runWorld(world, 0, 20)
    const again = runWorld(createWorld(SEED, FAMILIES['hidden, forget, skew']!), 0, 20, () => 1)
    expect(again.latenciesNs).toEqual(once.latenciesNs)
    expect(again.columns.start.slice(0, 2 * again.columns.count)).toEqual(
      once.columns.start.slice(0, 2 * once.columns.count),
    )
    const entries = analyzeSpans(once.columns, { serviceScope: false }).samples.durationNs.slice(0, 20)
    expect([...entries].sort((a, b) => a - b)).toEqual([...once.latenciesNs].sort((a, b) => a - b))
  })
})

describe('predictions against the requests run again', () => {
  const mean = (family: string, worlds: number) => {
    const [learned, single] = scoreFamily(programs(FAMILIES[family]!), [LEARNED, SINGLE], worlds, SEED)
    return { learned: learned!.mean, single: single!.mean, count: learned!.count }
  }

  it('are exact where every branch is joined', () => {
    const { learned, single } = mean('joined', 3)
    expect(single).toBeLessThan(1e-6)
    expect(learned).toBeLessThan(0.0005)
  })

  // Few worlds say little about the size of the error (test/bench/accuracy.ts has many), but which one is smaller.
  it.each(['hidden', 'hidden, forget, skew'])('are learned where concurrency is hidden: %s', (family) => {
    const { learned, single, count } = mean(family, 3)
    expect(count).toBeGreaterThan(15)
    expect(learned).toBeLessThan(0.75 * single)
  })
})

describe('with learned dependencies', () => {
  const { columns } = runWorld(createWorld(SEED + 3, FAMILIES['hidden, forget, skew']!), 0, 60)
  const model = learnDependencies(columns)
  const learned = analyzeSpans(columns, { model })

  it('something was learned, and it does not depend on the order of the spans', () => {
    expect(model.structures.size).toBeGreaterThan(0)
    const random = seeded(1)
    const order = Array.from({ length: columns.count }, (_, row) => [random(), row] as const)
    const shuffled = createColumns(columns.dictionary, columns.count)
    appendRows(
      shuffled,
      columns,
      order.sort(([a], [b]) => a - b).map(([, row]) => row),
    )
    expect(learnDependencies(shuffled)).toEqual(model)
  })

  it('segments tile, critical times add up, and nothing saves more than its critical time', () => {
    const { samples, segments, components } = learned
    for (let s = 0; s < samples.count; s++) {
      if (samples.firstSegment[s]! < samples.firstSegment[s + 1]!) {
        let at = 0
        for (let i = samples.firstSegment[s]!; i < samples.firstSegment[s + 1]!; i++) {
          expect(segments.startNs[i]).toBe(at)
          at = segments.endNs[i]!
        }
        expect(at).toBe(samples.durationNs[s])
      }
      let critical = 0
      for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
        critical += components.criticalNs[i]!
        const saved = samples.durationNs[s]! - components.ifInstantNs[i]!
        expect(saved).toBeGreaterThanOrEqual(0)
        expect(saved).toBeLessThanOrEqual(components.criticalNs[i]!)
      }
      expect(critical).toBe(samples.durationNs[s])
    }
  })

  it('factor 1 changes nothing, all at 0 leave nothing, a smaller factor is never slower', () => {
    const at = (factor: number) => latenciesWith(columns, () => factor, { model })
    const [one, half, nothing] = [at(1), at(0.5), at(0)]
    for (let s = 0; s < learned.samples.count; s++) {
      expect(one[s]).toBe(learned.samples.durationNs[s])
      expect(half[s]!).toBeLessThanOrEqual(one[s]!)
      expect(nothing[s]).toBe(0)
    }
  })
})
