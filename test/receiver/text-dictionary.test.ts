import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { viewOf } from '../../src/receiver/text.ts'
import {
  createDictionary,
  isValue,
  numberOf,
  type TextDictionary,
  takeBack,
  truncateDictionary,
} from '../../src/receiver/text-dictionary.ts'

function add(dictionary: TextDictionary, bytes: Uint8Array): number {
  // In the middle of other bytes, as on the wire.
  const source = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')])
  return numberOf(dictionary, source, viewOf(source), 6, bytes.length)
}

function valuesOf({ count, values, start, size }: TextDictionary): string[] {
  return Array.from({ length: count }, (_, n) =>
    Buffer.from(values.bytes.subarray(start[n]!, start[n]! + size[n]!)).toString(),
  )
}

describe('a dictionary', () => {
  it('numbers values in order of appearance and forgets from the end, as a plain list does', () => {
    const step = fc.oneof(
      { weight: 9, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
      { weight: 1, arbitrary: fc.nat(40) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const dictionary = createDictionary()
        const list: string[] = []
        for (const next of steps) {
          if (typeof next === 'number') {
            list.length = Math.min(list.length, next)
            truncateDictionary(dictionary, next)
          } else {
            if (!list.includes(next)) list.push(next)
            expect(add(dictionary, Buffer.from(next))).toBe(list.indexOf(next))
          }
        }
        expect(valuesOf(dictionary)).toEqual(list)
      }),
    )
  })

  it('grows, shrinks back, and grows again without losing or inventing a value', () => {
    const dictionary = createDictionary()
    const fill = (from: number, to: number) => {
      for (let i = from; i < to; i++) expect(add(dictionary, Buffer.from(`value ${i}`))).toBe(i)
    }
    fill(0, 5000)
    fill(0, 5000)
    truncateDictionary(dictionary, 100)
    fill(0, 100)
    fill(100, 50_000)
    truncateDictionary(dictionary, 0)
    fill(0, 300)
    expect(dictionary.count).toBe(300)
  })

  it('says when numbers that others may know are forgotten', () => {
    const dictionary = createDictionary()
    add(dictionary, Buffer.from('a'))
    const { generation } = dictionary
    add(dictionary, Buffer.from('b'))
    takeBack(dictionary, 1)
    expect(add(dictionary, Buffer.from('c'))).toBe(1)
    expect(valuesOf(dictionary)).toEqual(['a', 'c'])
    expect(dictionary.generation).toBe(generation)
    truncateDictionary(dictionary, 1)
    expect(dictionary.generation).not.toBe(generation)
  })

  it('takes values that are made to collide, slower but right', () => {
    const dictionary = createDictionary()
    dictionary.slots.fill(1)
    // Every slot claims to be value 0: nothing can be found, each value is appended.
    expect(add(dictionary, Buffer.from('a'))).toBe(0)
    expect(add(dictionary, Buffer.from('b'))).toBe(1)
    expect(add(dictionary, Buffer.from('b'))).toBe(2)
    expect(valuesOf(dictionary)).toEqual(['a', 'b', 'b'])
    truncateDictionary(dictionary, 1)
    expect(valuesOf(dictionary)).toEqual(['a'])
  })

  it('replaces what is no UTF-8, once', () => {
    const dictionary = createDictionary()
    expect(add(dictionary, Buffer.from([0x61, 0xff]))).toBe(0)
    expect(add(dictionary, Buffer.from([0x61, 0xff]))).toBe(0)
    expect(add(dictionary, Buffer.from('a\ufffd'))).toBe(0)
    expect(valuesOf(dictionary)).toEqual(['a\ufffd'])
  })

  it('checks a guess', () => {
    const dictionary = createDictionary()
    add(dictionary, Buffer.from('http.route'))
    const source = Buffer.from('http.routehttp.routes')
    expect(isValue(dictionary, 0, viewOf(source), 0, 10)).toBe(true)
    expect(isValue(dictionary, 0, viewOf(source), 10, 11)).toBe(false)
    expect(isValue(dictionary, 0, viewOf(source), 1, 10)).toBe(false)
    expect(isValue(dictionary, 1, viewOf(source), 0, 10)).toBe(false)
  })
})
