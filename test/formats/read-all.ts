import { Readable } from 'node:stream'
import type { FileSpan, Resource, Scope, SpanSink } from '../../src/formats/file-span.ts'
import { describeProblem } from '../../src/formats/problem.ts'
import { readTraces } from '../../src/formats/read.ts'
import { streamSource } from '../../src/formats/source.ts'
import { createSpanTable } from '../../src/formats/span-table.ts'
import { createColumns, epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'

export type Read = { columns: SpanColumns; problems: string[] }

/** The bytes in chunks of such a size. */
export function source(bytes: Buffer | string, chunkBytes = 1 << 20) {
  const all = Buffer.from(bytes)
  const chunks: Buffer[] = []
  for (let at = 0; at < all.length; at += chunkBytes) chunks.push(all.subarray(at, at + chunkBytes))
  return streamSource('a file', all.length, () => Readable.from(chunks))
}

export async function readColumns(bytes: Buffer | string, chunkBytes?: number): Promise<Read> {
  const columns = createColumns(createDictionary(), 4)
  const problems: string[] = []
  await readTraces(source(bytes, chunkBytes), createSpanTable(columns), {
    onProblem: (problem) => problems.push(describeProblem(problem)),
  })
  return { columns, problems }
}

/** All that is read, settled. */
export async function readSpans(bytes: Buffer | string, withRest = true) {
  const spans: { span: FileSpan; resource: Resource; scope: Scope }[] = []
  const problems: string[] = []
  const sink: SpanSink = {
    add: (span, resource, scope) => spans.push({ span, resource, scope }),
    settle: () => {},
    abandon: () => 0,
  }
  await readTraces(source(bytes), sink, {
    withRest,
    onProblem: (problem) => problems.push(describeProblem(problem)),
  })
  return { spans, problems }
}

/** A line a span, sorted: ids, times, status, and what there is of weight, fields of shape and detail, and figures. */
export function dump(columns: SpanColumns): string[] {
  return Array.from({ length: columns.count }, (_, row) => {
    const { dictionary } = columns
    const shape = dictionary.fields(columns.shape[row]!)
    const detail = dictionary.details.fields(columns.detail[row]!)
    const { bodyBytes, returnedRows, valueHash } = columns
    const figures = { bytes: bodyBytes[row], rows: returnedRows[row], hash: valueHash[row] }
    const fields = [...Object.entries(shape), ...Object.entries(detail), ...Object.entries(figures)].filter(
      ([key, value]) => value !== '' && value !== 0 && !(key === 'method' && value === shape.httpMethod),
    )
    return [
      traceIdHex(columns, row),
      idHex(columns.spanId, row),
      idHex(columns.parentId, row),
      epochNs(columns.start, row),
      epochNs(columns.end, row),
      columns.status[row],
      ...(columns.weight[row] === 0 ? [] : [`weight=${columns.weight[row]}`]),
      ...fields.map(([key, value]) => `${key}=${value}`),
    ].join(' ')
  }).sort()
}
