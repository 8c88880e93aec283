// Texts and numbers as columns have them: a length, then bytes.

/** `String(value)` at `at`; returns its length. */
declare function double(value: f64, at: usize): u32

/**
 * Copies `size` bytes; up to 15 more are read and written beyond the end. Whether all of them are ASCII.
 */
export function copy(to: usize, from: usize, size: u32): bool {
  let left = size
  let seen: u32 = 0
  while (left > 16) {
    const bytes = v128.load(from)
    v128.store(to, bytes)
    seen |= <u32>i8x16.bitmask(bytes)
    from += 16
    to += 16
    left -= 16
  }
  const bytes = v128.load(from)
  v128.store(to, bytes)
  seen |= <u32>i8x16.bitmask(bytes) & ((1 << left) - 1)
  return seen === 0
}

/** A length below 2^14. Returns where it goes on. */
export function writeLength(to: usize, length: u32): usize {
  if (length < 0x80) {
    store<u8>(to, length)
    return to + 1
  }
  store<u16>(to, (length & 0x7f) | 0x80 | ((length >> 7) << 8))
  return to + 2
}

/** Lower-case hex of 16 bytes (the last ones may be of no use): 32 are written. */
export function writeHex16(to: usize, from: usize): void {
  const digits = v128(
    0x30,
    0x31,
    0x32,
    0x33,
    0x34,
    0x35,
    0x36,
    0x37,
    0x38,
    0x39,
    0x61,
    0x62,
    0x63,
    0x64,
    0x65,
    0x66,
  )
  const bytes = v128.load(from)
  const high = i8x16.swizzle(digits, i8x16.shr_u(bytes, 4))
  const low = i8x16.swizzle(digits, v128.and(bytes, i8x16.splat(15)))
  v128.store(to, v128.shuffle<u8>(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
  v128.store(
    to + 16,
    v128.shuffle<u8>(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
  )
}

function digitsOf(value: u32): u32 {
  if (value < 10_000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  if (value < 100_000_000) return value < 1_000_000 ? (value < 100_000 ? 5 : 6) : value < 10_000_000 ? 7 : 8
  return value < 1_000_000_000 ? 9 : 10
}

/** The decimal digits of a number, `digits` of them. */
function writeDigits(to: usize, value: u32, digits: u32): void {
  let at = to + digits
  while (at > to) {
    const rest = value / 10
    store<u8>(--at, 0x30 + value - 10 * rest)
    value = rest
  }
}

/** A number in decimal, without its length. Returns its end. */
function writeNumber(to: usize, value: u64): usize {
  if (value < 1_000_000_000) {
    const digits = digitsOf(<u32>value)
    writeDigits(to, <u32>value, digits)
    return to + digits
  }
  const end = writeNumber(to, value / 1_000_000_000)
  writeDigits(end, <u32>(value % 1_000_000_000), 9)
  return end + 9
}

/** A signed number with its length. Returns its end. */
export function writeInteger(to: usize, value: i64): usize {
  let at = to + 1
  let size = <u64>value
  if (value < 0) {
    store<u8>(at++, 0x2d)
    size = 0 - size
  }
  const end = writeNumber(at, size)
  store<u8>(to, end - to - 1)
  return end
}

/** What a double has at most behind the point to be written here. */
const SCALE: f64 = 1000
const LARGEST: f64 = 1e14

/**
 * A double with its length, as JavaScript has it. One with three decimals at most and 15 digits in all is the number nearest to
 * them, and no other with so few digits is: they are the shortest that read back as it. Returns its end.
 */
export function writeDouble(to: usize, value: f64): usize {
  const scaled = nearest(value * SCALE)
  if (abs(scaled) > LARGEST || scaled / SCALE !== value || (scaled === 0 && reinterpret<u64>(value) !== 0)) {
    const size = double(value, to + 1)
    store<u8>(to, size)
    return to + 1 + size
  }
  let at = to + 1
  if (scaled < 0) store<u8>(at++, 0x2d)
  const all = <u64>abs(scaled)
  let end = writeNumber(at, all / 1000)
  const decimals = <u32>(all % 1000)
  if (decimals !== 0) {
    store<u8>(end++, 0x2e)
    writeDigits(end, decimals, 3)
    end += decimals % 10 !== 0 ? 3 : decimals % 100 !== 0 ? 2 : 1
  }
  store<u8>(to, end - to - 1)
  return end
}

/** Whether bytes are UTF-8: https://www.unicode.org/versions/Unicode15.0.0/ch03.pdf, table 3-7. */
export function isUtf8(at: usize, size: u32): bool {
  const end = at + size
  while (at < end) {
    const first = load<u8>(at++)
    if (first < 0x80) continue
    if (first < 0xc2 || first > 0xf4) return false
    const more: usize = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3
    if (at + more > end) return false
    const second = load<u8>(at)
    const least: u8 = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
    const most: u8 = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
    if (second < least || second > most) return false
    for (let i: usize = 1; i < more; i++) if ((load<u8>(at + i) & 0xc0) !== 0x80) return false
    at += more
  }
  return true
}

/** MurmurHash3, 32 bits of x86, seed 0 (murmur.ts). */
export function murmur(at: usize, size: u32): u32 {
  let hash: u32 = 0
  let left = size
  while (left >= 4) {
    hash = rotl<u32>(hash ^ mixed(load<u32>(at)), 13) * 5 + 0xe6546b64
    at += 4
    left -= 4
  }
  if (left > 0) hash ^= mixed(load<u32>(at) & ((1 << (8 * left)) - 1))
  hash ^= size
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35
  return hash ^ (hash >> 16)
}

function mixed(word: u32): u32 {
  return rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593
}
