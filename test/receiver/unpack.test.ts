import { deflateSync, gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { createUnpack } from '../../src/receiver/unpack.ts'

const MAX_BYTES = 2_000_000
const unpack = createUnpack(MAX_BYTES)
const text = Buffer.alloc(300_000, 'abc')
const hello = Buffer.from('hello')

/** Packed, with one byte from the end changed: of the checksum the 8th to 5th, of the length the last four. */
function changed(bytes: Buffer, fromEnd: number): Buffer {
  const packed = gzipSync(bytes)
  packed[packed.length - fromEnd]! ^= 1
  return packed
}

it.each([
  ['one member', gzipSync(text), text],
  ['two members, the longer one first', Buffer.concat([gzipSync(text), gzipSync(hello)]), [text, hello]],
  ['two members, the longer one last', Buffer.concat([gzipSync(hello), gzipSync(text)]), [hello, text]],
  ['zlib', deflateSync(text), text],
  ['zeros behind the end', Buffer.concat([gzipSync(text), Buffer.alloc(20)]), text],
  ['more than is unpacked at once', gzipSync(Buffer.alloc(1_500_000)), Buffer.alloc(1_500_000)],
  ['nothing', gzipSync(Buffer.alloc(0)), Buffer.alloc(0)],
])('unpacks %s', async (_name, packed, expected) => {
  const outcome = await unpack(packed)
  expect(outcome.kind).toBe('bytes')
  const whole = Array.isArray(expected) ? Buffer.concat(expected) : expected
  expect(outcome.kind === 'bytes' && outcome.bytes.equals(whole)).toBe(true)
})

it.each([
  ['a wrong checksum', changed(text, 6), 'incorrect data check'],
  ['a wrong length', changed(text, 3), 'incorrect length check'],
  [
    'garbage behind the end',
    Buffer.concat([gzipSync(text), Buffer.from('garbage')]),
    'incorrect header check',
  ],
  ['no end', gzipSync(text).subarray(0, 100), 'unexpected end of file'],
])('refuses %s', async (_name, packed, message) => {
  expect(await unpack(packed)).toEqual({ kind: 'malformed', message: `cannot be unpacked: ${message}` })
})

it('stops at the limit, whatever length is said', async () => {
  const packed = gzipSync(Buffer.alloc(MAX_BYTES + 1_000_000))
  expect(await unpack(packed)).toEqual({ kind: 'too-large' })
  packed.writeUInt32LE(5, packed.length - 4)
  expect(await unpack(packed)).toEqual({ kind: 'too-large' })
})
