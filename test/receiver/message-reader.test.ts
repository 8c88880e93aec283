import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMessageMemory, createMessageReader } from '../../src/receiver/message-reader.ts'

function framed(content: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(content.length, 1)
  return Buffer.concat([prefix, content])
}

it('messages come out as they went in, however they are cut, and in memory that is used again', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      (contents, cuts, again) => {
        const bytes = Buffer.concat(contents.map(framed))
        const memory = createMessageMemory()
        const reader = createMessageReader(40, memory)
        const read: Buffer[] = []
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const chunk = bytes.subarray(at, at + cuts[i % cuts.length]!)
          at += chunk.length
          for (const message of reader.write(chunk)) {
            read.push(again ? Buffer.from(message) : message)
            if (again) memory.give(message.subarray(5))
          }
        }
        expect(read).toEqual(contents.map(framed))
      },
    ),
  )
})

it('what was given back is taken again, what is none of ours is not', () => {
  const memory = createMessageMemory()
  const first = memory.take(100)
  memory.give(Buffer.alloc(200))
  expect(memory.take(100).buffer).not.toBe(first.buffer)
  memory.give(first.subarray(5))
  memory.give(first)
  expect(memory.take(50).buffer).toBe(first.buffer)
  expect(memory.take(50).buffer).not.toBe(first.buffer)
})

it('a length beyond the limit is refused before there is memory for it', () => {
  const reader = createMessageReader(100, createMessageMemory())
  const prefix = framed(new Uint8Array(101)).subarray(0, 5)
  expect(reader.write(prefix.subarray(0, 3))).toEqual([])
  expect(() => reader.write(prefix.subarray(3))).toThrow('Received message larger than max (101 vs 100)')
})
