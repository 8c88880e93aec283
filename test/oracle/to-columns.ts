import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import type { OracleSpan } from './oracle.ts'

export function toColumns(spans: readonly OracleSpan[], traceId = '1'): SpanColumns {
  const columns = createColumns(createDictionary(), spans.length)
  for (const { kind, name, resource, attributes, ...span } of spans) {
    appendSpan(columns, {
      traceId,
      ...span,
      shapeKey: shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes)),
    })
  }
  const json = (map: Readonly<Record<string, unknown>>) =>
    JSON.stringify(Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))))
  columns.tieText = (row) => json(spans[row]!.attributes) + json(spans[row]!.resource)
  return columns
}
