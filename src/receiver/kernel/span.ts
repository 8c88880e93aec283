import {
  ACTION_ADDRESS,
  ACTION_BAIL,
  ACTION_BITS,
  ACTION_BODY,
  ACTION_HTTP_URL,
  ACTION_METHOD,
  ACTION_PENDING,
  ACTION_QUERY,
  ACTION_ROWS,
  ACTION_URL_FULL,
  ATTRIBUTE_CODES,
  ATTRIBUTE_ENDS,
  ATTRIBUTE_VALUES,
  BODY_BYTES,
  DETAIL,
  DURATION,
  END_BEFORE_START,
  FLAGS,
  KEY_ENTRIES,
  KEYED,
  LEAN_ENTRIES,
  MAX_KEY_BYTES,
  MAX_KEYS,
  MAX_LEANS,
  MAX_NAMES,
  MESSAGES,
  NAME_ENTRIES,
  PARENT_ID,
  PARENT_NUMBER,
  PENDING_BYTES,
  PENDING_ENTRIES,
  PENDING_KEY,
  RETURNED_ROWS,
  SHAPE,
  SPAN_ID,
  SPAN_KIND,
  SPAN_NAME,
  SPAN_NUMBER,
  STATUS_CODE,
  TIMESTAMP,
  TRACE_HIGH,
  TRACE_ID,
  TRACE_LOW,
  VALUE_HASH,
} from './layout'
import { FIRST, find, hashOf, isSame, NEXT, PLACE, SECOND, SIZE, THIRD } from './tables'
import { copy, isUtf8, murmur, writeDouble, writeHex16, writeInteger, writeLength } from './text'

/** Where columns end that are not so much a row. */
export namespace columns {
  export let rows: u32 = 0
  export let parents: usize = 0
  export let messages: usize = 0
  export let codes: usize = 0
  export let values: usize = 0
  export let pending: u32 = 0
}

let maxAttributes: u32 = 0
let maxNameBytes: u32 = 0
let maxKeyBytes: u32 = 0
let maxValueBytes: u32 = 0
let attributesBefore: u32 = 0
let resource: u32 = 0
let sharedFlags: u32 = 0
let earliest: f64 = 0
let latest: f64 = 0

export function setLimits(attributes: u32, nameBytes: u32, keyBytes: u32, valueBytes: u32): void {
  maxAttributes = attributes
  maxNameBytes = nameBytes
  maxKeyBytes = keyBytes
  maxValueBytes = valueBytes
}

/** For the rows to come, none of which is there yet. */
export function setShared(before: u32, number: u32, flags: u32, from: f64, to: f64): void {
  attributesBefore = before
  resource = number
  sharedFlags = flags
  earliest = from
  latest = to
  columns.rows = 0
  columns.parents = PARENT_ID
  columns.messages = MESSAGES
  columns.codes = ATTRIBUTE_CODES
  columns.values = ATTRIBUTE_VALUES
  columns.pending = 0
}

const TRANSPORT: u32 = 0x80
const ROLE_BITS: u32 = 0x7f
/** Bit 1 of a row's flags: its start was 0. */
const NO_START: u32 = 1
/** By kind: whether such a span calls somebody (lean-keys.ts). */
const CALLS: u32 = 0b1011011
/** name, resource, kind. */
const KEY_HEAD: usize = 12

export function pendingAt(number: u32): usize {
  return <usize>PENDING_ENTRIES + <usize>number * <usize>PENDING_BYTES
}

/** Appends a value; 0: it is not for the kernel. Values are as any-value.ts has them. */
function writeValue(to: usize, at: usize, end: usize): usize {
  if (at == end) {
    store<u8>(to, 0)
    return to + 1
  }
  const tag = load<u8>(at++)
  if (tag == 0x0a) {
    let size: u32 = load<u8>(at++)
    if (size >= 0x80) {
      const second: u32 = load<u8>(at++)
      if (second >= 0x80) return 0
      size = (size & 0x7f) | (second << 7)
    }
    if (at + size != end || size > maxValueBytes) return 0
    to = writeLength(to, size)
    if (!copy(to, at, size) && !isUtf8(at, size)) return 0
    return to + size
  }
  if (tag == 0x18) {
    let value: u64 = 0
    let byte: u64 = 0x80
    for (let shift: u64 = 0; byte >= 0x80; shift += 7) {
      if (at == end || shift == 70) return 0
      byte = load<u8>(at++)
      value |= (byte & 0x7f) << shift
    }
    return at == end ? writeInteger(to, value) : 0
  }
  if (tag == 0x10) {
    const byte = load<u8>(at)
    if (at + 1 != end || byte >= 0x80) return 0
    if (byte != 0) {
      store<u8>(to, 4)
      store<u32>(to, 0x65757274, 1)
      return to + 5
    }
    store<u8>(to, 5)
    store<u32>(to, 0x736c6166, 1)
    store<u8>(to, 0x65, 5)
    return to + 6
  }
  return tag == 0x21 && at + 8 == end ? writeDouble(to, load<f64>(at)) : 0
}

/** Digits of a value below 10^9; -1: others must see. Anything but digits is 0. */
function wholeNumber(value: usize): i32 {
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

/** Length of a value below 2^14, and where its bytes begin. */
function sizeOf(value: usize): u32 {
  const first: u32 = load<u8>(value)
  return first < 0x80 ? first : (first & 0x7f) | (<u32>load<u8>(value + 1) << 7)
}

/** Reads a span into the next row, or leaves it: false. */
export function readSpan(at: usize, end: usize): bool {
  const row = columns.rows
  const pending = pendingAt(columns.pending)
  const key = pending + PENDING_KEY
  let keyEnd = key + KEY_HEAD
  let codes = columns.codes
  let values = columns.values
  let messages = columns.messages
  const firstCode = codes
  const firstValue = values
  let traceId: usize = 0
  let spanId: usize = 0
  let parentId: usize = 0
  let name: usize = 0
  let last: usize = KEY_ENTRIES
  let kind: u32 = 0
  let status: u32 = 0
  let start: u64 = 0
  let stop: u64 = 0
  let count: u32 = 0
  let seen: u64 = 0
  let transport: u32 = 0
  let isPending = false
  let canLearn = true
  let body: u32 = 0
  let returned: u32 = 0
  let fullUrl: usize = 0
  let httpUrl: usize = 0
  let hasUrl = false
  let hasMethod = false
  let hasQuery = false
  let hasAddress = false

  while (at < end) {
    const tag = load<u8>(at++)
    if (tag == 0x4a) {
      let size: u32 = load<u8>(at++)
      if (size >= 0x80) {
        const second: u32 = load<u8>(at++)
        if (second >= 0x80) return false
        size = (size & 0x7f) | (second << 7)
      }
      const pairEnd = at + size
      const keySize: u32 = load<u8>(at, 1)
      const keyAt = at + 2
      let value = keyAt + keySize
      if (pairEnd > end || load<u8>(at) != 0x0a || keySize >= 0x80 || load<u8>(value) != 0x12) return false
      let valueSize: u32 = load<u8>(value, 1)
      value += 2
      if (valueSize >= 0x80) {
        const second: u32 = load<u8>(value++)
        if (second >= 0x80) return false
        valueSize = (valueSize & 0x7f) | (second << 7)
      }
      if (value + valueSize != pairEnd || count == maxAttributes || keySize > maxKeyBytes) return false
      // Keys come in the same order again.
      let entry: usize = load<u32>(last, NEXT)
      if (entry == 0 || load<u32>(entry, SIZE) != keySize || !isSame(load<u32>(entry, PLACE), keyAt, keySize)) {
        entry = find(KEY_ENTRIES, MAX_KEYS, keyAt, keySize, hashOf(keyAt, keySize))
        if (entry == 0) return false
        store<u32>(last, <u32>entry, NEXT)
      }
      last = entry
      store<u32>(codes, load<u32>(entry, FIRST))
      codes += 4
      count++
      const from = values
      values = writeValue(values, value, pairEnd)
      if (values == 0 || values - from > maxValueBytes) return false
      at = pairEnd
      const flags = load<u32>(entry, SECOND)
      if (flags == 0) continue
      const isEmpty = load<u8>(from) == 0
      if ((flags & TRANSPORT) != 0 && !isEmpty) transport = 0x100
      const bit: u64 = <u64>1 << (flags & ROLE_BITS)
      // The first of several counts, as in a map.
      if ((flags & ROLE_BITS) == 0 || (seen & bit) != 0) continue
      seen |= bit
      if ((flags & KEYED) != 0) {
        const bytes = <u32>(values - from)
        if (<u32>(keyEnd - key) + bytes > <u32>MAX_KEY_BYTES) {
          isPending = true
          canLearn = false
        } else {
          store<u8>(keyEnd, flags & ROLE_BITS)
          copy(keyEnd + 1, from, bytes)
          keyEnd += 1 + bytes
        }
      }
      switch (flags & ACTION_BITS) {
        case ACTION_BAIL:
          return false
        case ACTION_PENDING:
          isPending = true
          canLearn = false
          break
        case ACTION_BODY:
        case ACTION_ROWS: {
          const number = wholeNumber(from)
          if (number < 0) isPending = true
          else if ((flags & ACTION_BITS) == ACTION_ROWS) returned = number
          else if (<u32>number > body) body = number
          break
        }
        case ACTION_URL_FULL:
          hasUrl = true
          if (!isEmpty) fullUrl = from
          break
        case ACTION_HTTP_URL:
          hasUrl = true
          if (!isEmpty) httpUrl = from
          break
        case ACTION_METHOD:
          hasMethod = hasMethod || !isEmpty
          break
        case ACTION_QUERY:
          hasQuery = hasQuery || !isEmpty
          break
        case ACTION_ADDRESS:
          hasAddress = hasAddress || !isEmpty
          break
      }
      continue
    }
    switch (tag) {
      case 0x0a:
        if (load<u8>(at) != 16) return false
        traceId = at + 1
        at += 17
        break
      case 0x12:
        if (load<u8>(at) != 8) return false
        spanId = at + 1
        at += 9
        break
      case 0x22:
        if (load<u8>(at) == 0) {
          parentId = 0
          at++
        } else {
          if (load<u8>(at) != 8) return false
          parentId = load<u64>(at, 1) == 0 ? 0 : at + 1
          at += 9
        }
        break
      case 0x1a: // trace state
        if (load<u8>(at++) != 0) return false
        break
      case 0x2a: {
        let size: u32 = load<u8>(at++)
        if (size >= 0x80) {
          const second: u32 = load<u8>(at++)
          if (second >= 0x80) return false
          size = (size & 0x7f) | (second << 7)
        }
        if (at + size > end || size > maxNameBytes) return false
        name = find(NAME_ENTRIES, MAX_NAMES, at, size, hashOf(at, size))
        if (name == 0) return false
        if (count == 0) last = name
        at += size
        break
      }
      case 0x30:
        kind = load<u8>(at++)
        if (kind >= 0x80) return false
        if (kind > 6) kind = 6
        break
      case 0x39:
        start = load<u64>(at)
        at += 8
        break
      case 0x41:
        stop = load<u64>(at)
        at += 8
        break
      case 0x50: // numbers of what was dropped
      case 0x60:
      case 0x70:
        if (load<u8>(at++) >= 0x80) return false
        break
      case 0x7a: {
        const size: u32 = load<u8>(at++)
        const statusEnd = at + size
        if (size >= 0x80 || statusEnd > end) return false
        while (at < statusEnd) {
          const inner = load<u8>(at++)
          const first: u32 = load<u8>(at++)
          if (first >= 0x80) return false
          if (inner == 0x18) status = first > 3 ? 3 : first
          else if (inner == 0x12) {
            if (messages != columns.messages || at + first > statusEnd || first > maxNameBytes) return false
            store<u8>(messages, first)
            if (!copy(messages + 1, at, first) && !isUtf8(at, first)) return false
            messages += first + 1
            at += first
          } else return false
        }
        if (at != statusEnd) return false
        break
      }
      case 0x85: // flags
        if (load<u8>(at) != 1) return false
        at += 5
        break
      default:
        return false
    }
  }
  if (at != end || traceId == 0 || spanId == 0) return false
  const traceHigh = load<u64>(traceId)
  const traceLow = load<u64>(traceId, 8)
  const spanNumber = load<u64>(spanId)
  const time = start != 0 ? start : stop
  const timeNs = <f64>(time >> 32) * 4294967296 + <f64>(<u32>time)
  if ((traceHigh | traceLow) == 0 || spanNumber == 0 || time == 0) return false
  if (timeNs < earliest || timeNs > latest) return false
  if (name == 0) {
    name = find(NAME_ENTRIES, MAX_NAMES, at, 0, hashOf(at, 0))
    if (name == 0) return false
  }

  store<u32>(key, load<u32>(name, FIRST))
  store<u32>(key, resource, 4)
  store<u32>(key, kind | transport, 8)
  // A URL that says whom a span calls is no part of its key.
  if (hasUrl && !hasAddress && ((CALLS >> kind) & 1) != 0) {
    isPending = true
    canLearn = false
  }
  const keySize = <u32>(keyEnd - key)
  const lean = isPending ? <usize>0 : find(LEAN_ENTRIES, MAX_LEANS, key, keySize, hashOf(key, keySize))
  if (lean == 0) {
    store<u32>(pending, row)
    store<u32>(pending, (<u32>firstCode - ATTRIBUTE_CODES) >> 2, 4)
    store<u32>(pending, <u32>firstValue - ATTRIBUTE_VALUES, 8)
    store<u32>(pending, count, 12)
    store<u32>(pending, canLearn ? 1 : 0, 16)
    store<u32>(pending, keySize, 20)
    columns.pending++
  } else {
    const word = <usize>row * <usize>4
    store<u32>(SHAPE + word, load<u32>(lean, FIRST))
    store<u32>(DETAIL + word, load<u32>(lean, SECOND))
    store<u32>(BODY_BYTES + word, body)
    store<u32>(RETURNED_ROWS + word, returned)
    let valueHash: u32 = 0
    if (hasQuery) valueHash = load<u32>(lean, THIRD)
    else if (hasMethod) {
      const url = fullUrl != 0 ? fullUrl : httpUrl
      if (url != 0) {
        const size = sizeOf(url)
        valueHash = murmur(url + (size < 0x80 ? 1 : 2), size) | 1
      }
    }
    store<u32>(VALUE_HASH + word, valueHash)
  }
  writeRow(row, traceId, spanId, parentId, start != 0, time, stop)
  const word = <usize>row * <usize>4
  store<u32>(SPAN_NAME + word, load<u32>(name, FIRST))
  store<u32>(SPAN_KIND + word, kind)
  store<u32>(STATUS_CODE + word, status)
  columns.codes = codes
  columns.values = values
  store<u64>(ATTRIBUTE_ENDS + 2 * word, attributesBefore + ((<u32>codes - ATTRIBUTE_CODES) >> 2))
  if (messages == columns.messages) store<u8>(messages++, 0)
  columns.messages = messages
  columns.rows = row + 1
  return true
}

/** Ids and times. */
function writeRow(
  row: u32,
  traceId: usize,
  spanId: usize,
  parentId: usize,
  hasStart: bool,
  time: u64,
  stop: u64,
): void {
  const wide = 8 * <usize>row
  store<u64>(TRACE_HIGH + wide, bswap<u64>(load<u64>(traceId)))
  store<u64>(TRACE_LOW + wide, bswap<u64>(load<u64>(traceId, 8)))
  store<u64>(SPAN_NUMBER + wide, bswap<u64>(load<u64>(spanId)))
  store<u64>(PARENT_NUMBER + wide, parentId == 0 ? 0 : bswap<u64>(load<u64>(parentId)))
  const traceText = TRACE_ID + 33 * <usize>row
  store<u8>(traceText, 32)
  writeHex16(traceText + 1, traceId)
  const spanText = SPAN_ID + 17 * <usize>row
  store<u8>(spanText, 16)
  writeHex16(spanText + 1, spanId)
  const parents = columns.parents
  if (parentId == 0) {
    store<u8>(parents, 0)
    columns.parents = parents + 1
  } else {
    store<u8>(parents, 16)
    writeHex16(parents + 1, parentId)
    columns.parents = parents + 17
  }
  store<u64>(TIMESTAMP + wide, time)
  store<u64>(DURATION + wide, stop < time ? 0 : stop - time)
  store<u64>(END_BEFORE_START + wide, stop < time ? time - stop : 0)
  store<u32>(FLAGS + 4 * <usize>row, sharedFlags | (hasStart ? 0 : NO_START))
}
