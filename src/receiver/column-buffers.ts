/** A growing run of bytes. `view` is over the same memory; both are replaced when it grows. */
export type ByteBuffer = { bytes: Uint8Array; view: DataView; length: number }

/** A growing run of 32-bit words. 64-bit values take two, low word first (little-endian, as ClickHouse reads them). */
export type WordList = { words: Uint32Array; length: number }

export function createBytes(capacity = 4096): ByteBuffer {
  const bytes = new Uint8Array(capacity)
  return { bytes, view: new DataView(bytes.buffer), length: 0 }
}

export function createWords(capacity = 1024): WordList {
  return { words: new Uint32Array(capacity), length: 0 }
}

/** Makes room for `more` bytes behind `length`. */
export function reserveBytes(buffer: ByteBuffer, more: number): void {
  const needed = buffer.length + more
  if (needed <= buffer.bytes.length) return
  const bytes = new Uint8Array(Math.max(needed, 2 * buffer.bytes.length))
  bytes.set(buffer.bytes.subarray(0, buffer.length))
  buffer.bytes = bytes
  buffer.view = new DataView(bytes.buffer)
}

export function pushWord(list: WordList, word: number): void {
  if (list.length === list.words.length) reserveWords(list, 1)
  list.words[list.length++] = word
}

export function pushWide(list: WordList, low: number, high: number): void {
  if (list.length + 2 > list.words.length) reserveWords(list, 2)
  list.words[list.length] = low
  list.words[list.length + 1] = high
  list.length += 2
}

/** Appends `word` `count` times. */
export function pushSameWord(list: WordList, word: number, count: number): void {
  reserveWords(list, count)
  list.words.fill(word, list.length, list.length + count)
  list.length += count
}

/** Appends all of `from` `count` times. */
export function pushWordsAgain(list: WordList, from: WordList, count: number): void {
  reserveWords(list, count * from.length)
  const at = list.length
  const size = from.length
  list.words.set(from.words.subarray(0, size), at)
  // What is there already is doubled.
  for (let done = 1; done < count; done *= 2) {
    list.words.copyWithin(at + done * size, at, at + Math.min(done, count - done) * size)
  }
  list.length = at + count * size
}

/** Appends `low`, 0 `count` times. */
export function pushSameWide(list: WordList, low: number, count: number): void {
  reserveWords(list, 2 * count)
  const { words } = list
  const end = list.length + 2 * count
  for (let i = list.length; i < end; i += 2) {
    words[i] = low
    words[i + 1] = 0
  }
  list.length = end
}

/** Makes room for `more` words behind `length`. */
export function reserveWords(list: WordList, more: number): void {
  const needed = list.length + more
  if (needed <= list.words.length) return
  const words = new Uint32Array(Math.max(needed, 2 * list.words.length))
  words.set(list.words.subarray(0, list.length))
  list.words = words
}

/** Appends a base-128 varint. */
export function pushVarint(buffer: ByteBuffer, value: number): void {
  reserveBytes(buffer, 10)
  const { bytes } = buffer
  let at = buffer.length
  while (value >= 0x80) {
    bytes[at++] = (value % 0x80) | 0x80
    value = Math.floor(value / 0x80)
  }
  bytes[at++] = value
  buffer.length = at
}

/** Under this many bytes a loop over words beats the call into the runtime that a bulk copy is. */
const BULK_BYTES = 96

/**
 * Copies bytes without their length. The result is the OR of all of them where the copy was a loop, 0x80 where it was
 * not: a result without 0x80 (in any byte of the word) means ASCII throughout.
 */
export function copyBytes(
  source: Uint8Array,
  view: DataView,
  from: number,
  length: number,
  to: ByteBuffer,
): number {
  reserveBytes(to, length)
  const at = to.length
  to.length = at + length
  if (length > BULK_BYTES) {
    to.bytes.set(source.subarray(from, from + length), at)
    return 0x80
  }
  const { bytes, view: toView } = to
  let seen = 0
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const word = view.getUint32(from + i, true)
    seen |= word
    toView.setUint32(at + i, word, true)
  }
  for (; i < length; i++) {
    const byte = source[from + i]!
    seen |= byte
    bytes[at + i] = byte
  }
  return seen
}

/** Any of the four bytes beyond ASCII. */
export const NOT_ASCII = 0x80808080 | 0

/** Appends all of `from` `count` times. */
export function pushBytesAgain(to: ByteBuffer, from: ByteBuffer, count: number): void {
  const size = from.length
  reserveBytes(to, count * size)
  const at = to.length
  to.bytes.set(from.bytes.subarray(0, size), at)
  // What is there already is doubled.
  for (let done = 1; done < count; done *= 2) {
    to.bytes.copyWithin(at + done * size, at, at + Math.min(done, count - done) * size)
  }
  to.length = at + count * size
}

/** A varint that was pushed at `at`, and where what comes after it begins. */
export function readVarintAt({ bytes }: ByteBuffer, at: number): { value: number; next: number } {
  let value = 0
  let scale = 1
  let next = at
  for (; bytes[next]! >= 0x80; next++) {
    value += (bytes[next]! & 0x7f) * scale
    scale *= 128
  }
  return { value: value + bytes[next]! * scale, next: next + 1 }
}
