import type { SpanColumns } from '../trace/columns.ts'
import { CONSUMER_ENTRY, ORPHAN_ENTRY, ROOT_ENTRY } from '../trace/identity.ts'

/**
 * What the analysis of a batch of spans gives, as columns. Rows of one trace, one entry, one sample are contiguous:
 * `first...` of row i up to `first...` of row i + 1 (each such column has one element more than rows).
 * `span` columns hold row numbers of the input columns; `component` and `endpoint` ids are the dictionary's.
 */
export type Analysis = {
  spans: SpanColumns
  traces: TraceRows
  samples: SampleRows
  components: ComponentRows
  segments: SegmentRows
  nodes: NodeRows
  repairs: RepairRows
}

/** In no order of ids; `analyze` sorts. */
export type TraceRows = {
  count: number
  /** Some span of the trace, dropped or not: names the trace id. */
  span: Uint32Array
  /** Spans after all drops. */
  spanCount: Uint32Array
  /** Epoch ns of the first start, as 64-bit words. */
  origin: BigUint64Array
  /** Offsets into samples, repairs. */
  firstSample: Uint32Array
  firstRepair: Uint32Array
}

/**
 * Every entry (also those that are no sample) and every service-scope sample. Of a trace: the primary entry first, the
 * others in span order; SERVER spans somewhere behind the entry they belong to.
 */
export type SampleRows = {
  count: number
  span: Uint32Array
  endpoint: Int32Array
  /** One of ROOT_ENTRY, ORPHAN_ENTRY, CONSUMER_ENTRY, SERVICE. */
  kind: Uint8Array
  /** 0 for entries that statistics do not count. */
  counted: Uint8Array
  /** Relative to the trace's origin, after repairs. */
  startNs: Float64Array
  durationNs: Float64Array
  queueWaitNs: Float64Array
  /** Requests that it stands for, at least 1. */
  weight: Uint32Array
  firstComponent: Uint32Array
  /** Segments of entries only. */
  firstSegment: Uint32Array
  firstNode: Uint32Array
}

/** A SERVER span that is no entry. The other kinds are those of `TraceTree.entry`. */
export const SERVICE = 3
/** Names by kind. */
export const SAMPLE_KINDS = ['root', 'orphan', 'consumer', 'service'] as const
export { CONSUMER_ENTRY, ORPHAN_ENTRY, ROOT_ENTRY }

/** Components with critical time in a sample, in no order. */
export type ComponentRows = {
  count: number
  component: Int32Array
  criticalNs: Float64Array
  ifInstantNs: Float64Array
  /** The earliest and the latest that ifInstantNs may be by what was learned; empty unless asked for. */
  earliestNs: Float64Array
  latestNs: Float64Array
  /** 1: not replayed, latency minus critical time. */
  bound: Uint8Array
  /** Of entries: how often the path entered it from another component; empty unless call trees were asked for. */
  calls: Uint32Array
}

/** The critical path, ascending; relative to the entry's start. */
export type SegmentRows = {
  count: number
  span: Uint32Array
  component: Int32Array
  startNs: Float64Array
  endNs: Float64Array
}

/**
 * Critical time of an entry by call stack: a node a distinct stack, parents before children. `parent` counts from the
 * entry's first node, -1: the entry itself; `frame` is the dictionary's; `calls`: spans with critical time.
 */
export type NodeRows = {
  count: number
  parent: Int32Array
  frame: Int32Array
  criticalNs: Float64Array
  calls: Uint32Array
}

export type RepairRows = {
  count: number
  kind: Uint8Array
  span: Uint32Array
  /** Of SKEW_SHIFTED. */
  shiftNs: Float64Array
}
