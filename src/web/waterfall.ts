import type { Trace } from './api.ts'

type Span = Trace['spans'][number]
export type Row = { span: Span; depth: number; startNs: number }

/** Spans with parents before children, children by start; times count from the first start. Nothing recurses. */
export function rowsOf(spans: readonly Span[]): Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  const starts = new Map(spans.map((span) => [span, BigInt(span.startUnixNano)]))
  const first = [...starts.values()].reduce((least, start) => (start < least ? start : least), 2n ** 64n)
  const startOf = (span: Span) => Number(starts.get(span)! - first)
  const children = new Map<string, Span[]>()
  for (const span of spans) {
    const { spanId, parentSpanId } = span
    const parent = ids.has(parentSpanId) && parentSpanId !== spanId ? parentSpanId : ''
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [span])
    else siblings.push(span)
  }
  const latestFirst = (parent: string) =>
    (children.get(parent) ?? []).toSorted((a, b) => startOf(b) - startOf(a))
  const rows: Row[] = []
  const seen = new Set<Span>()
  // Roots; then who is its own ancestor, below nobody.
  for (const root of [...latestFirst('').reverse(), ...spans]) {
    const open = [{ span: root, depth: 0 }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next.span)) continue
      seen.add(next.span)
      rows.push({ ...next, startNs: startOf(next.span) })
      for (const span of latestFirst(next.span.spanId)) open.push({ span, depth: next.depth + 1 })
    }
  }
  return rows
}
