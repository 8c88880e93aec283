import fc from 'fast-check'
import { expect, it } from 'vitest'
import { quantileOf, selectQuantile } from '../../src/analysis/quantile.ts'
import { byLoad, concurrencyAt } from '../../src/findings/load.ts'

/** Many equal ones, and long rows of them. */
const times = (most: number) =>
  fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: most })), { maxLength: 200 })

it('selects the quantile that sorting finds', () => {
  fc.assert(
    fc.property(times(1000), fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const sorted = Float64Array.from(values).sort()
      // What lies behind the values that count does not.
      const some = Float64Array.from([...values, 0, 0])
      expect(selectQuantile(some, values.length, q)).toBe(quantileOf(sorted, q))
      expect(some.slice(0, values.length).sort()).toEqual(sorted)
    }),
  )
})

it('counts the intervals that are open at each start', () => {
  fc.assert(
    fc.property(times(1000), times(50), (starts, lengths) => {
      const startNs = Float64Array.from(starts)
      const lengthNs = Float64Array.from(starts, (_, i) => lengths[i % Math.max(1, lengths.length)] ?? 0)
      const open = starts.map((start, i) => {
        const others = starts.filter((other, j) => j !== i && other <= start && other + lengthNs[j]! > start)
        return 1 + others.length
      })
      expect([...concurrencyAt(startNs, lengthNs)]).toEqual(open)
    }),
  )
})

it('parts moments by their load', () => {
  fc.assert(
    fc.property(times(30), times(30), (load, values) => {
      const loads = Uint32Array.from(load)
      const valuesNs = Float64Array.from(load, (_, i) => (values[i % Math.max(1, values.length)] ?? 0) - 2)
      const known = load.flatMap((l, at) => (l > 0 && valuesNs[at]! >= 0 ? [at] : []))
      const sorted = Float64Array.from(known, (at) => load[at]!).sort()
      const lowMost = quantileOf(sorted, 1 / 3)
      const highLeast = Math.max(quantileOf(sorted, 0.9), lowMost + 1)
      const high = known.filter((at) => load[at]! >= highLeast)
      const parted = byLoad(loads, valuesNs)
      if (high.length < 10) expect(parted).toBeUndefined()
      else {
        expect([...parted!.high]).toEqual(high)
        expect([...parted!.low]).toEqual(known.filter((at) => load[at]! <= lowMost))
      }
    }),
  )
})
