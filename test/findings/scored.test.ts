import { describe, expect, it } from 'vitest'
import { PATTERNS } from '../../src/findings/patterns.ts'
import { MORE_PLANTS, NEAR_MISSES, PLANTS } from './plants.ts'
import { precisionOf, recallOf, scorePlants } from './score.ts'

const SEEDS = [20261126, 7]
const LEAST = 0.95

describe(`findings over generated traffic, seeds ${SEEDS.join(', ')}`, () => {
  const scores = scorePlants([...PLANTS, ...NEAR_MISSES, ...MORE_PLANTS], SEEDS)

  // Those two are seen in other traffic: of several endpoints, of consumers.
  it.each(PATTERNS.map(({ id }) => id).filter((id) => !['everywhere', 'queue-backlog'].includes(id)))(
    '%s: precision and recall of at least 0.95',
    (pattern) => {
      const score = scores.find((one) => one.pattern === pattern)
      if (score === undefined) throw new Error(`nothing was planted for ${pattern}`)
      expect([score.missed, score.wrong, precisionOf(score) >= LEAST, recallOf(score) >= LEAST]).toEqual([
        expect.anything(),
        expect.anything(),
        true,
        true,
      ])
    },
  )
})
