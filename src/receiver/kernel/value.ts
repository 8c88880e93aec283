// Values of attributes as columns have them (../any-value.ts): a length, then text.
import { copy, isUtf8, writeDouble, writeInteger, writeLength } from './text'

const STRING: u8 = 0x0a
const BOOL: u8 = 0x10
const INT: u8 = 0x18
const DOUBLE: u8 = 0x21

/** Appends the AnyValue from `at` to `end`, of less than 2^14 bytes, at `to`. Returns where it ends; 0: it is not for the kernel. */
export function writeValue(to: usize, at: usize, end: usize): usize {
  if (at === end) {
    store<u8>(to, 0)
    return to + 1
  }
  const tag = load<u8>(at++)
  if (tag === STRING) {
    let size: u32 = load<u8>(at++)
    if (size >= 0x80) {
      const second: u32 = load<u8>(at++)
      if (second >= 0x80) return 0
      size = (size & 0x7f) | (second << 7)
    }
    if (at + size !== end) return 0
    to = writeLength(to, size)
    if (!copy(to, at, size) && !isUtf8(at, size)) return 0
    return to + size
  }
  if (tag === INT) {
    let value: u64 = 0
    let byte: u64 = 0x80
    for (let shift: u64 = 0; byte >= 0x80; shift += 7) {
      if (at === end || shift === 70) return 0
      byte = load<u8>(at++)
      value |= (byte & 0x7f) << shift
    }
    return at === end ? writeInteger(to, value) : 0
  }
  if (tag === BOOL) {
    const byte = load<u8>(at)
    if (at + 1 !== end || byte >= 0x80) return 0
    return byte === 0 ? writeFalse(to) : writeTrue(to)
  }
  return tag === DOUBLE && at + 8 === end ? writeDouble(to, load<f64>(at)) : 0
}

function writeTrue(to: usize): usize {
  store<u8>(to, 4)
  store<u32>(to + 1, 0x65757274)
  return to + 5
}

function writeFalse(to: usize): usize {
  store<u8>(to, 5)
  store<u32>(to + 1, 0x736c6166)
  store<u8>(to + 5, 0x65)
  return to + 6
}

/** Of a value: digits only, less than 10^9; -1: others must see. Anything else is 0 (wholeNumber of ../lean-figures.ts). */
export function wholeNumber(value: usize): i32 {
  const size: u32 = load<u8>(value)
  if (size > 9) return -1
  let number: u32 = 0
  for (let i: u32 = 1; i <= size; i++) {
    const digit: u32 = <u32>load<u8>(value + i) - 0x30
    if (digit > 9) return 0
    number = number * 10 + digit
  }
  return number
}

/** Length of a value's text, below 2^14. */
export function sizeOf(value: usize): u32 {
  const first: u32 = load<u8>(value)
  return first < 0x80 ? first : (first & 0x7f) | ((<u32>load<u8>(value + 1)) << 7)
}
