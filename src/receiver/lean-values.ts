import type { ByteBuffer } from './column-buffers.ts'
import { copyBytes, readVarintAt, reserveBytes } from './column-buffers.ts'
import { ABSENT } from './decode-attributes.ts'
import { SPAN_ROLE } from './lean-roles.ts'
import type { QueryFacts, QueryMemory } from './query-memory.ts'

// Values of attributes, where they are stored: at a place in a column, ABSENT where there is none.

/** The first of two values that is there and not empty. */
export function firstOf({ bytes }: ByteBuffer, first: number, second: number): number {
  if (first !== ABSENT && bytes[first] !== 0) return first
  return second !== ABSENT && bytes[second] !== 0 ? second : ABSENT
}

export function dbSystemAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['db.system.name']]!, at[SPAN_ROLE['db.system']]!)
}

export function queryAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['db.query.text']]!, at[SPAN_ROLE['db.statement']]!)
}

export function methodAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['http.request.method']]!, at[SPAN_ROLE['http.method']]!)
}

export function urlAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['url.full']]!, at[SPAN_ROLE['http.url']]!)
}

/** Of whom is called. */
export function addressAt(values: ByteBuffer, at: Int32Array): number {
  return firstOf(values, at[SPAN_ROLE['server.address']]!, at[SPAN_ROLE['net.peer.name']]!)
}

export function queryFacts(
  queries: QueryMemory,
  values: ByteBuffer,
  at: Int32Array,
  query: number,
): QueryFacts {
  const text = readVarintAt(values, query)
  const systemAt = dbSystemAt(values, at)
  if (systemAt === ABSENT) return queries(values, 0, 0, text.next, text.value)
  const system = readVarintAt(values, systemAt)
  return queries(values, system.next, system.value, text.next, text.value)
}

export function isText(values: ByteBuffer, at: number, text: ByteBuffer): boolean {
  if (at === ABSENT || values.bytes[at] !== text.length) return false
  for (let i = 0; i < text.length; i++) if (values.bytes[at + 1 + i] !== text.bytes[i]) return false
  return true
}

export function stringOf(values: ByteBuffer, at: number): string {
  if (at === ABSENT) return ''
  const { value, next } = readVarintAt(values, at)
  return Buffer.from(values.bytes.buffer, values.bytes.byteOffset + next, value).toString()
}

export function pushByte(to: ByteBuffer, byte: number): void {
  reserveBytes(to, 1)
  to.bytes[to.length++] = byte
}

export function copyAll(to: ByteBuffer, from: ByteBuffer): void {
  copyBytes(from.bytes, from.view, 0, from.length, to)
}

export function bytesOf(ascii: string): ByteBuffer {
  const bytes = new Uint8Array(Buffer.from(ascii, 'latin1'))
  return { bytes, view: new DataView(bytes.buffer), length: bytes.length }
}

export function utf8Of(text: string): ByteBuffer {
  const bytes = new Uint8Array(Buffer.from(text))
  return { bytes, view: new DataView(bytes.buffer), length: bytes.length }
}
