import { expect, it } from 'vitest'
import { type Body, type Plant, plantTraffic } from './planted.ts'
import { findingsIn } from './score.ts'

const SEED = 20261127
const plant = (body: (b: Body) => void, more: Partial<Plant> = {}): Plant => ({
  pattern: '',
  name: 'planted',
  body,
  ...more,
})
/** So much else that the batch is a large one, in which only what may tell something is looked at. */
const FILLER = Array.from({ length: 20 }, () => plant((b) => b.query('SELECT 1', 2)))

/** There and back, once in a request. */
const cycle = plant((b) => {
  b.call('helper', '/help', (i) => i.call(b.self.service, '/details', (j) => j.work(5)))
})
/** In two of 300 requests. */
const seldom = plant((b) => {
  const isOne = b.request === 150 || b.request === 200
  b.external('limited.example', 25, { 'http.response.status_code': isOne ? 429 : 200 })
})
/** In one. */
const retried = plant((b) => {
  for (const failed of b.request === 150 ? [true, false] : [false]) {
    b.call('quotes', '/quotes', (i) => i.work(20), { failed, method: 'POST' })
  }
})
/** In bursts, some milliseconds before the first call. */
const starved = plant(
  (b) => {
    b.now = b.self.from + (b.inBurst > 5 ? 4e6 : 0.5e6)
    b.query('SELECT total FROM orders WHERE id = $1', 20)
  },
  { burst: { share: 0.25, size: 25 }, instances: [1] },
)

/** A mistake that the setting shows, or hides. */
const CASES: [string, number, Plant, shown: boolean][] = [
  ['sync-cycle.times', 1, cycle, true],
  ['sync-cycle.times', 5, cycle, false],
  ['throttling.percent', 1, seldom, false],
  ['throttling.percent', 0.1, seldom, true],
  ['retries.attempts', 1.3, retried, false],
  ['retries.attempts', 1.002, retried, true],
  ['starved-start.waitMs', 10, starved, false],
  ['starved-start.waitMs', 2, starved, true],
]

it.each(CASES)('%s=%d takes effect, alone and beside much else', (setting, value, mistake, shown) => {
  const found = (plants: Plant[]) => {
    const { columns } = plantTraffic(SEED, plants)
    const [id] = setting.split('.')
    return findingsIn(columns, { [setting]: value }).some(({ pattern }) => pattern === id)
  }
  expect([found([mistake]), found([mistake, ...FILLER])]).toEqual([shown, shown])
})
