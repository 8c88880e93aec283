/** Whole numbers of 32 bits (of 64 bits: two, the low one first), as many as come: a plain array takes several times as long. */
export type WordList = { words: Uint32Array; length: number }

const WORD = 2 ** 32
const ROOM = 64

export function createWords(): WordList {
  return { words: new Uint32Array(ROOM), length: 0 }
}

/** Negative numbers as their two's complement. */
export function pushWord(list: WordList, value: number): void {
  if (list.length === list.words.length) grow(list)
  list.words[list.length++] = value
}

export function pushPair(list: WordList, low: number, high: number): void {
  if (list.length + 2 > list.words.length) grow(list)
  list.words[list.length++] = low
  list.words[list.length++] = high
}

/** A whole number up to 2^53, as 64 bits. */
export function pushNumber(list: WordList, value: number): void {
  pushPair(list, value, value / WORD)
}

/** A whole number up to 2^53, as the i-th value of 64 bits. */
export function putNumber(words: Uint32Array, i: number, value: number): void {
  words[2 * i] = value
  words[2 * i + 1] = value / WORD
}

/** What is in it; a view, until more comes. */
export function wordsIn({ words, length }: WordList): Uint32Array {
  return words.subarray(0, length)
}

function grow(list: WordList): void {
  const wider = new Uint32Array(2 * list.words.length)
  wider.set(list.words)
  list.words = wider
}
