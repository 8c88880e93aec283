// Reads spans as they mostly are, straight into columns; ../span-kernel.ts feeds it. What is unusual is for others.
import {
  ATTRIBUTE_CODES,
  ATTRIBUTE_VALUES,
  CODES,
  HAS_BAILED,
  HEADER,
  KEY_ENTRIES,
  LEAN_ENTRIES,
  LEAN_TEXTS,
  END_OF_TEXTS,
  MAX_KEYS,
  MAX_LEANS,
  MAX_NAMES,
  MAX_PENDING,
  MAX_ROWS,
  MESSAGES,
  MESSAGES_BYTES,
  NAME_ENTRIES,
  PARENTS_BYTES,
  PARENT_ID,
  PENDING,
  PENDING_KEY,
  ROWS,
  SPAN_BYTES,
  STAGING,
  TEXTS,
  VALUES_BYTES,
} from './layout'
import { columns, pendingAt, readSpan, setLimits, setShared } from './span'
import { enter, FIRST, find, forget, hashOf, SECOND, setSeed, THIRD } from './tables'

let keys: u32 = 0
let names: u32 = 0
let leans: u32 = 0
let texts: usize = TEXTS
let leanTexts: usize = LEAN_TEXTS

/** Before anything else. Lengths in bytes, attributes a span. */
export function configure(seed: u64, attributes: u32, nameBytes: u32, keyBytes: u32, valueBytes: u32): void {
  setSeed(seed)
  setLimits(attributes, nameBytes, keyBytes, valueBytes)
}

/** Forgets all texts. */
export function clear(): void {
  forget(KEY_ENTRIES, MAX_KEYS)
  forget(NAME_ENTRIES, MAX_NAMES)
  keys = 0
  names = 0
  texts = TEXTS
  clearLeans()
}

function clearLeans(): void {
  forget(LEAN_ENTRIES, MAX_LEANS)
  leans = 0
  leanTexts = LEAN_TEXTS
}

/** The staged text is a key of that code and with those flags. One too many is not known. */
export function addKey(size: u32, code: u32, flags: u32): void {
  if (keys + 1 == MAX_KEYS || texts + size + 16 > <usize>LEAN_TEXTS) return
  const entry = stage(KEY_ENTRIES, MAX_KEYS, ++keys, size)
  store<u32>(entry, code, FIRST)
  store<u32>(entry, flags, SECOND)
}

/** The staged text is a name of that code. */
export function addName(size: u32, code: u32): void {
  if (names + 1 == MAX_NAMES || texts + size + 16 > <usize>LEAN_TEXTS) return
  store<u32>(stage(NAME_ENTRIES, MAX_NAMES, ++names, size), code, FIRST)
}

function stage(table: usize, capacity: u32, number: u32, size: u32): usize {
  memory.copy(texts, STAGING, size)
  const entry = enter(table, capacity, number, texts, size, hashOf(texts, size))
  texts += size
  return entry
}

/** Shape, detail and hash of a query of a span that was pending, and of all that are like it. */
export function learn(pending: u32, shape: u32, detail: u32, valueHash: u32): void {
  const at = pendingAt(pending)
  const size = load<u32>(at, 20)
  const key = at + PENDING_KEY
  const hash = hashOf(key, size)
  if (find(LEAN_ENTRIES, MAX_LEANS, key, size, hash) != 0) return
  if (leans + 1 == MAX_LEANS || leanTexts + size + 16 > <usize>END_OF_TEXTS) clearLeans()
  memory.copy(leanTexts, key, size)
  const entry = enter(LEAN_ENTRIES, MAX_LEANS, ++leans, leanTexts, size, hash)
  leanTexts += size
  store<u32>(entry, shape, FIRST)
  store<u32>(entry, detail, SECOND)
  store<u32>(entry, valueHash, THIRD)
}

/**
 * Reads spans of a ScopeSpans, from `at` to where it ends, or what there is of it. Stops before what is not a whole span, before
 * a span that is not for it, and where there is no more room. Returns where it stopped.
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
  let bytes: u32 = 0
  let bailed = 0
  while (at + 2 < end && columns.rows < <u32>MAX_ROWS && columns.pending < <u32>MAX_PENDING && load<u8>(at) == 0x12) {
    let body = at + 1
    let size: u32 = load<u8>(body++)
    if (size >= 0x80) {
      const second: u32 = load<u8>(body++)
      size = (size & 0x7f) | ((second & 0x7f) << 7)
      if (second >= 0x80) {
        const third: u32 = load<u8>(body++)
        if (third >= 0x80) break
        size |= third << 14
      }
    }
    if (body + size > end) break
    if (!readSpan(body, body + size)) {
      bailed = 1
      break
    }
    bytes += size
    at = body + size
  }
  store<u32>(HEADER + 4 * ROWS, columns.rows)
  store<u32>(HEADER + 4 * VALUES_BYTES, columns.values - ATTRIBUTE_VALUES)
  store<u32>(HEADER + 4 * CODES, (columns.codes - ATTRIBUTE_CODES) >> 2)
  store<u32>(HEADER + 4 * MESSAGES_BYTES, columns.messages - MESSAGES)
  store<u32>(HEADER + 4 * PARENTS_BYTES, columns.parents - PARENT_ID)
  store<u32>(HEADER + 4 * PENDING, columns.pending)
  store<u32>(HEADER + 4 * SPAN_BYTES, bytes)
  store<u32>(HEADER + 4 * HAS_BAILED, bailed)
  return at
}
