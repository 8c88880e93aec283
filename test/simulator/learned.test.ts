import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
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
    const { learned, single, count } = mean(family, 2)
    expect(count).toBeGreaterThan(10)
    expect(learned).toBeLessThan(0.75 * single)
  })
})
