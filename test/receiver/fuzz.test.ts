import { expect, it } from 'vitest'
import { fuzzDecoder, fuzzJson } from './fuzz.ts'

it('4,000 broken requests: an outcome each, nothing left behind', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const { malformed, decoded } = fuzzDecoder(4_000, seed)
  expect(malformed).toBeGreaterThan(1000)
  expect(decoded).toBeGreaterThan(1000)
})

it('1,000 pieces of broken JSON', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const { malformed, decoded } = fuzzJson(1000, seed)
  expect(malformed).toBeGreaterThan(100)
  expect(decoded).toBeGreaterThan(10)
})
