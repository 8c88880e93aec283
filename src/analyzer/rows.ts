import { appendRows, createColumns, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'

/** The rows of the traces named; the columns themselves where that is all of them. */
export function onlyThose(spans: SpanColumns, wanted: ReadonlyMap<string, unknown>): SpanColumns {
  const groups = groupByTrace(spans)
  const kept = createColumns(spans.dictionary as Dictionary, spans.count)
  for (let g = 0; g < groups.count; g++) {
    const rows = groups.rows.subarray(groups.first[g]!, groups.first[g + 1]!)
    if (wanted.has(traceIdHex(spans, rows[0]!))) appendRows(kept, spans, rows)
  }
  return kept
}

/** Rows a trace. */
export function countRows(spans: SpanColumns, groups: TraceGroups): Map<string, number> {
  const counts = new Map<string, number>()
  for (let g = 0; g < groups.count; g++) {
    counts.set(traceIdHex(spans, groups.rows[groups.first[g]!]!), groups.first[g + 1]! - groups.first[g]!)
  }
  return counts
}
