import { type CutCounts, noCuts, noRejects, type RejectCounts } from './limits.ts'

/** Cumulative counts per upper bound are for the reader to add up; the last count is of what is beyond all bounds. */
export type Histogram = { bounds: readonly number[]; counts: number[]; sum: number; count: number }

export const OUTCOMES = [
  'stored',
  'malformed',
  'too-large',
  'busy',
  'unavailable',
  'unauthenticated',
  'aborted',
] as const

/** What the receiver has done since it started; all but `bytesInFlight` and `queueAgeSeconds` only grow. */
export type ReceiverCounters = {
  /** Export requests of traces, by transport. */
  requests: { grpc: number; http: number }
  /** The same by how they ended. */
  outcomes: Record<(typeof OUTCOMES)[number], number>
  /** Spans decoded, stored and acknowledged, and not stored, by reason. */
  received: number
  acknowledged: number
  rejected: RejectCounts
  cut: CutCounts
  bytesReceived: number
  bytesInFlight: number
  /** How long the oldest export that is decoded has been waiting for its answer. */
  queueAgeSeconds: number
  /** Requests with other signals: accepted and dropped. */
  discarded: { metrics: number; logs: number }
  inserts: number
  insertRetries: number
  insertFailures: number
  batchRows: Histogram
  insertSeconds: Histogram
}

export function createCounters(): ReceiverCounters {
  return {
    requests: { grpc: 0, http: 0 },
    outcomes: Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as ReceiverCounters['outcomes'],
    received: 0,
    acknowledged: 0,
    rejected: noRejects(),
    cut: noCuts(),
    bytesReceived: 0,
    bytesInFlight: 0,
    queueAgeSeconds: 0,
    discarded: { metrics: 0, logs: 0 },
    inserts: 0,
    insertRetries: 0,
    insertFailures: 0,
    batchRows: createHistogram([10, 100, 1000, 5000, 10_000, 20_000, 40_000, 80_000]),
    insertSeconds: createHistogram([0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]),
  }
}

function createHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0, count: 0 }
}

export function observe(histogram: Histogram, value: number): void {
  const at = histogram.bounds.findIndex((bound) => value <= bound)
  histogram.counts[at < 0 ? histogram.bounds.length : at]!++
  histogram.sum += value
  histogram.count++
}

export function addCounts<K extends string>(to: Record<K, number>, from: Record<K, number>): void {
  for (const key in from) to[key] += from[key]
}
