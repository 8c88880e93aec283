import { expect, it } from 'vitest'
import { judgedSavings } from './judged-twin.ts'
import { type Body, type Plant, plantTraffic } from './planted.ts'
import { MORE_PLANTS, NEAR_MISSES, PLANTS } from './plants.ts'
import { findingsIn } from './score.ts'

/** Of those the twin knows: uneven load is judged over many traces as well, and saves nothing. */
const JUDGED = ['slow-instance', 'cold-start', 'starved-start', 'concurrency-ceiling', 'lock-suspect']
/** The mistake runs beside something that takes over when it is gone, more or less. */
const beside = (pattern: string, body: (b: Body) => void, more: Partial<Plant>): Plant => ({
  pattern,
  name: `${pattern} beside a call`,
  body: (b) =>
    b.beside(
      () => body(b),
      () => b.call('other', `/other/${b.self.service}`, (i) => i.work(b.between(5, 150))),
    ),
  ...more,
})
const MASKED: readonly Plant[] = [
  beside(
    'slow-instance',
    (b) => b.work(b.self.instance === 'i2' ? b.between(190, 210) : b.between(18, 26)),
    {},
  ),
  beside(
    'cold-start',
    (b) => {
      if (b.request % 30 === 0) b.describe({ 'faas.coldstart': true })
      b.work(b.request % 30 === 0 ? b.between(100, 300) : 5)
    },
    {},
  ),
  beside(
    'lock-suspect',
    (b) => {
      const waitsMs = Math.max(0, ((b.state.get('lock') ?? 0) - b.now) / 1e6)
      b.query('UPDATE stock SET left = left - $1', waitsMs + b.between(6, 9))
      b.state.set('lock', b.now)
    },
    { burst: { share: 0.25, size: 25 } },
  ),
]
const SEEDS = [20261126, 31, 77]
const REQUESTS = 150

it.each(SEEDS)('what many traces show saves as much as the slow twin says, seed %i', (seed) => {
  const plants = [...PLANTS, ...MORE_PLANTS].filter(({ pattern }) => JUDGED.includes(pattern))
  const near = NEAR_MISSES.filter(({ burst, instances }) => burst !== undefined || instances !== undefined)
  const { columns } = plantTraffic(seed, [...plants, ...MASKED, ...near], REQUESTS)
  const found = findingsIn(columns)
    .filter(({ scope, pattern }) => scope === 'trace' && JUDGED.includes(pattern))
    .map(({ pattern, operation, samples, saved }) => ({
      pattern,
      operation,
      samples,
      saved: [saved.p50Ns, saved.p95Ns, saved.p99Ns],
    }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  expect(found).toEqual(judgedSavings(columns))
  expect(new Set(found.map(({ pattern }) => pattern))).toEqual(new Set(JUDGED))
})
