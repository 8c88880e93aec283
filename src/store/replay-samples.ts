import type { Scope } from '../analysis/bottlenecks.ts'
import type { Model } from '../analysis/model.ts'
import { joinReplayables, type Replayable, replayablesOf } from '../analysis/replayable.ts'
import { idHex, type SpanColumns, traceIdHex } from '../trace/columns.ts'
import { createDictionary, type Endpoint } from '../trace/dictionary.ts'
import { decodeLeanSpans, LEAN_COLUMNS } from './lean-spans.ts'
import type { SampleFilter } from './sample-filter.ts'
import type { Store } from './store.ts'

/** Samples of an endpoint that are replayed: of each hour, and in all. */
export const REPLAYED_AN_HOUR = 500
export const REPLAYED = 2000
const HOUR_MS = 3_600_000

/** Samples of an endpoint to be replayed, and of how many they were chosen. */
export type Chosen = { endpoint: Endpoint; scope: Scope; entries: number; samples: ChosenSample[] }
type ChosenSample = { traceId: string; spanId: string; weight: number; modelVersion: number }

/** An endpoint's hour; its samples by priority, highest (least negative number) first. */
type Row = {
  Environment: string
  Namespace: string
  Service: string
  Operation: string
  Scope: Scope
  entries: string
  samples: [
    negativePriority: number,
    traceId: string,
    spanId: string,
    weight: number,
    model: number | string,
  ][]
}

/** By endpoint and scope, those with the most samples first. */
export async function chooseSamples(store: Store, filter: SampleFilter): Promise<Chosen[]> {
  const hours = Math.ceil(filter.toMs / HOUR_MS) - Math.floor(filter.fromMs / HOUR_MS)
  const perHour = Math.max(1, Math.min(REPLAYED_AN_HOUR, Math.floor(REPLAYED / hours)))
  const chosen = new Map<string, Chosen>()
  for (const row of await store.query<Row>('replay-samples', { ...filter, limit: perHour + 1 })) {
    const { Environment, Namespace, Service, Operation, Scope } = row
    const key = JSON.stringify([Environment, Namespace, Service, Operation, Scope])
    let of = chosen.get(key)
    if (of === undefined) {
      const endpoint = {
        environment: Environment,
        namespace: Namespace,
        service: Service,
        operation: Operation,
      }
      of = { endpoint, scope: Scope, entries: 0, samples: [] }
      chosen.set(key, of)
    }
    of.entries += Number(row.entries)
    // One over is the highest priority that is left out, and says what the others count as.
    const leftOut = row.samples.length > perHour ? -row.samples.pop()![0] : 0
    for (const [, traceId, spanId, weight, model] of row.samples) {
      of.samples.push({ traceId, spanId, weight: Math.max(weight, leftOut), modelVersion: Number(model) })
    }
  }
  return [...chosen.values()].sort((a, b) => b.entries - a.entries)
}

/**
 * The chosen samples with their spans, each analyzed with the model that its stored result was made with; undefined if
 * none of their spans is stored any more.
 */
export async function readReplayable(
  store: Store,
  { samples }: Chosen,
  modelOf: (number: number) => Promise<Model | undefined>,
): Promise<Replayable | undefined> {
  const weights = new Map(samples.map((sample) => [sample.traceId + sample.spanId, sample.weight]))
  const versions = new Map<number, Set<string>>()
  for (const { traceId, modelVersion } of samples) {
    const known = versions.get(modelVersion)
    if (known === undefined) versions.set(modelVersion, new Set([traceId]))
    else known.add(traceId)
  }
  const parts: Replayable[] = []
  for (const [number, traceIds] of versions) {
    const spans = await readLeanTraces(store, [...traceIds])
    const model = await modelOf(number)
    parts.push(
      // A trace may hold several samples of the endpoint, and of others.
      ...replayablesOf(spans, { model }, ({ samples: rows, spans }, row) => {
        const span = rows.span[row]!
        return weights.get(traceIdHex(spans, span) + idHex(spans.spanId, span)) ?? 0
      }),
    )
  }
  return parts.length === 0 ? undefined : joinReplayables(parts)
}

/** Lean spans of whole traces that were analyzed. */
async function readLeanTraces(store: Store, traceIds: readonly string[]): Promise<SpanColumns> {
  const ids = traceIds.map((id) => `(0x${id.slice(0, 16)}, 0x${id.slice(16)})`).join(', ')
  const among = `(TraceHigh, TraceLow) IN (${ids})`
  const bytes = await store.queryNative(`
    WITH (SELECT (min(FirstStored), max(LastStored)) FROM analyzed_traces FINAL WHERE ${among}) AS stored
    SELECT ${LEAN_COLUMNS} FROM spans_lean
    WHERE StoredAt >= stored.1 AND StoredAt <= stored.2 AND ${among}`)
  return decodeLeanSpans(bytes, createDictionary())
}
