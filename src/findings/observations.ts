import type { SpanColumns } from '../trace/columns.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { Call } from './calls.ts'

/** Observations of one operation that are kept beyond their batch. */
const REMEMBERED = 2000
/**
 * Operations, and instances, of earlier batches that are remembered, some 3 KB an operation; where there are more, all are
 * forgotten with the batch: some instrumentation makes names without end.
 */
export const GROUPS_KEPT = 20_000
export const INSTANCES_KEPT = 100_000
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

/** Drops the first values of each column, and makes it so long; what is added is 0. Memory is kept for the next batch. */
function reshape(group: Observations, drop: number, length: number): void {
  const columns = group as unknown as Record<string, unknown>
  for (const name of Object.keys(columns)) {
    const column = columns[name]
    if (!isColumn(column)) continue
    columns[name] = reshaped(column, drop, length)
  }
}

/** A column with more room than this many times what it needs gives it back. */
const SPARE = 8

function reshaped(column: Column, drop: number, length: number): Column {
  const kept = column.length - drop
  const of = column.constructor as new (
    from: ArrayBufferLike | number,
    at?: number,
    length?: number,
  ) => Column
  const room = column.buffer.byteLength / column.BYTES_PER_ELEMENT
  if (room < length || (length > kept && room > SPARE * length)) {
    // Half as much again: batches differ in size.
    const to = new of(new of(length + (length >> 1)).buffer, 0, length)
    to.set(drop === 0 ? column : column.subarray(drop))
    return to
  }
  if (drop > 0) column.copyWithin(0, drop)
  const to = new of(column.buffer, 0, length)
  if (length > kept) to.fill(0, kept)
  return to
}

type Column = Float64Array | Uint32Array | Uint8Array

function isColumn(value: unknown): value is Column {
  return ArrayBuffer.isView(value)
}
