import { describe, expect, it } from 'vitest'
import { beginLog, createRequestLog } from '../../src/findings/request-log.ts'
import { lengthAt } from '../../src/findings/row-times.ts'
import { unlikeEndpoints } from '../../src/findings/unlike.ts'
import { type Plant, plantTraffic } from './planted.ts'
import { NEAR_MISSES, PLANTS } from './plants.ts'
import { findingsIn } from './score.ts'

const SEED = 20261127
const REQUESTS = 600
const plant = (name: string, body: Plant['body'], instances?: Plant['instances']): Plant => ({
  pattern: '',
  name,
  body,
  ...(instances === undefined ? {} : { instances }),
})
/** So much else that the batch is a large one, in which only what may tell something is looked at. */
const FILLER = Array.from({ length: 20 }, (_, i) => plant(`filler ${i}`, (b) => b.query('SELECT 1', 2)))

/** 20 ms; every sixteenth request of the third instance takes as long as `slowMs`. */
const stalling = (slowMs: number) =>
  plant(
    'stalling',
    (b) => {
      const n = (b.state.get(b.self.instance) ?? 0) + 1
      b.state.set(b.self.instance, n)
      b.work(b.self.instance === 'i3' && n % 16 === 0 ? slowMs : b.between(19, 20))
    },
    [1, 1, 1],
  )
const uneven = (most: number) => plant('uneven', (b) => b.work(b.between(8, 14)), [most, 1, 1, 1])

describe.each([
  ['a small batch', []],
  ['a large batch', FILLER],
] as const)('in %s', (_, filler) => {
  const found = (one: Plant, pattern: string) => {
    const { columns } = plantTraffic(SEED, [one, ...filler], REQUESTS)
    const entries = findingsIn(columns).filter((f) => f.pattern === pattern && f.scope === 'trace')
    return entries.map(({ code }) => code.operation)
  }

  it('an instance is slow by its p95, though its mean is hardly longer', () => {
    expect(found(stalling(64), 'slow-instance')).toEqual(['i3'])
    expect(found(stalling(36), 'slow-instance')).toEqual([])
  })

  it('an instance has too many requests from 1.5 times its fair share on', () => {
    expect(found(uneven(2.4), 'uneven-load')).toEqual(['i1'])
    expect(found(uneven(1.3), 'uneven-load')).toEqual([])
  })
})

it('none is missed that is as unlike its siblings as the limits say, and others are passed over', () => {
  const plants = [...PLANTS, ...NEAR_MISSES].filter(({ instances }) => instances !== undefined)
  const { columns } = plantTraffic(SEED, [...plants, stalling(64), uneven(2), ...FILLER], 200)
  const log = createRequestLog(0)
  beginLog(log, columns.dictionary.shapeCount)
  const rows = Array.from({ length: columns.count }, (_, row) => row).filter(
    (row) => columns.dictionary.fields(columns.shape[row]!).kind === 'SERVER',
  )
  log.count = rows.length
  log.lengthNs = Float64Array.from(rows, (row) => lengthAt(columns, row))
  log.shape = Uint32Array.from(rows, (row) => columns.shape[row]!)
  for (const shape of log.shape) log.requests[shape]!++

  /** By endpoint and instance: lengths, sorted. */
  const lengths = new Map<number, Map<number, number[]>>()
  for (const row of rows) {
    const { dictionary, shape } = columns
    const endpoint = dictionary.endpoint(shape[row]!)
    const instances = lengths.get(endpoint) ?? new Map<number, number[]>()
    lengths.set(endpoint, instances)
    const instance = dictionary.shapeInstance[shape[row]!]!
    instances.set(instance, [...(instances.get(instance) ?? []), lengthAt(columns, row)])
  }
  const p95 = (values: number[]) => values.sort((a, b) => a - b)[Math.ceil(0.95 * values.length - 1e-9) - 1]!
  for (const ratio of [1.2, 1.5, 2, 4]) {
    for (const share of [1.2, 1.5, 3]) {
      const found = unlikeEndpoints(log, columns.dictionary, { ratio, share, requests: 20 })
      let passedOver = 0
      for (const [endpoint, instances] of lengths) {
        const all = [...instances.values()]
        const total = all.reduce((sum, of) => sum + of.length, 0)
        const p95s = all.filter((of) => of.length >= 20).map(p95)
        const isSlow = p95s.length > 1 && Math.max(...p95s) >= ratio * Math.min(...p95s)
        const isUneven = all.length > 1 && all.some((of) => of.length * all.length >= share * total)
        if (isSlow || isUneven) expect([ratio, share, found.has(endpoint)]).toEqual([ratio, share, true])
        else if (!found.has(endpoint)) passedOver++
      }
      expect(passedOver).toBeGreaterThan(0)
    }
  }
})
