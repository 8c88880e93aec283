import { describe, expect, it } from 'vitest'
import { createReservoir } from '../../src/analysis/reservoir.ts'
import { seeded } from '../bench/random.ts'

describe('a reservoir', () => {
  const random = seeded(3)
  const items = Array.from({ length: 2000 }, (_, i) => ({ i, weight: 1 + (i % 7) ** 3 }))

  it('keeps everything as it is while it fits', () => {
    const reservoir = createReservoir<number>(10)
    for (const { i, weight } of items.slice(0, 10)) reservoir.offer(weight, 1 - random(), () => i)
    expect(reservoir.kept().sort((a, b) => a.item - b.item)).toEqual(
      items.slice(0, 10).map(({ i, weight }) => ({ item: i, weight })),
    )
  })

  it('is the k with the highest priority, counted as at least the highest left out', () => {
    const uniforms = items.map(() => 1 - random())
    const reservoir = createReservoir<number>(50)
    items.forEach(({ i, weight }) => {
      reservoir.offer(weight, uniforms[i]!, () => i)
    })
    const order = items.toSorted((a, b) => b.weight / uniforms[b.i]! - a.weight / uniforms[a.i]!)
    const leftOut = order[50]!.weight / uniforms[order[50]!.i]!
    expect(reservoir.kept().sort((a, b) => a.item - b.item)).toEqual(
      order
        .slice(0, 50)
        .map(({ i, weight }) => ({ item: i, weight: Math.max(weight, leftOut) }))
        .sort((a, b) => a.item - b.item),
    )
  })

  it('weighs what it keeps so that sums come out right on average', () => {
    const rounds = 2000
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      const reservoir = createReservoir<number>(40)
      for (const { i, weight } of items.slice(0, 400)) reservoir.offer(weight, 1 - random(), () => i)
      for (const { item, weight } of reservoir.kept()) if (item % 2 === 0) sum += weight
    }
    const expected = items
      .slice(0, 400)
      .filter(({ i }) => i % 2 === 0)
      .reduce((total, { weight }) => total + weight, 0)
    expect(Math.abs(sum / rounds / expected - 1)).toBeLessThan(0.02)
  })
})
