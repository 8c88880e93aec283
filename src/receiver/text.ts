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

const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => {
  const text = byte.toString(16).padStart(2, '0')
  return text.charCodeAt(0) | (text.charCodeAt(1) << 8)
})

/** Appends an id as lower-case hex. `length` is below 64 bytes. */
export function pushHex(to: ByteBuffer, source: Uint8Array, from: number, length: number): void {
  pushVarint(to, 2 * length)
  reserveBytes(to, 2 * length)
  const { view } = to
  const at = to.length
  for (let i = 0; i < length; i++) view.setUint16(at + 2 * i, HEX_PAIRS[source[from + i]!]!, true)
  to.length = at + 2 * length
}
