import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coverRange, keptDays, STEPS } from '../../src/analysis/steps.ts'

const DAY = 86_400
const NOW = 20_000 * DAY + 50_000
const allThere = { keptFrom: STEPS.map(() => 0), builtTo: STEPS.map(() => NOW) }

it('each step is made of whole ones of the step before', () => {
  for (let i = 1; i < STEPS.length; i++) expect(STEPS[i]!.seconds % STEPS[i - 1]!.seconds).toBe(0)
})

it('a longer step is never gone before a shorter one', () => {
  for (const retention of [
    { days: 1, rollupDays: 400 },
    { days: 60, rollupDays: 400 },
    { days: 7, rollupDays: 3 },
  ]) {
    const days = STEPS.map((step) => keptDays(step, retention))
    expect(days).toEqual([...days].sort((a, b) => a - b))
    expect(days[0]).toBe(retention.days)
  }
})

describe('a range', () => {
  it('is covered by long buckets within and short ones at its ends', () => {
    const day = 20_000 * DAY
    const cover = coverRange((day - DAY - 3660) * 1000, (day + 120) * 1000, allThere)
    expect(cover.stretches).toEqual([
      { step: 60, fromSeconds: day - DAY - 3660, toSeconds: day - DAY - 3600 },
      { step: 3600, fromSeconds: day - DAY - 3600, toSeconds: day - DAY },
      { step: DAY, fromSeconds: day - DAY, toSeconds: day },
      { step: 60, fromSeconds: day, toSeconds: day + 120 },
    ])
    expect(cover.stepSeconds).toBe(60)
  })

  it('snaps outward, only as far as the steps kept make it', () => {
    const there = { ...allThere, keptFrom: STEPS.map(({ seconds }) => (seconds < 3600 ? NOW - 7 * DAY : 0)) }
    const cover = coverRange((NOW - 30 * DAY) * 1000, NOW * 1000 - 30_001, there)
    expect(cover.fromSeconds).toBe(Math.floor((NOW - 30 * DAY) / 3600) * 3600)
    expect(cover.toSeconds).toBe(Math.ceil((NOW - 31) / 60) * 60)
  })

  it('30 days are a few dozen buckets', () => {
    for (let shift = 0; shift < 60; shift++) {
      const to = NOW - shift * 7_777
      const { stretches } = coverRange((to - 30 * DAY) * 1000, to * 1000, allThere)
      const buckets = stretches.reduce((sum, s) => sum + (s.toSeconds - s.fromSeconds) / s.step, 0)
      expect(buckets).toBeLessThan(60)
    }
  })

  it('is tiled: nothing twice, nothing left out, no step that is gone or not built', () => {
    const seconds = fc.integer({ min: NOW - 40 * DAY, max: NOW })
    fc.assert(
      fc.property(
        seconds,
        fc.integer({ min: 1, max: 35 * DAY }),
        fc.array(fc.nat(30), { minLength: 6, maxLength: 6 }),
        (from, length, ages) => {
          // Shorter steps are gone first.
          const keptFrom = [...ages].sort((a, b) => a - b).map((days) => NOW - days * DAY)
          const builtTo = STEPS.map((_, i) => NOW - ages[i]! * 3600)
          const cover = coverRange(from * 1000, (from + length) * 1000, { keptFrom, builtTo })
          expect(cover.fromSeconds).toBeLessThanOrEqual(from)
          expect(cover.toSeconds).toBeGreaterThanOrEqual(from + length)
          let at = cover.fromSeconds
          for (const { step, fromSeconds, toSeconds } of cover.stretches) {
            expect(fromSeconds).toBe(at)
            expect(fromSeconds % step).toBe(0)
            expect((toSeconds - fromSeconds) % step).toBe(0)
            const i = STEPS.findIndex((s) => s.seconds === step)
            if (i < STEPS.length - 1) expect(fromSeconds + step).toBeGreaterThan(keptFrom[i]!)
            at = toSeconds
          }
          expect(at).toBe(cover.toSeconds)
        },
      ),
    )
  })
})
