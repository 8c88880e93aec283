import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { operationOf } from '../../src/trace/operation.ts'

/**
 * What patterns that are judged over many traces would save, worked out the slow and obvious way: spans are objects,
 * load is counted request by request, and each trace is scheduled anew as a whole. For traffic without repairs: whatever
 * a span calls lies within it, and every child is waited for.
 */
export type Judged = { pattern: string; operation: string; samples: number; saved: number[] }

type Span = {
  trace: string
  service: string
  instance: string
  kind: string
  operation: string
  text: string
  cold: boolean
  start: number
  end: number
  parent: Span | undefined
  children: Span[]
}
/** What fixing changes: a span's length, its own work's factor, the most that the work before its first child takes. */
type Change = { lengthNs?: number; factor?: number; mostBeforeNs?: number }
type Changes = Map<Span, Change>

const MS = 1e6

export function judgedSavings(columns: SpanColumns): Judged[] {
  const spans = objectsOf(columns)
  const servers = [...groupBy(spans.filter(isServer), (s) => `${s.service} ${s.operation}`).values()]
  const found: [pattern: string, changes: Changes][] = [
    ...servers.flatMap((group) => slowInstances(group).map((c): [string, Changes] => ['slow-instance', c])),
    ...servers.map((group): [string, Changes] => ['cold-start', coldStarts(group)]),
    ...servers.map((group): [string, Changes] => ['starved-start', starvedStarts(group, spans)]),
    ...servers.map((group): [string, Changes] => ['concurrency-ceiling', ceiling(group, spans)]),
    ...[...groupBy(spans.filter(isQuery), (s) => `${s.service} ${s.text}`).values()].map(
      (group): [string, Changes] => ['lock-suspect', locked(group)],
    ),
  ]
  const entries = groupBy(
    spans.filter((span) => span.parent === undefined),
    (span) => span.operation,
  )
  return found
    .flatMap(([pattern, changes]) =>
      [...entries].flatMap(([operation, roots]) => {
        const changed = new Set([...changes.keys()].map(rootOf).filter((root) => roots.includes(root)))
        if (changed.size === 0) return []
        const before = roots.map(lengthOf)
        const after = roots.map((root) =>
          changed.has(root) ? Math.round(scheduled(root, changes)) : lengthOf(root),
        )
        const saved = [0.5, 0.95, 0.99].map((q) => quantile(before, q) - quantile(after, q))
        const p99 = quantile(before, 0.99)
        const reachesP99 = roots.some((_, i) => before[i]! >= p99 && after[i]! < before[i]!)
        return [{ pattern, operation, samples: changed.size, saved, reachesP99 }]
      }),
    )
    .filter(({ pattern, samples, operation, reachesP99 }) => {
      const share = samples / entries.get(operation)!.length
      return share >= 0.01 && (pattern !== 'cold-start' || reachesP99)
    })
    .map(({ reachesP99: _, ...judged }) => judged)
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function objectsOf(columns: SpanColumns): Span[] {
  const byId = new Map<string, Span>()
  for (let row = 0; row < columns.count; row++) {
    const shape = columns.dictionary.fields(columns.shape[row]!)
    const detail = columns.dictionary.details.fields(columns.detail[row]!)
    const origin = epochNs(columns.start, 0)
    const trace = traceIdHex(columns, row)
    byId.set(trace + idHex(columns.spanId, row), {
      trace,
      ...{ service: shape.service, instance: shape.instance, kind: shape.kind },
      operation: operationOf(shape),
      text: detail.query,
      cold: detail.coldStart === '1',
      start: Number(epochNs(columns.start, row) - origin),
      end: Number(epochNs(columns.end, row) - origin),
      parent: undefined,
      children: [],
    })
  }
  for (let row = 0; row < columns.count; row++) {
    const trace = traceIdHex(columns, row)
    const span = byId.get(trace + idHex(columns.spanId, row))!
    const parent = byId.get(trace + idHex(columns.parentId, row))
    if (parent === undefined) continue
    span.parent = parent
    parent.children.push(span)
  }
  for (const span of byId.values()) span.children.sort((a, b) => a.start - b.start || b.end - a.end)
  return [...byId.values()]
}

/** How long a span takes with the changes: each child starts when all that had ended before it have, plus the gap. */
function scheduled(span: Span, changes: Changes): number {
  const { lengthNs, factor = 1, mostBeforeNs = Number.POSITIVE_INFINITY } = changes.get(span) ?? {}
  if (lengthNs !== undefined) return lengthNs
  const ends: number[] = []
  let end = 0
  for (const child of span.children) {
    const before = span.children.filter((other) => other !== child && other.end <= child.start)
    const ready = Math.max(0, ...before.map((other) => ends[span.children.indexOf(other)]!))
    const gap = child.start - Math.max(span.start, ...before.map((other) => other.end))
    const work = child === span.children[0] ? Math.min(gap, mostBeforeNs) : gap
    const childEnd = ready + factor * work + scheduled(child, changes)
    ends.push(childEnd)
    end = Math.max(end, childEnd)
  }
  return end + factor * (span.end - Math.max(span.start, ...span.children.map((child) => child.end)))
}

/** At least 20 requests each; p95 twice the middle one of its siblings', and more slow ones than by chance. */
function slowInstances(group: readonly Span[]): Changes[] {
  const instances = [...groupBy(group, (s) => s.instance).values()].filter((of) => of.length >= 20)
  const p95 = (of: readonly Span[]) => quantile(of.map(lengthOf), 0.95)
  return instances.flatMap((one) => {
    const others = instances.filter((other) => other !== one)
    if (others.length === 0) return []
    const usual = quantile(others.map(p95), 0.5)
    if (p95(one) < 2 * usual) return []
    const cut = Math.sqrt(p95(one) * usual)
    const all = others.flat()
    const slow = (of: readonly Span[]) => of.filter((span) => lengthOf(span) > cut).length
    const share = slow([...one, ...all]) / (one.length + all.length)
    const sigma = Math.sqrt(share * (1 - share) * (1 / one.length + 1 / all.length))
    if (slow(one) / one.length - slow(all) / all.length < 4 * sigma) return []
    const rank = (span: Span) => one.filter((other) => lengthOf(other) <= lengthOf(span)).length / one.length
    const factor = (span: Span) => Math.min(1, quantile(all.map(lengthOf), rank(span)) / lengthOf(span))
    return [new Map(one.map((span) => [span, { factor: factor(span) }]))]
  })
}

function coldStarts(group: readonly Span[]): Changes {
  const usual = quantile(group.filter(({ cold }) => !cold).map(lengthOf), 0.5)
  const long = group.filter((span) => span.cold && lengthOf(span) > usual)
  return new Map(long.map((span) => [span, { lengthNs: usual }]))
}

/** The work before the first call: 10 ms and three times that of calm moments, at p95. */
function starvedStarts(group: readonly Span[], spans: readonly Span[]): Changes {
  const known = group.filter(({ children }) => children.length > 0)
  const wait = (span: Span) => span.children[0]!.start - span.start
  if (known.length < 60 || quantile(known.map(wait), 0.95) < 10 * MS) return new Map()
  const loads = byLoad(known, (span) => loadAt(span, spans))
  if (loads === undefined || loads.low.length < 20) return new Map()
  const calm = quantile(loads.low.map(wait), 0.95)
  const busy = quantile(loads.high.map(wait), 0.95)
  if (busy < 3 * calm || busy < 10 * MS) return new Map()
  return new Map(known.filter((span) => wait(span) > calm).map((span) => [span, { mostBeforeNs: calm }]))
}

/** The wait for arrival while an instance has as many requests as it ever has. */
function ceiling(group: readonly Span[], spans: readonly Span[]): Changes {
  const known = group.filter(({ parent }) => parent !== undefined)
  const wait = (span: Span) => span.start - span.parent!.start
  if (known.length < 100 || !known.some((span) => wait(span) >= 10 * MS)) return new Map()
  const loads = new Map(known.map((span) => [span, loadAt(span, spans)]))
  const most = Math.max(...loads.values())
  const at = known.filter((span) => loads.get(span) === most)
  const below = known.filter((span) => loads.get(span)! < most)
  if (most < 2 || at.length < 0.1 * known.length || below.length === 0) return new Map()
  const calm = quantile(below.map(wait), 0.5)
  const busy = quantile(at.map(wait), 0.5)
  if (busy < 10 * MS || busy < 3 * calm) return new Map()
  return new Map(at.filter((span) => wait(span) > calm).map((span) => [span.parent!, { mostBeforeNs: calm }]))
}

/** p99 of 100 ms and ten times the p50; twice as long where many run at once. */
function locked(group: readonly Span[]): Changes {
  const lengths = group.map(lengthOf)
  const p50 = quantile(lengths, 0.5)
  const p99 = quantile(lengths, 0.99)
  if (group.length < 100 || p99 < 100 * MS || p99 < 10 * p50) return new Map()
  const open = (span: Span) =>
    group.filter((other) => other.start <= span.start && other.end > span.start).length
  const loads = byLoad(group, open)
  if (loads === undefined) return new Map()
  const middle = (of: readonly Span[]) => quantile(of.map(lengthOf), 0.5)
  if (middle(loads.high) < 2 * middle(loads.low)) return new Map()
  return new Map(group.filter((s) => lengthOf(s) >= 2 * p50).map((span) => [span, { lengthNs: p50 }]))
}

/** Requests that the span's instance has at its start, itself included. */
function loadAt(span: Span, spans: readonly Span[]): number {
  return spans.filter(
    (other) =>
      isServer(other) &&
      other.service === span.service &&
      other.instance === span.instance &&
      other.start <= span.start &&
      other.end > span.start,
  ).length
}

function byLoad(group: readonly Span[], of: (span: Span) => number) {
  const loads = group.map(of)
  const lowMost = quantile(loads, 1 / 3)
  const highLeast = Math.max(quantile(loads, 0.9), lowMost + 1)
  const low = group.filter((_, i) => loads[i]! <= lowMost)
  const high = group.filter((_, i) => loads[i]! >= highLeast)
  return high.length < 10 ? undefined : { low, high }
}

const isServer = (span: Span) => span.kind === 'SERVER'
const isQuery = (span: Span) => span.text !== ''
const lengthOf = (span: Span) => span.end - span.start
const rootOf = (span: Span): Span => (span.parent === undefined ? span : rootOf(span.parent))

/** Nearest rank. */
function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    groups.set(key, [...(groups.get(key) ?? []), value])
  }
  return groups
}
