import { describe, expect, it } from 'vitest'
import { meanIntervalOf, meanSamplesMissing } from '../../src/analysis/mean-interval.ts'
import { type Predicted, rank, weightedMean } from '../../src/analysis/ranked.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { suffices, verdictOf } from '../../src/analysis/verdict.ts'
import { seeded } from '../bench/random.ts'

const SEED = 20261127
const SIGMA = 0.6
const TRUE_MEAN = 100e6 * Math.exp(SIGMA ** 2 / 2)

/** Lognormal latencies with a median of 100 ms, ns. */
function latencies(count: number, random: () => number): Float64Array {
  return Float64Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return Math.round(100e6 * Math.exp(SIGMA * normal))
  })
}

function predictedOf(values: Float64Array, weights?: Float64Array): Predicted {
  return { ranked: rank(values, weights), meanNs: weightedMean(values, weights) }
}

/** Share of so many repetitions whose interval is there and holds the mean that the samples come from. */
function held(repetitions: number, draw: (random: () => number) => Predicted): number {
  const random = seeded(SEED)
  let holds = 0
  let given = 0
  for (let i = 0; i < repetitions; i++) {
    const interval = meanIntervalOf(draw(random))
    if (interval === undefined) continue
    given++
    if (interval[0] <= TRUE_MEAN && TRUE_MEAN <= interval[1]) holds++
  }
  expect(given).toBeGreaterThan(0.9 * repetitions)
  return holds / given
}

describe('the interval of a mean', () => {
  it(`holds the true one about as often as it says (seed ${SEED})`, () => {
    const share = held(1000, (random) => predictedOf(latencies(400, random)))
    expect(share).toBeGreaterThan(0.925)
    expect(share).toBeLessThan(0.975)
  })

  it(`... where slow samples were kept more often than fast ones (seed ${SEED})`, () => {
    const share = held(1000, (random) => {
      const all = latencies(1500, random)
      const chance = (ns: number) => (ns > 150e6 ? 1 : 0.25)
      const kept = all.filter((ns) => random() < chance(ns))
      return predictedOf(
        kept,
        kept.map((ns) => 1 / chance(ns)),
      )
    })
    expect(share).toBeGreaterThan(0.925)
    expect(share).toBeLessThan(0.975)
  })

  it('is missing where samples are too few, or too skewed for their number, and says how many more it needs', () => {
    const same = (count: number) => predictedOf(new Float64Array(count).fill(7))
    expect(meanIntervalOf(same(30))).toEqual([7, 7])
    expect(meanIntervalOf(same(29))).toBeUndefined()
    expect(meanSamplesMissing(same(29))).toBe(1)
    expect(meanSamplesMissing(same(0))).toBe(30)

    const outlier = (times: number) =>
      predictedOf(Float64Array.from({ length: 50 * times }, (_, i) => (i % 50 === 0 ? 1000 : 1)))
    const missing = meanSamplesMissing(outlier(1))
    expect(missing).toBeGreaterThan(0)
    expect(meanIntervalOf(outlier(1))).toBeUndefined()
    // The samples as they are, so many times over that there are as many more.
    const times = 1 + Math.ceil(missing / 50)
    expect(meanIntervalOf(outlier(times))).toBeDefined()
    expect(meanIntervalOf(outlier(times - 2))).toBeUndefined()
  })

  it('counts as many samples as say as much, where all weigh the same, and shrinks with their root', () => {
    const values = latencies(400, seeded(1))
    const plain = meanIntervalOf(predictedOf(values))!
    const weighted = meanIntervalOf(predictedOf(values, new Float64Array(400).fill(8)))!
    expect(weighted[0] / plain[0]).toBeCloseTo(1, 9)
    expect(weighted[1] / plain[1]).toBeCloseTo(1, 9)
    const four = meanIntervalOf(predictedOf(Float64Array.from({ length: 1600 }, (_, i) => values[i % 400]!)))!
    expect((plain[1] - plain[0]) / (four[1] - four[0])).toBeCloseTo(2, 1)
  })

  it('is widened by what the evidence leaves open', () => {
    const point = predictedOf(latencies(400, seeded(2)))
    const [low, high] = meanIntervalOf(point)!
    const open = { ...point, meanRange: { earliestNs: point.meanNs - 5e6, latestNs: point.meanNs + 20e6 } }
    expect(meanIntervalOf(open)![0]).toBeCloseTo(low - 5e6, 3)
    expect(meanIntervalOf(open)![1]).toBeCloseTo(high + 20e6, 3)
  })

  it('decides about a target of a mean; where there is none the mean itself does', () => {
    const slow = predictedOf(latencies(400, seeded(3)).map((ns) => 10 * ns))
    const left = predictedOf(latencies(400, seeded(3)))
    const upper = meanIntervalOf(left)![1]
    const target = (ns: number) => parseTarget(`mean<${Math.ceil(ns)}ns`)
    expect(verdictOf(target(upper + 1e3), slow, left)).toBe('bottleneck')
    expect(left.meanNs).toBeLessThan(upper - 1e3)
    expect(verdictOf(target(upper - 1e3), slow, left)).toBe('contributor')
    const few = predictedOf(latencies(10, seeded(3)))
    expect(meanIntervalOf(few)).toBeUndefined()
    expect(suffices(few, target(few.meanNs + 1e3))).toBe(true)
  })
})
