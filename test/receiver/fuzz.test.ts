import { expect, it } from 'vitest'
import { fuzzDecoder } from './fuzz.ts'

it('10,000 broken requests: an outcome each, nothing left behind', () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const { malformed, decoded } = fuzzDecoder(10_000, seed)
  expect(malformed).toBeGreaterThan(1000)
  expect(decoded).toBeGreaterThan(1000)
})
