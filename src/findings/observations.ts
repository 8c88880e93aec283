import type { SpanColumns } from '../trace/columns.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { Call } from './calls.ts'

/** Observations of one operation that are kept beyond their batch. */
const REMEMBERED = 2000
/** Spans of a batch that tells enough by itself. */
const LARGE_BATCH = 20_000

export function isLarge(spans: SpanColumns): boolean {
  return spans.count > LARGE_BATCH
}

/**
 * What requests were like that one service operation served, and queries of one kind, as columns. Observations of
 * earlier batches come first; those from `fresh` on are of the batch at hand and know where they are: trace (number in
 * the batch) and row.
 */
export type Observations = {
  startNs: Float64Array
  lengthNs: Float64Array
  trace: Uint32Array
  row: Uint32Array
  fresh: number
}
export type ServerGroup = Observations & {
  endpoint: Endpoint
  /** Number of the instance, by `instances`. */
  instance: Uint32Array
  /** From its start to the first child it waited for, -1: it had none; from its caller's start to its own, -1: no caller. */
  firstChildNs: Float64Array
  arrivalNs: Float64Array
  /** 1: faas.coldstart. */
  cold: Uint8Array
  /** Requests that the instance was busy with when it started, itself included; 0: not worked out. */
  load: Uint32Array
}
export type QueryGroup = Observations & { call: Call }

const noTimes = new Float64Array(0)
const noNumbers = new Uint32Array(0)

function nothingObserved(): Observations {
  return { startNs: noTimes, lengthNs: noTimes, trace: noNumbers, row: noNumbers, fresh: 0 }
}

export function createServerGroup(endpoint: Endpoint): ServerGroup {
  return {
    ...nothingObserved(),
    endpoint,
    instance: noNumbers,
    firstChildNs: noTimes,
    arrivalNs: noTimes,
    cold: new Uint8Array(0),
    load: noNumbers,
  }
}

export function createQueryGroup(call: Call): QueryGroup {
  return { ...nothingObserved(), call }
}

/** Makes room for `count` observations of the batch at hand, from `fresh` on. */
export function addRoom(group: Observations, count: number): void {
  reshape(group, 0, group.startNs.length + count)
}

/** Keeps the newest observations; they are of an earlier batch from now on. */
export function forgetOld(group: Observations): void {
  const drop = group.startNs.length - REMEMBERED
  if (drop > 0) reshape(group, drop, REMEMBERED)
  group.fresh = group.startNs.length
}

/** Drops the first values of each column, and makes it as long as that. */
function reshape(group: Observations, drop: number, length: number): void {
  const columns = group as unknown as Record<string, unknown>
  for (const [name, column] of Object.entries(columns)) {
    if (!isColumn(column)) continue
    const next = new (column.constructor as new (length: number) => Column)(length)
    next.set(column.subarray(drop))
    columns[name] = next
  }
}

type Column = Float64Array | Uint32Array | Uint8Array

function isColumn(value: unknown): value is Column {
  return ArrayBuffer.isView(value)
}
