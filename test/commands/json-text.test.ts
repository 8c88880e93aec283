import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonText } from '../../src/commands/json-text.ts'

test('the pieces make the JSON of the value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat({ max: 1100 }), (json, length) => {
      const value = { a: [{ b: Array.from({ length }, (_, i) => ({ i, json })), c: undefined }], json }
      expect([...jsonText(value)].join('')).toBe(JSON.stringify(value))
    }),
    { numRuns: 50 },
  )
})

test('no piece is long', () => {
  const value = { entries: [{ criticalPath: Array.from({ length: 5000 }, (_, i) => ({ startNs: i })) }] }
  expect(Math.max(...[...jsonText(value)].map((piece) => piece.length))).toBeLessThan(100)
})
