// Texts that are known, by their bytes: open addressing, as in text-dictionary.ts.
import { ENTRY_BYTES } from './layout'

/** An input made to collide ends here. */
const MAX_PROBES: u32 = 32

export const HASH: usize = 0
export const SIZE: usize = 4
export const PLACE: usize = 8
export const FIRST: usize = 12
export const SECOND: usize = 16
export const THIRD: usize = 20
export const FOURTH: usize = 24
export const NEXT: usize = 28

/** Odd numbers of 64 bits with no pattern. */
const MIX: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15
const LAST_MIX: u64 = ((<u64>0xbf58476d) << 32) | 0x1ce4e5b9

let seed: u64 = 0

export function setSeed(value: u64): void {
  seed = value
}

/** Reads up to 15 bytes beyond the end. */
export function isSame(a: usize, b: usize, size: u32): bool {
  while (size > 16) {
    if (i8x16.bitmask(i8x16.ne(v128.load(a), v128.load(b))) !== 0) return false
    a += 16
    b += 16
    size -= 16
  }
  const differs = i8x16.bitmask(i8x16.ne(v128.load(a), v128.load(b)))
  return (differs & ((1 << size) - 1)) === 0
}

export function hashOf(at: usize, size: u32): u32 {
  let hash: u64 = seed ^ size
  while (size >= 8) {
    hash = (hash ^ load<u64>(at)) * MIX
    hash ^= hash >> 32
    at += 8
    size -= 8
  }
  if (size > 0) {
    hash = (hash ^ (load<u64>(at) << ((8 - size) * 8))) * LAST_MIX
    hash ^= hash >> 32
  }
  return <u32>(hash ^ (hash >> 17))
}

/** 0: not known. Slots come behind the entries. */
export function find(table: usize, capacity: u32, at: usize, size: u32, hash: u32): usize {
  const slots = table + <usize>capacity * ENTRY_BYTES
  const mask = 2 * capacity - 1
  let slot = hash & mask
  for (let probes: u32 = 0; probes < MAX_PROBES; probes++) {
    const number = load<u32>(slots + 4 * slot)
    if (number === 0) return 0
    const entry = table + <usize>number * ENTRY_BYTES
    if (
      load<u32>(entry + HASH) === hash &&
      load<u32>(entry + SIZE) === size &&
      isSame(load<u32>(entry + PLACE), at, size)
    ) {
      return entry
    }
    slot = (slot + 1) & mask
  }
  return 0
}

/** Enters number `number` of what is kept at `place`. */
export function enter(table: usize, capacity: u32, number: u32, place: usize, size: u32, hash: u32): usize {
  const slots = table + <usize>capacity * ENTRY_BYTES
  const mask = 2 * capacity - 1
  const entry = table + <usize>number * ENTRY_BYTES
  store<u32>(entry + HASH, hash)
  store<u32>(entry + SIZE, size)
  store<u32>(entry + PLACE, <u32>place)
  store<u32>(entry + NEXT, 0)
  let slot = hash & mask
  for (let probes: u32 = 0; probes < MAX_PROBES; probes++) {
    if (load<u32>(slots + 4 * slot) === 0) {
      store<u32>(slots + 4 * slot, number)
      break
    }
    slot = (slot + 1) & mask
  }
  return entry
}

export function forget(table: usize, capacity: u32): void {
  memory.fill(table, 0, ENTRY_BYTES)
  memory.fill(table + <usize>capacity * ENTRY_BYTES, 0, 8 * <usize>capacity)
}
