import { normalizeQuery } from '../trace/query-text.ts'
import { type ByteBuffer, readVarintAt } from './column-buffers.ts'
import { pushString } from './text.ts'

/** Texts of queries. */
const TEXTS = new Set(['db.query.text', 'db.statement'])
/** Values bound to them: `db.query.parameter.0`, `db.statement.parameters`, `db.postgresql.values`. */
const BOUND = /^db\.(?:[^.]+\.)*(?:param(?:eter)?s?|values|arg(?:ument)?s?|bind(?:ing)?s?|variables)(?:\.|$)/i

/**
 * Takes the values out of the attribute that ends the column, if it is a query's text or a value bound to one. Which
 * system it is for may only be said by a later attribute: what is in double quotes counts as a value here.
 */
export function dropQueryValues(values: ByteBuffer, start: number, key: Uint8Array): void {
  // `db.`
  if (key[0] !== 0x64 || key[1] !== 0x62 || key[2] !== 0x2e) return
  const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
  if (TEXTS.has(name)) {
    const { value: length, next } = readVarintAt(values, start)
    const text = Buffer.from(values.bytes.buffer, values.bytes.byteOffset + next, length).toString()
    values.length = start
    pushString(values, normalizeQuery(text, ''))
  } else if (BOUND.test(name)) {
    values.length = start
    pushString(values, '')
  }
}

/** What databases say went wrong quotes values: `Key (email)=(a@b.c) already exists`. */
const ERRORS = new Set(['exception.message', 'exception.stacktrace'])

export function isErrorText(key: Uint8Array): boolean {
  // `e`
  if (key[0] !== 0x65) return false
  return ERRORS.has(Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1'))
}
