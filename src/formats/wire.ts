import { FormatError } from './problem.ts'

/** Protobuf's wire types. */
export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

/** A place in protobuf bytes. `base`: offset of the buffer in the file. */
export type Wire = { readonly bytes: Buffer; at: number; readonly base: number }

export function fault(wire: Wire, expected: string): never {
  throw new FormatError(`expected ${expected}`, { byte: wire.base + wire.at })
}

/** Exact up to 2^53; longer ones (negative numbers among them) are rounded. */
export function readVarint(wire: Wire, end: number): number {
  const { bytes } = wire
  let value = 0
  let scale = 1
  for (let count = 0; count < 10; count++) {
    if (wire.at >= end) fault(wire, 'the rest of a number')
    const byte = bytes[wire.at++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
    scale *= 128
  }
  return fault(wire, 'a number of at most 10 bytes')
}

/** A signed 64-bit varint, exact. */
export function readInt64(wire: Wire, end: number): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (wire.at >= end) fault(wire, 'the rest of a number')
    const byte = wire.bytes[wire.at++]!
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asIntN(64, value)
  }
  return fault(wire, 'a number of at most 10 bytes')
}

/** Length of a length-delimited field, checked against `end`; returns where it ends. */
export function readEnd(wire: Wire, end: number): number {
  const start = wire.at
  const length = readVarint(wire, end)
  if (wire.at + length > end) {
    wire.at = start
    fault(wire, `a field of ${end - start} bytes at the most, found a length of ${length}`)
  }
  return wire.at + length
}

export function readFixed64(wire: Wire, end: number): bigint {
  if (wire.at + 8 > end) fault(wire, '8 bytes')
  const value = wire.bytes.readBigUInt64LE(wire.at)
  wire.at += 8
  return value
}

export function skipField(wire: Wire, wireType: number, end: number): void {
  if (wireType === VARINT) readVarint(wire, end)
  else if (wireType === BYTES) wire.at = readEnd(wire, end)
  else if (wireType === FIXED64 || wireType === FIXED32) {
    wire.at += wireType === FIXED64 ? 8 : 4
    if (wire.at > end) fault(wire, `${wireType === FIXED64 ? 8 : 4} bytes`)
  } else fault(wire, `a protobuf field, found wire type ${wireType}`)
}

/**
 * Calls `read` for every field up to `end`, with the tag (field number times 8, plus wire type); it returns false for
 * those it does not know, which are skipped.
 */
export function eachField(wire: Wire, end: number, read: (tag: number) => boolean): void {
  while (wire.at < end) {
    const tag = readVarint(wire, end)
    if (tag < 8) fault(wire, 'a protobuf field')
    if (!read(tag)) skipField(wire, tag & 7, end)
  }
  if (wire.at !== end) fault(wire, 'the end of a message')
}
