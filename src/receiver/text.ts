import { isUtf8 } from 'node:buffer'
import { type ByteBuffer, copyBytes, NOT_ASCII, pushVarint, reserveBytes } from './column-buffers.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A string column's value: length as varint, then the bytes. Also the wire form of a protobuf string. */
export function pushString(to: ByteBuffer, text: string): void {
  const bytes = encoder.encode(text)
  pushVarint(to, bytes.length)
  copyBytes(bytes, viewOf(bytes), 0, bytes.length, to)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** ASCII only. */
export function pushAscii(to: ByteBuffer, text: string): void {
  pushVarint(to, text.length)
  reserveBytes(to, text.length)
  const { bytes } = to
  const at = to.length
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  to.length = at + text.length
}

/** How many of `length` bytes to keep so that at most `limit` are and no UTF-8 sequence is split. */
export function cutLength(source: Uint8Array, from: number, length: number, limit: number): number {
  if (length <= limit) return length
  let keep = limit
  // A sequence has at most three continuation bytes; more of them are no UTF-8 and are replaced later.
  for (let i = 0; i < 3 && keep > 0 && (source[from + keep]! & 0xc0) === 0x80; i++) keep--
  return keep
}

/** Bytes that are no UTF-8 become U+FFFD, as a text decoder has it. undefined: they are valid as they are. */
export function repairUtf8(source: Uint8Array, from: number, length: number): Uint8Array | undefined {
  const bytes = source.subarray(from, from + length)
  return isUtf8(bytes) ? undefined : encoder.encode(decoder.decode(bytes))
}

/** Appends text off the wire as a string column's value, repaired if it is no UTF-8. */
export function pushText(
  to: ByteBuffer,
  source: Uint8Array,
  view: DataView,
  from: number,
  length: number,
): void {
  const start = to.length
  pushVarint(to, length)
  const seen = copyBytes(source, view, from, length, to)
  if ((seen & NOT_ASCII) === 0) return
  const repaired = repairUtf8(source, from, length)
  if (repaired === undefined) return
  to.length = start
  pushVarint(to, repaired.length)
  copyBytes(repaired, viewOf(repaired), 0, repaired.length, to)
}

/** The same for a text of less than 128 bytes whose length is right before it, at `from`: both are copied in one go. */
export function pushShortText(
  to: ByteBuffer,
  source: Uint8Array,
  view: DataView,
  from: number,
  length: number,
): void {
  const start = to.length
  const seen = copyBytes(source, view, from, length + 1, to)
  if ((seen & NOT_ASCII) === 0 || repairUtf8(source, from + 1, length) === undefined) return
  to.length = start
  pushText(to, source, view, from + 1, length)
}

/** A whole number below 2^14 in decimal. */
export function pushSmallNumber(to: ByteBuffer, value: number): void {
  reserveBytes(to, 6)
  const size = value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10_000 ? 4 : 5
  const { bytes } = to
  const at = to.length
  bytes[at] = size
  for (let i = at + size; i > at; i--) {
    bytes[i] = 0x30 + (value % 10)
    value = (value / 10) | 0
  }
  to.length = at + size + 1
}

/** Appends an id as lower-case hex. `length` is below 64 bytes. */
export function pushHex(to: ByteBuffer, source: Uint8Array, from: number, length: number): void {
  // Of an odd number the last two digits are beyond the end.
  reserveBytes(to, 2 * length + 3)
  const { bytes, view } = to
  bytes[to.length] = 2 * length
  const at = to.length + 1
  // Two bytes at a time: each half byte in a byte of its own, lowest first; those beyond 9 are letters.
  for (let i = 0; i < length; i += 2) {
    const one = source[from + i]!
    const two = source[from + i + 1]!
    const digits = (one >>> 4) | ((one & 0xf) << 8) | ((two >>> 4) << 16) | ((two & 0xf) << 24)
    const letters = ((digits + 0x06060606) >>> 4) & 0x01010101
    view.setUint32(at + 2 * i, digits + 0x30303030 + Math.imul(letters, 0x27), true)
  }
  to.length = at + 2 * length
}
