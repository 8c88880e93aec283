import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitScalability, type LoadPoint, throughputAt } from '../../src/analysis/scalability.ts'
import { seeded } from '../bench/random.ts'

function load(
  count: number,
  most: number,
  law: { lambda: number; sigma: number; kappa: number },
  noise: number,
  seed = 1,
): LoadPoint[] {
  const random = seeded(seed)
  const fit = { ...law, error: 0, points: 0, knee: null }
  return Array.from({ length: count }, () => {
    const concurrency = 0.5 + random() * most
    return { concurrency, throughput: throughputAt(fit, concurrency) * (1 + noise * (2 * random() - 1)) }
  })
}

describe('the Universal Scalability Law', () => {
  it('is found again in what it made', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1000, noNaN: true }),
        fc.double({ min: 0.01, max: 0.3, noNaN: true }),
        fc.double({ min: 0.001, max: 0.02, noNaN: true }),
        (lambda, sigma, kappa) => {
          const knee = Math.sqrt((1 - sigma) / kappa)
          const { fit } = fitScalability(load(300, 1.5 * knee, { lambda, sigma, kappa }, 0))
          expect(fit!.lambda / lambda).toBeCloseTo(1, 4)
          expect(fit!.sigma).toBeCloseTo(sigma, 4)
          expect(fit!.kappa).toBeCloseTo(kappa, 4)
          expect(fit!.knee!.concurrency / knee).toBeCloseTo(1, 3)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('with noise of 10 % the knee is within 15 %', () => {
    const law = { lambda: 100, sigma: 0.05, kappa: 0.004 }
    const { fit, reason } = fitScalability(load(500, 30, law, 0.1))
    expect(reason).toBeNull()
    const knee = Math.sqrt((1 - law.sigma) / law.kappa)
    expect(Math.abs(fit!.knee!.concurrency / knee - 1)).toBeLessThan(0.15)
    expect(fit!.error).toBeGreaterThan(0.03)
    expect(fit!.error).toBeLessThan(0.1)
  })
})

describe('the data cannot tell', () => {
  const law = { lambda: 100, sigma: 0.05, kappa: 0.004 }
  it.each([
    ['few points', load(10, 30, law, 0), /20 are needed/],
    ['no concurrency', load(100, 1, law, 0), /hardly ever/],
    [
      'constant load',
      load(100, 0.5, law, 0).map((p) => ({ ...p, concurrency: p.concurrency + 20 })),
      /about the same/,
    ],
    ['a cloud', load(200, 30, law, 0.9), /closely enough/],
    ['no saturation', load(200, 30, { lambda: 100, sigma: 0, kappa: 0 }, 0.05), /no saturation/],
    ['no knee', load(200, 30, { lambda: 100, sigma: 0.2, kappa: 0 }, 0.02), /no knee yet/],
  ])('%s', (_, points, reason) => {
    const answer = fitScalability(points)
    expect(answer.reason).toMatch(reason)
    expect(answer.fit?.knee ?? null).toBeNull()
  })
})
