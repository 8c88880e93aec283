import type { WaitingTrace } from '../store/analyzer-store.ts'
import { readinessOf } from './settling.ts'

export type WaitingTraces = {
  readonly size: number
  /** When the oldest unseen span was stored; undefined: nothing waits. */
  firstStoredMs(): number | undefined
  /** Spans that were found now join those that wait already. */
  add(found: Iterable<WaitingTrace>): void
  /** Those that are quiet, or never will be (`unfinished`). They stay until `remove`: their analysis may fail. */
  ready(asOfMs: number, settleMs: number): { traces: WaitingTrace[]; unfinished: Set<string> }
  remove(traceIds: Iterable<string>): void
}

/** Traces with spans that no analysis has seen, kept from one cycle to the next. */
export function createWaitingTraces(): WaitingTraces {
  const traces = new Map<string, WaitingTrace>()
  return {
    get size() {
      return traces.size
    },
    firstStoredMs() {
      let first: number | undefined
      for (const trace of traces.values()) {
        if (first === undefined || trace.firstStoredMs < first) first = trace.firstStoredMs
      }
      return first
    },
    add(found) {
      for (const trace of found) {
        const before = traces.get(trace.traceId)
        traces.set(
          trace.traceId,
          before === undefined
            ? trace
            : {
                ...trace,
                firstStoredMs: Math.min(before.firstStoredMs, trace.firstStoredMs),
                lastStoredMs: Math.max(before.lastStoredMs, trace.lastStoredMs),
                rowCount: before.rowCount + trace.rowCount,
                hasRoot: before.hasRoot || trace.hasRoot,
              },
        )
      }
    },
    ready(asOfMs, settleMs) {
      const ready: WaitingTrace[] = []
      const unfinished = new Set<string>()
      for (const trace of traces.values()) {
        const readiness = readinessOf(trace, asOfMs, settleMs)
        if (readiness === 'waiting') continue
        if (readiness === 'unfinished') unfinished.add(trace.traceId)
        ready.push(trace)
      }
      return { traces: ready, unfinished }
    },
    remove(traceIds) {
      for (const traceId of traceIds) traces.delete(traceId)
    },
  }
}
