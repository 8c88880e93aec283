import { normalizeQueryName } from '../trace/query-text.ts'
import type { ByteBuffer } from './column-buffers.ts'
import { ABSENT } from './decode-attributes.ts'
import { codeText, type Decoding, nameText } from './decoding.ts'
import { dbSystemAt, queryAt, stringOf } from './lean-values.ts'

// Where values of queries are not to be stored: what else than attributes a database's span may have them in.

/** Empties texts at the end of a column; `ranges`: where each begins and ends, with its length, in order. */
function emptyTexts(values: ByteBuffer, ranges: readonly number[]): void {
  const { bytes } = values
  let to = ranges[0]!
  for (let i = 0; i < ranges.length; i += 2) {
    const end = ranges[i + 1]!
    const next = ranges[i + 2] ?? values.length
    bytes[to++] = 0
    bytes.copyWithin(to, end, next)
    to += next - end
  }
  values.length = to
}

/** Whether a span is a database's, by its attributes. */
export function isOfDatabase(values: ByteBuffer, at: Int32Array): boolean {
  return dbSystemAt(values, at) !== ABSENT || queryAt(values, at) !== ABSENT
}

/** Nothing stays of what it says went wrong but that it did. */
export function dropErrorTexts({ block, eventAttributes }: Decoding, statusMessageAt: number): void {
  const { errorTexts } = eventAttributes
  block.statusMessage.length = statusMessageAt
  if (errorTexts.length > 0) emptyTexts(block.eventAttributes.values, errorTexts)
}

/** The code of its name, without the values of a statement in it. */
export function codeQueryName(decoding: Decoding, nameAt: number, size: number): number {
  const { block, spanAttributes } = decoding
  const { values } = block.attributes
  const { at } = spanAttributes.roles
  const query = stringOf(values, queryAt(values, at))
  const system = stringOf(values, dbSystemAt(values, at))
  return codeText(
    block.spanName.dictionary,
    normalizeQueryName(nameText(decoding, nameAt, size), system, query),
  )
}
