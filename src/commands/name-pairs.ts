import { analyzeSpans } from '../analysis/analyze.ts'
import type { Bottleneck, Scope } from '../analysis/bottlenecks.ts'
import type { Model } from '../analysis/model.ts'
import { findPair, needsPair } from '../analysis/pair.ts'
import { replayablesOf } from '../analysis/replayable.ts'
import { createReservoir, type Reservoir, uniformOf } from '../analysis/reservoir.ts'
import { type Analysis, SERVICE } from '../analysis/result.ts'
import type { Target } from '../analysis/target.ts'
import { appendRows, createColumns, idHex, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import type { Dictionary, Endpoint } from '../trace/dictionary.ts'
import { groupByTrace } from '../trace/group.ts'

/** Samples of an endpoint that are replayed, all if there are no more. */
const REPLAYED = 2000

/**
 * Adds `pair` to the endpoints that miss the target and that no single component lets meet it. Reads the batches once
 * more, and only if there are such endpoints.
 */
export function namePairs(
  bottlenecks: readonly Bottleneck[],
  target: Target,
  batches: () => Iterable<SpanColumns>,
  model: Model | undefined,
): Bottleneck[] {
  const open = new Map<string, Reservoir<SpanColumns>>()
  for (const bottleneck of bottlenecks) {
    if (needsPair(bottleneck)) open.set(keyOf(bottleneck, bottleneck.scope), createReservoir(REPLAYED))
  }
  if (open.size === 0) return [...bottlenecks]
  for (const batch of batches()) collect(batch, open, model)
  return bottlenecks.map((bottleneck) => {
    const reservoir = open.get(keyOf(bottleneck, bottleneck.scope))
    if (reservoir === undefined) return bottleneck
    return { ...bottleneck, ...pairOf(bottleneck, reservoir, target, model) }
  })
}

function keyOf({ environment, namespace, service, operation }: Endpoint, scope: Scope): string {
  return JSON.stringify([environment, namespace, service, operation, scope])
}

/** Offers every sample of the batch, as the spans of its trace, to its endpoint's reservoir. */
function collect(
  batch: SpanColumns,
  open: ReadonlyMap<string, Reservoir<SpanColumns>>,
  model: Model | undefined,
): void {
  const analysis = analyzeSpans(batch, { model })
  const { samples, traces, spans } = analysis
  const groups = groupByTrace(spans)
  // Groups come in the order of the analysis's traces.
  for (let trace = 0; trace < traces.count; trace++) {
    for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
      if (samples.counted[s] === 0) continue
      const reservoir = open.get(
        keyOf(spans.dictionary.endpoints[samples.endpoint[s]!]!, scopeOf(analysis, s)),
      )
      reservoir?.offer(samples.weight[s]!, uniformOf(spans, samples.span[s]!), () => {
        const rows = groups.rows.subarray(groups.first[trace]!, groups.first[trace + 1]!)
        // The sample's own span comes first: it says which one of the trace is meant.
        const own = createColumns(spans.dictionary as Dictionary, rows.length + 1)
        appendRows(own, spans, [samples.span[s]!, ...rows.filter((row) => row !== samples.span[s])])
        return own
      })
    }
  }
}

function scopeOf({ samples }: Analysis, row: number): Scope {
  return samples.kind[row] === SERVICE ? 'service' : 'trace'
}

function pairOf(
  bottleneck: Bottleneck,
  reservoir: Reservoir<SpanColumns>,
  target: Target,
  model: Model | undefined,
) {
  const kept = reservoir.kept()
  const weights = new Map<string, number>()
  const seen = new Set<string>()
  const columns = createColumns(kept[0]!.item.dictionary as Dictionary)
  for (const { item, weight } of kept) {
    weights.set(`${traceIdHex(item, 0)}${idHex(item.spanId, 0)}`, weight)
    if (seen.has(traceIdHex(item, 0))) continue
    seen.add(traceIdHex(item, 0))
    appendRows(
      columns,
      item,
      Uint32Array.from({ length: item.count }, (_, row) => row),
    )
  }
  const key = keyOf(bottleneck, bottleneck.scope)
  const replayable = replayablesOf(columns, { model }, ({ samples, spans }, row) => {
    const span = samples.span[row]!
    return weights.get(`${traceIdHex(spans, span)}${idHex(spans.spanId, span)}`) ?? 0
  }).find(({ group }) => keyOf(group.endpoint, group.scope) === key)
  return replayable === undefined ? undefined : findPair(replayable, target)
}
