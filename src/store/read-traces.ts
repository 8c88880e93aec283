import { appendSpan, createColumns, type SpanColumns } from '../trace/columns.ts'
import { createDictionary } from '../trace/dictionary.ts'
import { samplingWeight } from '../trace/sampling.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../trace/shape.ts'
import { kindCode, SPAN_KINDS, STATUS_ERROR, STATUS_OK, STATUS_UNSET } from '../trace/span.ts'
import type { SampleFilter } from './sample-filter.ts'
import type { Store } from './store.ts'

export type TraceSummary = {
  traceId: string
  spanId: string
  environment: string
  namespace: string
  service: string
  operation: string
  scope: string
  startUnixNano: string
  durationNs: number
  queueWaitNs: number
  isError: boolean
  components: { kind: string; name: string; criticalNs: number; ifInstantNs: number }[]
}

export async function listTraces(
  store: Store,
  filter: SampleFilter & {
    component: string
    minDurationNs: number
    sort: string
    limit: number
    offset: number
  },
): Promise<TraceSummary[]> {
  type Row = Omit<TraceSummary, 'components' | 'isError'> & {
    isError: number
    components: [string, string, number | string, number | string][]
  }
  const rows = await store.query<Row>('trace-summaries', filter)
  return rows.map((row) => ({
    ...row,
    durationNs: Number(row.durationNs),
    queueWaitNs: Number(row.queueWaitNs),
    isError: row.isError === 1,
    components: row.components
      .map(([kind, name, criticalNs, ifInstantNs]) => ({
        kind,
        name,
        criticalNs: Number(criticalNs),
        ifInstantNs: Number(ifInstantNs),
      }))
      .sort((a, b) => a.ifInstantNs - b.ifInstantNs),
  }))
}

export type StoredSpan = {
  spanId: string
  parentSpanId: string
  name: string
  kind: string
  service: string
  traceState: string
  timestampNs: string
  durationNs: string
  endBeforeStartNs: string
  flags: number
  status: string
  statusMessage: string
  resource: Record<string, string>
  attributes: Record<string, string>
  events: [timeUnixNano: string, name: string, attributes: Record<string, string>][]
  links: [traceId: string, spanId: string, traceState: string, attributes: Record<string, string>][]
}

/** Every distinct span of a trace; empty if there is none. */
export function readTraceSpans(store: Store, traceId: string): Promise<StoredSpan[]> {
  return store.query<StoredSpan>('trace-spans', { traceId })
}

/** Number of the model that the stored results of a trace were made with; 0: none, or there are no results yet. */
export async function readModelVersion(store: Store, traceId: string): Promise<number> {
  const answer = await store.client.query({
    query: `SELECT toString(ModelVersion) AS number FROM analyzed_traces FINAL
            WHERE TraceHigh = {high:UInt64} AND TraceLow = {low:UInt64}`,
    query_params: {
      high: BigInt(`0x${traceId.slice(0, 16)}`).toString(),
      low: BigInt(`0x${traceId.slice(16)}`).toString(),
    },
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ number: string }>()
  return Number(row?.number ?? 0)
}

/** Flag of a span that was sent without a start (see schema/). */
const NO_START = 1
const STATUS: Readonly<Record<string, number>> = { Error: STATUS_ERROR, Ok: STATUS_OK }

/** Stored spans of one trace as columns, to be analyzed on the spot. */
export function toColumns(traceId: string, spans: readonly StoredSpan[]): SpanColumns {
  const columns = createColumns(createDictionary(), spans.length)
  for (const span of spans) {
    const timestampNs = BigInt(span.timestampNs)
    const kind = SPAN_KINDS[kindCode(span.kind)]!
    const resource = { ...span.resource, 'service.name': span.service }
    appendSpan(columns, {
      traceId,
      spanId: span.spanId,
      parentSpanId: span.parentSpanId,
      startNs: (span.flags & NO_START) === 0 ? timestampNs : 0n,
      endNs: timestampNs + BigInt(span.durationNs) - BigInt(span.endBeforeStartNs),
      status: STATUS[span.status] ?? STATUS_UNSET,
      shapeKey: shapeKeyOf(shapeFieldsFrom(kind, span.name, resource, span.attributes)),
      weight: samplingWeight(span.traceState, span.attributes),
    })
  }
  columns.tieText = (row) => sortedJson(spans[row]!.attributes) + sortedJson(spans[row]!.resource)
  return columns
}

function sortedJson(map: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))))
}
