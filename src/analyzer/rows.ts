import { appendRows, createColumns, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'

/** The rows of the traces named; the columns themselves where that is all of them. */
export function onlyThose(spans: SpanColumns, wanted: ReadonlyMap<string, unknown>): SpanColumns {
  const groups = groupByTrace(spans)
  const rowsOf = (g: number) => groups.rows.subarray(groups.first[g]!, groups.first[g + 1]!)
  const kept: number[] = []
  for (let g = 0; g < groups.count; g++) {
    if (wanted.has(traceIdHex(spans, groups.rows[groups.first[g]!]!))) kept.push(g)
  }
  if (kept.length === groups.count) return spans
  const rows = createColumns(spans.dictionary as Dictionary, spans.count)
  for (const g of kept) appendRows(rows, spans, rowsOf(g))
  return rows
}

/** Rows a trace. */
export function countRows(spans: SpanColumns, groups: TraceGroups): Map<string, number> {
  const counts = new Map<string, number>()
  for (let g = 0; g < groups.count; g++) {
    counts.set(traceIdHex(spans, groups.rows[groups.first[g]!]!), groups.first[g + 1]! - groups.first[g]!)
  }
  return counts
}
