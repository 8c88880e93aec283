import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jsonWeight } from '../../src/receiver/json-weight.ts'
import { MalformedError } from '../../src/receiver/wire.ts'

const weightOf = (json: string) => jsonWeight(Buffer.from(json))

it('counts what is outside of strings only', () => {
  const [list, object, key, item] = [weightOf('[]'), weightOf('{}'), weightOf(':'), weightOf(',')]
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      let weight = 0
      const add = (value: unknown) => {
        if (typeof value !== 'object' || value === null) return
        weight += Array.isArray(value) ? list : object
        if (!Array.isArray(value)) weight += Object.keys(value).length * key
        const parts = Object.values(value)
        weight += Math.max(0, parts.length - 1) * item
        parts.forEach(add)
      }
      add(value)
      expect(weightOf(JSON.stringify(value))).toBe(weight)
    }),
  )
  expect(weightOf('["\\"[{:,", "\\\\", "]"]')).toBe(list + 2 * item)
})

it('takes what is no JSON as it is', () => {
  for (const json of ['', ']]]}}}', '"', '"\\', '{"a":', '[{]}'])
    expect(weightOf(json)).toBeGreaterThanOrEqual(0)
})

it('refuses what is nested more deeply, or has more members, than any request', () => {
  expect(() => weightOf('['.repeat(1000))).not.toThrow()
  expect(() => weightOf('['.repeat(1001))).toThrow(MalformedError)
  expect(() => weightOf(`[{"a":1},{${'"a":1,'.repeat(1024)}`)).not.toThrow()
  expect(() => weightOf(`[{"a":1},{${'"a":1,'.repeat(1025)}`)).toThrow(MalformedError)
})
