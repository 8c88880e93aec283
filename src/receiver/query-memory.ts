import { isWholeQuery, normalizeQuery } from '../trace/query-text.ts'
import { type ByteBuffer, copyBytes, createBytes, pushVarint } from './column-buffers.ts'
import { createDictionary, numberOf, truncateDictionary } from './text-dictionary.ts'

/** What a query's text comes to: the text without its values, and whether it says all there is to know. */
export type QueryFacts = { normal: ByteBuffer; isWhole: boolean }

/** Queries come again and again: this many are remembered, ... */
const REMEMBERED = 2000
/** ... of those that are no longer than this. */
const LONGEST_BYTES = 4096
/** Its length is put before it, as one byte of ASCII. */
const LONGEST_SYSTEM = 127

const encoder = new TextEncoder()

/** A query's facts by the bytes of its system and its text (both ranges of `values`). */
export type QueryMemory = (
  values: ByteBuffer,
  systemAt: number,
  systemLength: number,
  at: number,
  length: number,
) => QueryFacts

export function createQueryMemory(): QueryMemory {
  const known = createDictionary()
  const facts: QueryFacts[] = []
  const key = createBytes()
  return (values, systemAt, systemLength, at, length) => {
    if (systemLength > LONGEST_SYSTEM || length > LONGEST_BYTES) {
      return factsOf(textOf(values, systemAt, systemLength), textOf(values, at, length))
    }
    if (facts.length >= REMEMBERED) {
      truncateDictionary(known, 0)
      facts.length = 0
    }
    key.length = 0
    pushVarint(key, systemLength)
    copyBytes(values.bytes, values.view, systemAt, systemLength, key)
    copyBytes(values.bytes, values.view, at, length, key)
    const n = numberOf(known, key.bytes, key.view, 0, key.length)
    facts[n] ??= factsOf(textOf(values, systemAt, systemLength), textOf(values, at, length))
    return facts[n]
  }
}

function factsOf(system: string, text: string): QueryFacts {
  const bytes = encoder.encode(normalizeQuery(text, system))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { normal: { bytes, view, length: bytes.length }, isWhole: isWholeQuery(text, system) }
}

function textOf({ bytes }: ByteBuffer, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString()
}
