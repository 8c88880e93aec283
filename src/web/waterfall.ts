import type { Trace } from './api.ts'

type Span = Trace['spans'][number]
export type Row = { span: Span; depth: number; startNs: number }

/** Spans with parents before children, children by start; times count from the first start. Nothing recurses. */
export function rowsOf(spans: readonly Span[]): Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  const starts = new Map(spans.map((span) => [span, BigInt(span.startUnixNano)]))
  const first = [...starts.values()].reduce((least, start) => (start < least ? start : least), 2n ** 64n)
  const startOf = (span: Span) => Number(starts.get(span)! - first)
  const children = Map.groupBy(spans, ({ spanId, parentSpanId }) =>
    ids.has(parentSpanId) && parentSpanId !== spanId ? parentSpanId : '',
  )
  const latestFirst = (parent: string) =>
    (children.get(parent) ?? []).toSorted((a, b) => startOf(b) - startOf(a))
  const rows: Row[] = []
  const open = latestFirst('').map((span) => ({ span, depth: 0 }))
  const seen = new Set<Span>()
  for (;;) {
    const next = open.pop()
    if (next === undefined) {
      // Who is its own ancestor hangs below nobody.
      const left = spans.find((span) => !seen.has(span))
      if (left === undefined) return rows
      open.push({ span: left, depth: 0 })
      continue
    }
    if (seen.has(next.span)) continue
    seen.add(next.span)
    rows.push({ ...next, startNs: startOf(next.span) })
    for (const span of latestFirst(next.span.spanId)) open.push({ span, depth: next.depth + 1 })
  }
}
