// What `spans_lean` has of a span (../lean-columns.ts), where a span before had the same in all that decides shape and detail.
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
  BODY_BYTES,
  DETAIL,
  KEYED,
  LEAN_ENTRIES,
  LEAN_TEXTS,
  LEAN_TEXTS_END,
  MAX_KEY_BYTES,
  MAX_LEANS,
  PENDING_BYTES,
  PENDING_ENTRIES,
  PENDING_KEY,
  RETURNED_ROWS,
  SHAPE,
  TRACE_STATES,
  VALUE_HASH,
  WEIGHT,
} from './layout'
import { traceStatesEnd } from './row'
import { enter, FIRST, FOURTH, find, forget, hashOf, SECOND, THIRD } from './tables'
import { copy, murmur } from './text'
import { sizeOf, wholeNumber } from './value'

const ROLE_BITS: u32 = 0x7f
/** Marks a driver's transport. */
const TRANSPORT: u32 = 0x80
/** By kind: whether such a span calls somebody (../lean-keys.ts). */
const CALLS: u32 = 0b1011011
/** Of the key: name, resource, kind and transport. */
const HEAD_BYTES: usize = 12

/** Of the span at hand: where it is described if nobody like it is known, and its key. */
let entry: usize = 0
let key: usize = 0
let keyEnd: usize = 0
/** Roles that have been there. */
let seen: u64 = 0
let transport: u32 = 0
let isForOthers = false
let canLearn = true
let bodyBytes: u32 = 0
let returnedRows: u32 = 0
let fullUrl: usize = 0
let httpUrl: usize = 0
let hasUrl = false
let hasMethod = false
let hasQuery = false
let hasAddress = false

let known: u32 = 0
let texts: usize = LEAN_TEXTS

export function clearLeans(): void {
  forget(LEAN_ENTRIES, MAX_LEANS)
  known = 0
  texts = LEAN_TEXTS
}

function entryOf(pending: u32): usize {
  return <usize>PENDING_ENTRIES + <usize>pending * <usize>PENDING_BYTES
}

/** Shape, detail, hash of a query and weight of a pending span are those of all that have its key. */
export function learnLean(pending: u32, shape: u32, detail: u32, valueHash: u32, weight: u32): void {
  const at = entryOf(pending)
  const size = load<u32>(at + 20)
  const place = at + PENDING_KEY
  const hash = hashOf(place, size)
  if (find(LEAN_ENTRIES, MAX_LEANS, place, size, hash) !== 0) return
  if (known + 1 === MAX_LEANS || texts + size + 16 > <usize>LEAN_TEXTS_END) clearLeans()
  memory.copy(texts, place, size)
  const lean = enter(LEAN_ENTRIES, MAX_LEANS, ++known, texts, size, hash)
  texts += size
  store<u32>(lean + FIRST, shape)
  store<u32>(lean + SECOND, detail)
  store<u32>(lean + THIRD, valueHash)
  store<u32>(lean + FOURTH, weight)
}

export function beginLean(pending: u32): void {
  entry = entryOf(pending)
  key = entry + PENDING_KEY
  keyEnd = key + HEAD_BYTES
  seen = 0
  transport = 0
  isForOthers = false
  canLearn = true
  bodyBytes = 0
  returnedRows = 0
  fullUrl = 0
  httpUrl = 0
  hasUrl = false
  hasMethod = false
  hasQuery = false
  hasAddress = false
}

function leaveToOthers(): void {
  isForOthers = true
  canLearn = false
}

/** A value that decides something, told from others by a number. */
export function addToKey(role: u32, value: usize, end: usize): void {
  const size = <u32>(end - value)
  if (<u32>(keyEnd - key) + size > <u32>MAX_KEY_BYTES) {
    leaveToOthers()
    return
  }
  store<u8>(keyEnd, role)
  copy(keyEnd + 1, value, size)
  keyEnd += 1 + size
}

/** An attribute that decides something, by its key's flags; its value is at `value`. False: the span is not for the kernel. */
export function noteRole(flags: u32, value: usize, end: usize): bool {
  const isEmpty = load<u8>(value) === 0
  if ((flags & TRANSPORT) !== 0 && !isEmpty) transport = 0x100
  const role = flags & ROLE_BITS
  const bit: u64 = (<u64>1) << role
  // The first of several counts, as in a map.
  if (role === 0 || (seen & bit) !== 0) return true
  seen |= bit
  if ((flags & KEYED) !== 0) addToKey(role, value, end)
  const action = flags & ACTION_BITS
  if (action === ACTION_BAIL) return false
  if (action === ACTION_PENDING) leaveToOthers()
  else if (action === ACTION_METHOD) hasMethod = hasMethod || !isEmpty
  else if (action === ACTION_QUERY) hasQuery = hasQuery || !isEmpty
  else if (action === ACTION_ADDRESS) hasAddress = hasAddress || !isEmpty
  else if (action === ACTION_URL_FULL) {
    hasUrl = true
    if (!isEmpty) fullUrl = value
  } else if (action === ACTION_HTTP_URL) {
    hasUrl = true
    if (!isEmpty) httpUrl = value
  } else if (action === ACTION_BODY || action === ACTION_ROWS) {
    const number = wholeNumber(value)
    if (number < 0) isForOthers = true
    else if (action === ACTION_ROWS) returnedRows = number
    else bodyBytes = max<u32>(bodyBytes, number)
  }
  return true
}

/**
 * Writes the row's columns; or notes it for others, with its first code and value (numbers in their columns) and how many
 * there are: false.
 */
export function writeLean(
  row: u32,
  name: u32,
  resource: u32,
  kind: u32,
  code: u32,
  value: u32,
  count: u32,
): bool {
  // A URL that says whom a span calls is in no key.
  if (hasUrl && !hasAddress && ((CALLS >> kind) & 1) !== 0) leaveToOthers()
  store<u32>(key, name)
  store<u32>(key + 4, resource)
  store<u32>(key + 8, kind | transport)
  const size = <u32>(keyEnd - key)
  const lean = isForOthers ? <usize>0 : find(LEAN_ENTRIES, MAX_LEANS, key, size, hashOf(key, size))
  if (lean === 0) {
    store<u32>(entry, row)
    store<u32>(entry + 4, code)
    store<u32>(entry + 8, value)
    store<u32>(entry + 12, count)
    store<u32>(entry + 16, canLearn ? 1 : 0)
    store<u32>(entry + 20, size)
    store<u32>(entry + 24, <u32>traceStatesEnd - TRACE_STATES)
    return false
  }
  const word = 4 * row
  store<u32>(SHAPE + word, load<u32>(lean + FIRST))
  store<u32>(DETAIL + word, load<u32>(lean + SECOND))
  store<u32>(BODY_BYTES + word, bodyBytes)
  store<u32>(RETURNED_ROWS + word, returnedRows)
  store<u32>(WEIGHT + word, load<u32>(lean + FOURTH))
  store<u32>(VALUE_HASH + word, hasQuery ? load<u32>(lean + THIRD) : urlHash())
  return true
}

/** Equal where a method asks for the very same (valueHash of ../lean-figures.ts); 0: there is none. */
function urlHash(): u32 {
  const url = fullUrl !== 0 ? fullUrl : httpUrl
  if (!hasMethod || url === 0) return 0
  const size = sizeOf(url)
  return murmur(url + (size < 0x80 ? 1 : 2), size) | 1
}
