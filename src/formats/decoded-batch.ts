import { createColumns, type SpanColumns } from '../trace/columns.ts'
import { detailKeyFrom } from '../trace/detail.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../trace/shape.ts'
import { decodeSpan, type SpanSource } from './decode-span.ts'
import { FormatError } from './problem.ts'
import { appendRow } from './span-table.ts'

/** JSON of spans on its way to a worker: the texts after each other, where each ends, and what and where it is. */
export type EncodedBatch = {
  id: number
  bytes: Uint8Array
  ends: Uint32Array
  sources: Uint8Array
  byteAt: Float64Array
  lineAt: Uint32Array
}
export const SPAN_SOURCES: readonly SpanSource[] = ['otlpSpan', 'jaegerSpan', 'document']

/** What a worker made of it, as columns; row i came from text `input[i]`. Details are numbers by this worker's count. */
export type DecodedBatch = {
  id: number
  columns: Omit<SpanColumns, 'dictionary' | 'tieText'>
  input: Uint32Array
  /** Number of the span's shape without its resource, and of whose it is (0: the resource around it), by this worker's count. */
  part: Uint32Array
  owner: Uint32Array
  /** Keys of shapes and details, and owners, that this worker met for the first time, in the order of their numbers. */
  newParts: string[]
  newDetails: string[]
  newOwners: Owner[]
  problems: { input: number; message: string; byte: number | undefined; line: number | undefined }[]
}

/** A process of the trace, or the resource attributes the span has itself. */
export type Owner = { process: string } | { own: Readonly<Record<string, unknown>> }

/** Decodes batches; numbers of parts and owners go on from batch to batch. */
export function createBatchDecoder(): (batch: EncodedBatch) => DecodedBatch {
  const parts = new Map<string, number>()
  const details = new Map<string, number>()
  const owners = new Map<string, number>()

  return ({ id, bytes, ends, sources, byteAt, lineAt }) => {
    const texts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const columns = createColumns(NO_DICTIONARY, ends.length)
    const input = new Uint32Array(ends.length)
    const part = new Uint32Array(ends.length)
    const owner = new Uint32Array(ends.length)
    const newParts: string[] = []
    const newDetails: string[] = []
    const newOwners: Owner[] = []
    const problems: DecodedBatch['problems'] = []
    for (let i = 0, start = 0; i < ends.length; i++) {
      const text = texts.toString('utf8', start, ends[i])
      start = ends[i]!
      try {
        const decoded = decodeSpan(
          SPAN_SOURCES[sources[i]!]!,
          text,
          { byte: byteAt[i]!, line: lineAt[i]! },
          false,
        )
        if (decoded === undefined) continue
        const { span, process, own } = decoded
        const row = appendRow(columns, span)
        input[row] = i
        part[row] = numberOf(
          parts,
          shapeKeyOf(shapeFieldsFrom(span.kind, span.name, {}, span.attributes)),
          newParts,
        )
        columns.detail[row] = numberOf(details, detailKeyFrom(span.kind, span.attributes), newDetails)
        if (process !== undefined) owner[row] = ownerOf(`p${process}`, { process }, newOwners)
        else if (own !== undefined) owner[row] = ownerOf(`a${JSON.stringify(own)}`, { own }, newOwners)
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        const { message, position } = error
        problems.push({ input: i, message, byte: position?.byte, line: position?.line })
      }
    }
    const { dictionary: _, ...plain } = columns
    return { id, columns: plain, input, part, owner, newParts, newDetails, newOwners, problems }
  }

  function ownerOf(key: string, whose: Owner, fresh: Owner[]): number {
    const known = owners.get(key)
    if (known !== undefined) return known
    owners.set(key, owners.size + 1)
    fresh.push(whose)
    return owners.size
  }
}

/** Shapes get their ids where the batches come together. */
const NO_DICTIONARY = undefined as unknown as Dictionary

function numberOf(numbers: Map<string, number>, key: string, fresh: string[]): number {
  let number = numbers.get(key)
  if (number === undefined) {
    number = numbers.size
    numbers.set(key, number)
    fresh.push(key)
  }
  return number
}
