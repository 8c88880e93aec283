import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { intervalRanks, quantileInterval, quantileOf, samplesNeeded } from '../../src/analysis/quantile.ts'
import { intervalAt, intervalsOf, quantileAt, rank, samplesMissing } from '../../src/analysis/ranked.ts'
import { seeded } from '../bench/random.ts'

const values = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 60 })
const weighted = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 1, max: 9 })), {
  minLength: 1,
  maxLength: 60,
})

describe('ranked values', () => {
  it('a weight counts like as many values', () => {
    fc.assert(
      fc.property(weighted, fc.constantFrom(0.05, 0.5, 0.9, 0.95, 0.99, 1), (rows, q) => {
        const spelled = rows.flatMap(([value, weight]) => new Array<number>(weight).fill(value))
        const sorted = Float64Array.from(spelled).sort()
        const ranked = rank(
          Float64Array.from(rows, ([value]) => value),
          Float64Array.from(rows, ([, weight]) => weight),
        )
        expect(quantileAt(ranked, q)).toBe(quantileOf(sorted, q))
      }),
    )
  })

  it('equal weights change nothing, intervals included', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 1000 }), (list, weight) => {
        const plain = rank(Float64Array.from(list))
        const scaled = rank(Float64Array.from(list), new Float64Array(list.length).fill(weight))
        const sorted = Float64Array.from(list).sort()
        for (const q of [0.3, 0.5, 0.95]) {
          expect(intervalAt(plain, q)).toEqual(quantileInterval(sorted, q))
          expect(intervalAt(scaled, q)).toEqual(quantileInterval(sorted, q))
          expect(quantileAt(scaled, q)).toBe(quantileOf(sorted, q))
        }
      }),
    )
  })

  it('whole weights never say more than that many values would', () => {
    fc.assert(
      fc.property(weighted, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (rows, q) => {
        const ranked = rank(
          Float64Array.from(rows, ([value]) => value),
          Float64Array.from(rows, ([, weight]) => weight),
        )
        expect(ranked.samplesAt(q)).toBeGreaterThan(0)
        expect(ranked.samplesAt(q)).toBeLessThanOrEqual(ranked.cumulative!.at(-1)! * (1 + 1e-9))
      }),
    )
  })
})

describe('intervals', () => {
  test.each([0.5, 0.95, 0.99, 0.999])('q %d: exist from the least count on, and not just below it', (q) => {
    const least = samplesNeeded(q)
    expect(intervalRanks(least - 1, q)).toBeUndefined()
    for (let n = least; n < least + 2000; n++) expect(intervalRanks(n, q)).toBeDefined()
  })

  it('are null with how many more samples they need', () => {
    const of = (count: number) => intervalsOf({ ranked: rank(new Float64Array(count).fill(7)), meanNs: 7 })
    expect(of(100)).toEqual({
      p50Interval: [7, 7],
      p95Interval: [7, 7],
      p99Interval: null,
      meanInterval: [7, 7],
      needMore: { p99: samplesNeeded(0.99) - 100 },
    })
    expect(of(samplesNeeded(0.99)).needMore).toBeUndefined()
    expect(samplesMissing(rank(new Float64Array(0)), 0.5)).toBe(samplesNeeded(0.5))
  })

  it('of sampled traffic hold the true quantile about 95 times in a hundred', () => {
    // Slow requests are kept more often (tail sampling), and count for less: each is weighted by its probability.
    const random = seeded(5)
    const draw = () => Math.exp(random() + random() + random())
    const population = Float64Array.from({ length: 200_000 }, draw).sort()
    for (const q of [0.5, 0.95]) {
      const truth = quantileOf(population, q)
      let held = 0
      const rounds = 1000
      for (let round = 0; round < rounds; round++) {
        const kept: number[] = []
        const weights: number[] = []
        for (let i = 0; i < 3000; i++) {
          const value = draw()
          const probability = value > 8 ? 0.5 : 0.1
          if (random() >= probability) continue
          kept.push(value)
          weights.push(1 / probability)
        }
        const [low, high] = intervalAt(rank(Float64Array.from(kept), Float64Array.from(weights)), q)!
        if (low <= truth && truth <= high) held++
      }
      expect(held / rounds).toBeGreaterThan(0.93)
      expect(held / rounds).toBeLessThan(0.985)
    }
  })
})
