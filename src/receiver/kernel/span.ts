import {
  ATTRIBUTE_CODES,
  ATTRIBUTE_ENDS,
  ATTRIBUTE_VALUES,
  KEY_ENTRIES,
  MAX_KEYS,
  MAX_NAMES,
  NAME_ENTRIES,
  SPAN_KIND,
  SPAN_NAME,
  STATUS_CODE,
} from './layout'
import { addToKey, beginLean, noteRole, writeLean } from './lean'
import { codesEnd, endRow, messagesEnd, rows, traceStatesEnd, valuesEnd, writeIds, writeTimes } from './row'
import { FIRST, find, hashOf, isSame, NEXT, PLACE, SECOND, SIZE } from './tables'
import { copy, isUtf8 } from './text'
import { writeValue } from './value'

/** Bit 1 of a row's flags: its start was 0. */
const NO_START: u32 = 1
/** In keys, beside the roles of attributes. */
const TRACE_STATE: u32 = 0x7f

let maxAttributes: u32 = 0
let maxNameBytes: u32 = 0
let maxKeyBytes: u32 = 0
let maxValueBytes: u32 = 0
let attributesBefore: u32 = 0
let resource: u32 = 0
let sharedFlags: u32 = 0
let earliest: f64 = 0
let latest: f64 = 0
/** Spans whose shape and detail others must find. */
export let pending: u32 = 0

export function setLimits(attributes: u32, nameBytes: u32, keyBytes: u32, valueBytes: u32): void {
  maxAttributes = attributes
  maxNameBytes = nameBytes
  maxKeyBytes = keyBytes
  maxValueBytes = valueBytes
}

/** For the rows to come. */
export function setShared(before: u32, number: u32, flags: u32, from: f64, to: f64): void {
  attributesBefore = before
  resource = number
  sharedFlags = flags
  earliest = from
  latest = to
  pending = 0
}

/**
 * Reads the span from `at` to `end` into the next row; false: it is not for the kernel, and there is no row. What is behind `end`
 * may be read before that is noticed: a field that goes on there is none.
 */
export function readSpan(at: usize, end: usize): bool {
  let codes = codesEnd
  let values = valuesEnd
  let messages = messagesEnd
  let traceStates = traceStatesEnd
  let traceId: usize = 0
  let spanId: usize = 0
  let parentId: usize = 0
  let name: usize = 0
  let kind: u32 = 0
  let status: u32 = 0
  let start: u64 = 0
  let stop: u64 = 0
  let count: u32 = 0
  /** What came before the next key: spans of a name have the same keys in the same order. */
  let last: usize = KEY_ENTRIES
  beginLean(pending)

  while (at < end) {
    const tag = load<u8>(at++)
    let size: u32 = load<u8>(at++)
    switch (tag) {
      case 0x4a: {
        // attribute: a key, then a value, and nothing else
        if (size >= 0x80) {
          const second: u32 = load<u8>(at++)
          if (second >= 0x80) return false
          size = (size & 0x7f) | (second << 7)
        }
        const pairEnd = at + size
        const keyAt = at + 2
        const keySize: u32 = load<u8>(at + 1)
        let value = keyAt + keySize
        if (pairEnd > end || load<u8>(at) !== 0x0a || keySize >= 0x80 || load<u8>(value) !== 0x12)
          return false
        size = load<u8>(value + 1)
        value += 2
        if (size >= 0x80) {
          const second: u32 = load<u8>(value++)
          if (second >= 0x80) return false
          size = (size & 0x7f) | (second << 7)
        }
        if (value + size !== pairEnd || count === maxAttributes || keySize > maxKeyBytes) return false
        let key: usize = load<u32>(last + NEXT)
        if (
          key === 0 ||
          load<u32>(key + SIZE) !== keySize ||
          !isSame(load<u32>(key + PLACE), keyAt, keySize)
        ) {
          key = find(KEY_ENTRIES, MAX_KEYS, keyAt, keySize, hashOf(keyAt, keySize))
          if (key === 0) return false
          store<u32>(last + NEXT, <u32>key)
        }
        last = key
        store<u32>(codes, load<u32>(key + FIRST))
        codes += 4
        count++
        const from = values
        values = writeValue(from, value, pairEnd)
        if (values === 0 || values - from > maxValueBytes) return false
        const flags = load<u32>(key + SECOND)
        if (flags !== 0 && !noteRole(flags, from, values)) return false
        at = pairEnd
        break
      }
      case 0x0a:
        if (size !== 16) return false
        traceId = at
        at += 16
        break
      case 0x12:
        if (size !== 8) return false
        spanId = at
        at += 8
        break
      case 0x22:
        if (size !== 8 && size !== 0) return false
        parentId = size === 0 || load<u64>(at) === 0 ? 0 : at
        at += size
        break
      case 0x1a: // trace state
        if (size >= 0x80 || traceStates !== traceStatesEnd || at + size > end || size > maxNameBytes)
          return false
        store<u8>(traceStates, size)
        if (!copy(traceStates + 1, at, size)) return false
        traceStates += size + 1
        if (size !== 0) addToKey(TRACE_STATE, traceStatesEnd, traceStates)
        at += size
        break
      case 0x2a:
        if (size >= 0x80) {
          const second: u32 = load<u8>(at++)
          if (second >= 0x80) return false
          size = (size & 0x7f) | (second << 7)
        }
        if (at + size > end || size > maxNameBytes) return false
        name = find(NAME_ENTRIES, MAX_NAMES, at, size, hashOf(at, size))
        if (name === 0) return false
        if (count === 0) last = name
        at += size
        break
      case 0x30:
        if (size >= 0x80) return false
        kind = min<u32>(size, 6)
        break
      case 0x39:
        start = load<u64>(at - 1)
        at += 7
        break
      case 0x41:
        stop = load<u64>(at - 1)
        at += 7
        break
      case 0x50: // how many attributes, events and links were dropped
      case 0x60:
      case 0x70:
        if (size >= 0x80) return false
        break
      case 0x7a: {
        const statusEnd = at + size
        if (size >= 0x80 || statusEnd > end) return false
        while (at < statusEnd) {
          const inner = load<u8>(at++)
          const value: u32 = load<u8>(at++)
          if (value >= 0x80) return false
          if (inner === 0x18) status = min<u32>(value, 3)
          else if (
            inner === 0x12 &&
            messages === messagesEnd &&
            at + value <= statusEnd &&
            value <= maxNameBytes
          ) {
            store<u8>(messages, value)
            if (!copy(messages + 1, at, value) && !isUtf8(at, value)) return false
            messages += value + 1
            at += value
          } else return false
        }
        if (at !== statusEnd) return false
        break
      }
      case 0x85: // flags, as fixed32
        if (size !== 1) return false
        at += 4
        break
      default:
        return false
    }
  }

  if (at !== end || traceId === 0 || spanId === 0) return false
  if ((load<u64>(traceId) | load<u64>(traceId + 8)) === 0 || load<u64>(spanId) === 0) return false
  const time = start !== 0 ? start : stop
  const timeNs = <f64>(time >> 32) * 4294967296 + <f64>(<u32>time)
  if (time === 0 || timeNs < earliest || timeNs > latest) return false
  if (name === 0) {
    name = find(NAME_ENTRIES, MAX_NAMES, at, 0, hashOf(at, 0))
    if (name === 0) return false
  }
  const nameCode = load<u32>(name + FIRST)
  const firstCode = <u32>(codesEnd - ATTRIBUTE_CODES) >> 2
  const firstValue = <u32>(valuesEnd - ATTRIBUTE_VALUES)
  if (!writeLean(rows, nameCode, resource, kind, firstCode, firstValue, count)) pending++
  writeIds(traceId, spanId, parentId)
  writeTimes(time, stop, sharedFlags | (start !== 0 ? 0 : NO_START))
  const word = 4 * rows
  store<u32>(SPAN_NAME + word, nameCode)
  store<u32>(SPAN_KIND + word, kind)
  store<u32>(STATUS_CODE + word, status)
  store<u64>(ATTRIBUTE_ENDS + 2 * word, attributesBefore + firstCode + count)
  if (messages === messagesEnd) store<u8>(messages++, 0)
  if (traceStates === traceStatesEnd) store<u8>(traceStates++, 0)
  endRow(messages, traceStates, codes, values)
  return true
}
