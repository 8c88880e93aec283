import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addProduct, addSum, addWords, createSum, sumValue } from '../../src/analysis/exact-sum.ts'
import {
  addHistogram,
  addSparse,
  addToBin,
  appendSparse,
  BINS,
  binBounds,
  binOf,
  binValue,
  counterfactual,
  createHistogram,
  type Histogram,
  histogramInterval,
  histogramQuantile,
  weightOf,
} from '../../src/analysis/histogram.ts'
import { quantileInterval, quantileOf } from '../../src/analysis/quantile.ts'
import { createWords, wordsIn } from '../../src/analysis/word-list.ts'

/** Durations over all orders of magnitude. */
const duration = fc
  .tuple(fc.integer({ min: 0, max: 52 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([power, part]) => Math.floor(2 ** power * (1 + part)))
const sample = fc.record({
  durationNs: duration,
  weight: fc.integer({ min: 1, max: 5 }),
  /** undefined: not on its path. */
  share: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
})
const samples = fc.array(sample, { minLength: 1, maxLength: 300 })

/** The slow twin: every value as often as it weighs, sorted. */
function expanded(values: readonly { durationNs: number; weight: number }[]): Float64Array {
  return Float64Array.from(
    values.flatMap(({ durationNs, weight }) => new Array<number>(weight).fill(durationNs)),
  ).sort()
}

function histogramOf(values: readonly { durationNs: number; weight: number }[]): Histogram {
  const histogram = createHistogram()
  for (const { durationNs, weight } of values) addToBin(histogram, binOf(durationNs), weight)
  return histogram
}

function isWithin(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) <= 0.01 * expected
}

/** Counts by bin, zeros left out. */
function plain(histogram: Histogram): Map<number, number> {
  return new Map(
    [...histogram.counts]
      .map((count, i) => [histogram.first + i, count] as const)
      .filter(([, count]) => count !== 0),
  )
}

describe('bins', () => {
  it('tile the whole numbers, and stand for them within 1 %', () => {
    fc.assert(
      fc.property(duration, (ns) => {
        const bin = binOf(ns)
        const [low, high] = binBounds(bin)
        expect(low).toBeLessThanOrEqual(ns)
        expect(high).toBeGreaterThanOrEqual(ns)
        expect(isWithin(binValue(bin), ns)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('ascend, at every bound', () => {
    expect([binOf(0), binValue(binOf(0)), binValue(binOf(1)), binValue(binOf(2))]).toEqual([0, 0, 1, 2])
    for (let bin = 1; bin < BINS - 1; bin++) {
      const [low, high] = binBounds(bin)
      if (low > high || binOf(low) !== bin) continue // holds no whole number
      expect(binOf(high)).toBe(bin)
      expect(binOf(high + 1)).toBeGreaterThan(bin)
      if (low > 0) expect(binOf(low - 1)).toBeLessThan(bin)
    }
    expect(binOf(2 ** 53)).toBeLessThan(BINS)
  })
})

describe('histograms', () => {
  it('quantiles are the nearest-rank ones within 1 %', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (values, q) => {
        const sorted = expanded(values)
        const actual = histogramQuantile(histogramOf(values), sorted.length, q)
        expect(isWithin(actual, quantileOf(sorted, q))).toBe(true)
      }),
    )
  })

  it('intervals hold the order statistics, and are no wider than a bin at either end', () => {
    fc.assert(
      fc.property(samples, fc.constantFrom(0.5, 0.9, 0.95), (values, q) => {
        const sorted = expanded(values.map(({ durationNs }) => ({ durationNs, weight: 1 })))
        const histogram = histogramOf(values.map(({ durationNs }) => ({ durationNs, weight: 1 })))
        const exact = quantileInterval(sorted, q)
        const interval = histogramInterval(histogram, sorted.length, sorted.length, q)
        if (exact === undefined) expect(interval).toBeUndefined()
        else {
          expect(interval).toEqual([binBounds(binOf(exact[0]))[0], binBounds(binOf(exact[1]))[1]])
        }
      }),
    )
  })

  it('with equal weights an interval is that of the samples without them', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 2, max: 9 }), (values, weight) => {
        const weighted = histogramOf(values.map(({ durationNs }) => ({ durationNs, weight })))
        const single = histogramOf(values.map(({ durationNs }) => ({ durationNs, weight: 1 })))
        const n = values.length
        expect(histogramInterval(weighted, n * weight, n, 0.9)).toEqual(histogramInterval(single, n, n, 0.9))
      }),
    )
  })

  it('all - present + if-instant-where-present is the histogram of what every sample would be', () => {
    fc.assert(
      fc.property(samples, (values) => {
        const instant = ({ durationNs, share }: (typeof values)[number]) =>
          Math.floor(durationNs * (1 - (share ?? 0)))
        const shift = createHistogram()
        for (const value of values) {
          if (value.share === undefined) continue
          addToBin(shift, binOf(value.durationNs), -value.weight)
          addToBin(shift, binOf(instant(value)), value.weight)
        }
        const expected = histogramOf(
          values.map((value) => ({ durationNs: instant(value), weight: value.weight })),
        )
        expect(plain(counterfactual(histogramOf(values), shift))).toEqual(plain(expected))
        expect(weightOf(shift)).toBe(0)
      }),
    )
  })

  it('a negative bin is an error', () => {
    const shift = createHistogram()
    addToBin(shift, binOf(100), -2)
    addToBin(shift, binOf(10), 2)
    expect(() => counterfactual(histogramOf([{ durationNs: 100, weight: 1 }]), shift)).toThrow(RangeError)
  })

  it('adding is adding the samples, and sparse form loses nothing', () => {
    fc.assert(
      fc.property(samples, samples, fc.integer({ min: 1, max: 4 }), (a, b, most) => {
        const sum = histogramOf(a)
        addHistogram(sum, histogramOf(b))
        const expected = plain(histogramOf([...a, ...b]))
        expect(plain(sum)).toEqual(expected)
        const lists = [createWords(), createWords()] as const
        appendSparse(sum, ...lists, most)
        const [bins, counts] = [wordsIn(lists[0]), wordsIn(lists[1])]
        expect(Math.max(...counts)).toBeLessThanOrEqual(most)
        const again = createHistogram()
        addSparse(again, bins, counts, 0, bins.length)
        expect(plain(again)).toEqual(expected)
      }),
    )
  })
})

it('sums are exact beyond 2^53', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          duration.map((ns) => ns % 2 ** 46),
          fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        ),
        { maxLength: 50 },
      ),
      (products) => {
        const sum = createSum()
        let expected = 0n
        for (const [value, weight] of products) {
          addProduct(sum, value, weight)
          expected += BigInt(value) * BigInt(weight)
        }
        const twice = createSum()
        addSum(twice, sum)
        addWords(twice, sum.low, sum.high)
        expect((BigInt(twice.high) << 32n) + BigInt(twice.low)).toBe(2n * expected)
        expect(sumValue(sum)).toBe(Number(expected))
      },
    ),
  )
})
