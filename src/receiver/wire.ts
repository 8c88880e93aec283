/**
 * Reading protobuf's wire format. One reader is used for request after request: `at` is where it is, the end of what
 * may be read is handed down by the caller (each message within its parent's bounds).
 * https://protobuf.dev/programming-guides/encoding
 */
export type Wire = {
  bytes: Uint8Array
  view: DataView
  at: number
  /** The last 64-bit varint read. */
  low: number
  high: number
}

/** The bytes are no protobuf of the message expected. Never leaves the decoder: it becomes an outcome. */
export class MalformedError extends Error {}

const NOTHING = new Uint8Array(0)

export function createWire(): Wire {
  return { bytes: NOTHING, view: new DataView(NOTHING.buffer), at: 0, low: 0, high: 0 }
}

export function openWire(wire: Wire, bytes: Uint8Array): void {
  wire.bytes = bytes
  wire.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  wire.at = 0
}

/** Lets go of the bytes. */
export function closeWire(wire: Wire): void {
  openWire(wire, NOTHING)
}

export const VARINT = 0
export const FIXED64 = 1
export const LENGTH = 2
export const START_GROUP = 3
export const END_GROUP = 4
export const FIXED32 = 5

/** A tag is field number << 3 | wire type. */
export function readTag(wire: Wire, end: number): number {
  const first = wire.bytes[wire.at]!
  if (first < 0x80 && wire.at < end) {
    if (first < 8) throw new MalformedError('field number 0')
    wire.at++
    return first
  }
  readVarint(wire, end)
  if (wire.high !== 0) throw new MalformedError('tag beyond 32 bits')
  const tag = wire.low >>> 0
  if (tag < 8) throw new MalformedError('field number 0')
  return tag
}

/** The length of a length-delimited field that fits before `end`; `at` is then at its first byte. */
export function readLength(wire: Wire, end: number): number {
  const { at } = wire
  const first = wire.bytes[at]!
  if (first < 0x80 && at + first < end) {
    wire.at = at + 1
    return first
  }
  readVarint(wire, end)
  const length = wire.low >>> 0
  if (wire.high !== 0 || length > end - wire.at) throw new MalformedError('length past the end')
  return length
}

/** Into `low` and `high`, both as signed 32-bit words. */
export function readVarint(wire: Wire, end: number): void {
  const { bytes } = wire
  let { at } = wire
  let low = 0
  let high = 0
  for (let shift = 0; ; shift += 7) {
    if (at >= end) throw new MalformedError('varint past the end')
    if (shift === 70) throw new MalformedError('varint without an end')
    const byte = bytes[at++]!
    const bits = byte & 0x7f
    if (shift < 28) low |= bits << shift
    else if (shift === 28) {
      low |= bits << 28
      high = bits >>> 4
    } else high |= bits << (shift - 32)
    if (byte < 0x80) break
  }
  wire.at = at
  wire.low = low
  wire.high = high
}

/** Leaves `at` at the first of eight bytes that are there. Returns it, and moves on. */
export function readFixed64(wire: Wire, end: number): number {
  const { at } = wire
  if (end - at < 8) throw new MalformedError('fixed64 past the end')
  wire.at = at + 8
  return at
}

/** Deeper groups are refused; OTLP has none. */
const MAX_GROUP_DEPTH = 32

/** Passes over the value of a field that is not known, by its tag. */
export function skipField(wire: Wire, tag: number, end: number, depth = 0): void {
  switch (tag & 7) {
    case VARINT:
      readVarint(wire, end)
      return
    case FIXED64:
      readFixed64(wire, end)
      return
    case LENGTH: {
      const length = readLength(wire, end)
      wire.at += length
      return
    }
    case START_GROUP:
      if (depth === MAX_GROUP_DEPTH) throw new MalformedError('groups nested too deeply')
      for (;;) {
        if (wire.at >= end) throw new MalformedError('group without an end')
        const inner = readTag(wire, end)
        if ((inner & 7) === END_GROUP) {
          if (inner >>> 3 !== tag >>> 3) throw new MalformedError('group ended by another')
          return
        }
        skipField(wire, inner, end, depth + 1)
      }
    case FIXED32:
      if (end - wire.at < 4) throw new MalformedError('fixed32 past the end')
      wire.at += 4
      return
    default:
      throw new MalformedError('unknown wire type')
  }
}
