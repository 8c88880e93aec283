import { describe, expect, it } from 'vitest'
import { coverFamily } from './coverage.ts'
import { FAMILIES } from './program.ts'

const SEED = 20261129

/**
 * 95 % intervals against 50,000 other requests of each world, run without the component. Intervals of one world share its
 * requests, so many worlds are needed; `test/bench/coverage.ts` prints widths as well.
 */
describe('95 % intervals hold the truth', () => {
  it.each(Object.keys(FAMILIES))('at least 93 times in a hundred: %s', (name) => {
    const family = FAMILIES[name]!
    const { share, count, width } = coverFamily(family, { worlds: 20, seed: SEED, traces: 500 })
    console.log(
      `${name}: seed ${SEED}, held ${(100 * share).toFixed(1)} % of ${count}, width ${(100 * width).toFixed(1)} %`,
    )
    expect(share).toBeGreaterThanOrEqual(0.93)
    // Where every call is joined there is no doubt about the structure: intervals must not be wider than sampling needs.
    if (name === 'joined') expect(share).toBeLessThanOrEqual(0.98)
  })
})
