import { expect, it } from 'vitest'
import { fuzzDecoder, fuzzJson } from './fuzz.ts'
import { compareDecoders } from './kernel-twin.ts'

it('a million broken requests: no crash, no hang, no growth of memory', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const before = process.memoryUsage().rss
  let malformed = 0
  for (let part = 0; part < 10; part++) malformed += fuzzDecoder(100_000, seed + part).malformed
  expect(malformed).toBeGreaterThan(100_000)
  expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024)
})

it('a hundred thousand pieces of broken JSON', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const { malformed, decoded } = fuzzJson(100_000, seed)
  expect(malformed).toBeGreaterThan(10_000)
  expect(decoded).toBeGreaterThan(1000)
})

it('a hundred thousand spans and more: the same with the kernel and without', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  let rows = 0
  for (let i = 0; i < 120; i++) rows += compareDecoders(40, seed + i)
  expect(rows).toBeGreaterThan(100_000)
})
