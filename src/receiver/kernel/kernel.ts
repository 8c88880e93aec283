// Reads spans as they mostly are, straight into columns; ../span-kernel.ts feeds it, and compiles to kernel.wasm (README.md).
import {
  ATTRIBUTE_CODES,
  ATTRIBUTE_VALUES,
  CODES,
  HAS_BAILED,
  HEADER,
  KEY_ENTRIES,
  MAX_KEYS,
  MAX_NAMES,
  MAX_PENDING,
  MAX_ROWS,
  MESSAGES,
  MESSAGES_BYTES,
  NAME_ENTRIES,
  PARENT_ID,
  PARENTS_BYTES,
  PENDING,
  ROWS,
  SPAN_BYTES,
  STAGING,
  TEXTS,
  TEXTS_END,
  TRACE_STATES,
  TRACE_STATES_BYTES,
  VALUES_BYTES,
} from './layout'
import { clearLeans, learnLean } from './lean'
import { clearRows, codesEnd, messagesEnd, parentsEnd, rows, traceStatesEnd, valuesEnd } from './row'
import { pending, readSpan, setLimits, setShared } from './span'
import { enter, FIRST, forget, hashOf, SECOND, setSeed } from './tables'

let keys: u32 = 0
let names: u32 = 0
let texts: usize = TEXTS

/** Before anything else. Lengths in bytes, attributes a span. */
export function configure(seed: u64, attributes: u32, nameBytes: u32, keyBytes: u32, valueBytes: u32): void {
  setSeed(seed)
  setLimits(attributes, nameBytes, keyBytes, valueBytes)
}

/** Forgets all texts. */
export function clear(): void {
  forget(KEY_ENTRIES, MAX_KEYS)
  forget(NAME_ENTRIES, MAX_NAMES)
  clearLeans()
  keys = 0
  names = 0
  texts = TEXTS
}

/** The staged text is a key of that code and with those flags. One too many is not known. */
export function addKey(size: u32, code: u32, flags: u32): void {
  if (keys + 1 === MAX_KEYS || isFull(size)) return
  const key = add(KEY_ENTRIES, MAX_KEYS, ++keys, size, code)
  store<u32>(key + SECOND, flags)
}

/** The staged text is a name of that code. */
export function addName(size: u32, code: u32): void {
  if (names + 1 === MAX_NAMES || isFull(size)) return
  add(NAME_ENTRIES, MAX_NAMES, ++names, size, code)
}

function isFull(size: u32): bool {
  return texts + size + 16 > <usize>TEXTS_END
}

function add(table: usize, capacity: u32, number: u32, size: u32, code: u32): usize {
  memory.copy(texts, STAGING, size)
  const entry = enter(table, capacity, number, texts, size, hashOf(texts, size))
  store<u32>(entry + FIRST, code)
  texts += size
  return entry
}

export function learn(pending: u32, shape: u32, detail: u32, valueHash: u32, weight: u32): void {
  learnLean(pending, shape, detail, valueHash, weight)
}

/**
 * Reads spans of a ScopeSpans, from `at` up to `end`, where it or what there is of it ends. Stops before what is no whole
 * span, before a span that is not for it, and where there is no more room. Returns where it stopped; the rest is in HEADER.
 */
export function run(
  at: usize,
  end: usize,
  attributesBefore: u32,
  resource: u32,
  flags: u32,
  earliest: f64,
  latest: f64,
): usize {
  setShared(attributesBefore, resource, flags, earliest, latest)
  clearRows()
  let bytes: u32 = 0
  let hasBailed = 0
  while (at + 2 < end && rows < <u32>MAX_ROWS && pending < <u32>MAX_PENDING && load<u8>(at) === 0x12) {
    let body = at + 1
    let size: u32 = load<u8>(body++)
    if (size >= 0x80) {
      const second: u32 = load<u8>(body++)
      size = (size & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        const third: u32 = load<u8>(body++)
        if (third >= 0x80) {
          hasBailed = 1
          break
        }
        size |= third << 14
      }
    }
    if (body + size > end) break
    if (!readSpan(body, body + size)) {
      hasBailed = 1
      break
    }
    bytes += size
    at = body + size
  }
  store<u32>(HEADER + 4 * ROWS, rows)
  store<u32>(HEADER + 4 * VALUES_BYTES, <u32>valuesEnd - ATTRIBUTE_VALUES)
  store<u32>(HEADER + 4 * CODES, (<u32>codesEnd - ATTRIBUTE_CODES) >> 2)
  store<u32>(HEADER + 4 * MESSAGES_BYTES, <u32>messagesEnd - MESSAGES)
  store<u32>(HEADER + 4 * PARENTS_BYTES, <u32>parentsEnd - PARENT_ID)
  store<u32>(HEADER + 4 * PENDING, pending)
  store<u32>(HEADER + 4 * SPAN_BYTES, bytes)
  store<u32>(HEADER + 4 * TRACE_STATES_BYTES, <u32>traceStatesEnd - TRACE_STATES)
  store<u32>(HEADER + 4 * HAS_BAILED, hasBailed)
  return at
}
