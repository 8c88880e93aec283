import { appendRows, createColumns, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'

/** Spans that are analyzed together, by trace; the traces' ids in hex. */
export type Batch = { spans: SpanColumns; groups: TraceGroups; ids: readonly string[] }

/** The rows of the traces named; the columns themselves where that is all of them. */
export function batchOf(spans: SpanColumns, wanted: ReadonlyMap<string, unknown>): Batch {
  const groups = groupByTrace(spans)
  const kept: number[] = []
  const ids: string[] = []
  for (let g = 0; g < groups.count; g++) {
    const id = traceIdHex(spans, groups.rows[groups.first[g]!]!)
    if (!wanted.has(id)) continue
    kept.push(g)
    ids.push(id)
  }
  if (kept.length === groups.count) return { spans, groups, ids }

  const rowsOf = (g: number) => groups.rows.subarray(groups.first[g]!, groups.first[g + 1]!)
  const first = new Uint32Array(kept.length + 1)
  kept.forEach((g, i) => {
    first[i + 1] = first[i]! + rowsOf(g).length
  })
  const count = first.at(-1)!
  const those = createColumns(spans.dictionary as Dictionary, count)
  for (const g of kept) appendRows(those, spans, rowsOf(g))
  return {
    spans: those,
    groups: { count: kept.length, rows: Uint32Array.from({ length: count }, (_, row) => row), first },
    ids,
  }
}

export function rowsIn({ first }: TraceGroups, trace: number): number {
  return first[trace + 1]! - first[trace]!
}
