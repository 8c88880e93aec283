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
import { createParkedValues, type ParkedValues } from './parked-values.ts'

/** Samples of an endpoint that are replayed, all if there are no more. */
const REPLAYED = 2000

/** The span that a sample begins with. */
type SampleId = { trace: string; span: string }
/** Samples of an endpoint that are replayed, and what each counts as. */
type Chosen = { item: SampleId; weight: number }[]
/** Spans as they lie in a temporary file. */
type PlainSpans = Omit<SpanColumns, 'dictionary' | 'tieText'>

/**
 * Adds `pair` to the endpoints that miss the target and that no single component lets meet it. Reads the batches twice
 * more, and only if there are such endpoints: to choose samples, and to put the spans of their traces aside (2,000 traces
 * of each of many endpoints are more than memory should hold).
 */
export function namePairs(
  bottlenecks: readonly Bottleneck[],
  target: Target,
  batches: () => Iterable<SpanColumns>,
  model: Model | undefined,
): Bottleneck[] {
  const open = new Map<string, Reservoir<SampleId>>()
  for (const bottleneck of bottlenecks) {
    if (needsPair(bottleneck)) open.set(keyOf(bottleneck, bottleneck.scope), createReservoir(REPLAYED))
  }
  if (open.size === 0) return [...bottlenecks]
  for (const batch of batches()) choose(batch, open, model)
  const chosen = new Map<string, Chosen>()
  for (const [key, reservoir] of open) chosen.set(key, reservoir.kept())
  const parked = createParkedValues<PlainSpans>()
  try {
    const dictionary = parkTraces(batches(), chosen, parked)
    return bottlenecks.map((bottleneck) => {
      const key = keyOf(bottleneck, bottleneck.scope)
      const samples = chosen.get(key)
      if (samples === undefined) return bottleneck
      const spans = tracesOf(samples, parked.of(key), dictionary)
      return { ...bottleneck, ...pairOf(key, samples, spans, target, model) }
    })
  } finally {
    parked.close()
  }
}

function keyOf({ environment, namespace, service, operation }: Endpoint, scope: Scope): string {
  return JSON.stringify([environment, namespace, service, operation, scope])
}

/** Offers every sample of the batch to its endpoint's reservoir. */
function choose(
  batch: SpanColumns,
  open: ReadonlyMap<string, Reservoir<SampleId>>,
  model: Model | undefined,
): void {
  const analysis = analyzeSpans(batch, { model })
  const { samples, spans } = analysis
  for (let s = 0; s < samples.count; s++) {
    if (samples.counted[s] === 0) continue
    const span = samples.span[s]!
    const endpoint = spans.dictionary.endpoints[samples.endpoint[s]!]!
    open
      .get(keyOf(endpoint, scopeOf(analysis, s)))
      ?.offer(samples.weight[s]!, uniformOf(spans, span), () => ({
        trace: traceIdHex(spans, span),
        span: idHex(spans.spanId, span),
      }))
  }
}

/** Puts the spans of the traces that are chosen aside, by endpoint. Returns the dictionary of all. */
function parkTraces(
  batches: Iterable<SpanColumns>,
  chosen: ReadonlyMap<string, Chosen>,
  parked: ParkedValues<PlainSpans>,
): Dictionary {
  const wanted = new Map<string, Set<string>>()
  for (const [key, samples] of chosen) {
    for (const { item } of samples) {
      const keys = wanted.get(item.trace)
      if (keys === undefined) wanted.set(item.trace, new Set([key]))
      else keys.add(key)
    }
  }
  let dictionary!: Dictionary
  for (const batch of batches) {
    dictionary = batch.dictionary
    const groups = groupByTrace(batch)
    const rowsByKey = new Map<string, number[]>()
    for (let trace = 0; trace < groups.count; trace++) {
      const rows = groups.rows.subarray(groups.first[trace]!, groups.first[trace + 1]!)
      for (const key of wanted.get(traceIdHex(batch, rows[0]!)) ?? []) {
        const all = rowsByKey.get(key)
        if (all === undefined) rowsByKey.set(key, [...rows])
        else for (const row of rows) all.push(row)
      }
    }
    for (const [key, rows] of rowsByKey) {
      const { dictionary: _, ...plain } = appendRows(createColumns(dictionary, rows.length), batch, rows)
      parked.put(key, plain)
    }
  }
  return dictionary
}

/** The traces of the samples, each once, in their order. */
function tracesOf(samples: Chosen, parts: readonly PlainSpans[], dictionary: Dictionary): SpanColumns {
  const all = createColumns(dictionary)
  for (const part of parts) appendRows(all, { ...part, dictionary }, rowsTo(part.count))
  const groups = groupByTrace(all)
  const traces = new Map<string, Uint32Array>()
  for (let trace = 0; trace < groups.count; trace++) {
    const rows = groups.rows.subarray(groups.first[trace]!, groups.first[trace + 1]!)
    traces.set(traceIdHex(all, rows[0]!), rows)
  }
  const columns = createColumns(dictionary, all.count)
  for (const trace of new Set(samples.map(({ item }) => item.trace))) {
    appendRows(columns, all, traces.get(trace)!)
  }
  return columns
}

function rowsTo(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, row) => row)
}

function scopeOf({ samples }: Analysis, row: number): Scope {
  return samples.kind[row] === SERVICE ? 'service' : 'trace'
}

function pairOf(key: string, samples: Chosen, spans: SpanColumns, target: Target, model: Model | undefined) {
  const weights = new Map(samples.map(({ item, weight }) => [item.trace + item.span, weight]))
  const replayable = replayablesOf(spans, { model }, ({ samples, spans }, row) => {
    const span = samples.span[row]!
    return weights.get(traceIdHex(spans, span) + idHex(spans.spanId, span)) ?? 0
  }).find(({ group }) => keyOf(group.endpoint, group.scope) === key)
  return replayable === undefined ? undefined : findPair(replayable, target)
}
