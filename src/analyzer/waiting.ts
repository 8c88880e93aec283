import type { WaitingTrace } from '../store/analyzer-store.ts'
import { firstStored, rowsOf } from './reads.ts'
import { readinessOf } from './settling.ts'

export type WaitingTraces = {
  readonly size: number
  /** When the oldest unseen span was stored; undefined: nothing waits. */
  firstStoredMs(): number | undefined
  /**
   * What waits is about to be looked up; what is given to the answer joins those that wait already. Results that are stored
   * in between may have been overlooked.
   */
  beginLook(): (found: Iterable<WaitingTrace>) => void
  /**
   * Those that are quiet, or never will be (`unfinished`). They are under way until `remove` or `giveBack`, and are not
   * taken again meanwhile: what is found of them then is looked at after that.
   */
  take(asOfMs: number, settleMs: number): { traces: WaitingTrace[]; unfinished: Set<string> }
  /** Their results are stored. */
  remove(traceIds: Iterable<string>): void
  /** What is under way waits again: its analysis has failed. */
  giveBack(): void
}

/** Traces with spans that no analysis has seen, kept from one cycle to the next. */
export function createWaitingTraces(): WaitingTraces {
  const traces = new Map<string, WaitingTrace>()
  const underWay = new Map<string, WaitingTrace>()
  /** Those whose results were stored since the look that is under way began. */
  let doneMeanwhile: Map<string, WaitingTrace> | undefined
  return {
    get size() {
      return traces.size + underWay.size
    },
    firstStoredMs() {
      let first: number | undefined
      for (const some of [underWay, traces]) {
        for (const { firstStoredMs } of some.values()) {
          if (first === undefined || firstStoredMs < first) first = firstStoredMs
        }
      }
      return first
    },
    beginLook() {
      const done = new Map<string, WaitingTrace>()
      doneMeanwhile = done
      return (found) => {
        doneMeanwhile = undefined
        for (const trace of found) put(afterAnalysis(trace, done.get(trace.traceId)))
      }
    },
    take(asOfMs, settleMs) {
      const taken: WaitingTrace[] = []
      const unfinished = new Set<string>()
      for (const trace of traces.values()) {
        if (underWay.has(trace.traceId)) continue
        const readiness = readinessOf(trace, asOfMs, settleMs)
        if (readiness === 'waiting') continue
        if (readiness === 'unfinished') unfinished.add(trace.traceId)
        taken.push(trace)
      }
      for (const trace of taken) {
        traces.delete(trace.traceId)
        underWay.set(trace.traceId, trace)
      }
      return { traces: taken, unfinished }
    },
    remove(traceIds) {
      for (const traceId of traceIds) {
        const done = underWay.get(traceId)
        if (done === undefined) continue
        underWay.delete(traceId)
        doneMeanwhile?.set(traceId, done)
        const later = traces.get(traceId)
        if (later !== undefined) traces.set(traceId, afterAnalysis(later, done))
      }
    },
    giveBack() {
      for (const trace of underWay.values()) {
        const later = traces.get(trace.traceId)
        traces.set(trace.traceId, trace)
        if (later !== undefined) put(later)
      }
      underWay.clear()
    },
  }

  function put(trace: WaitingTrace): void {
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
}

/** Spans that may have been looked up before the results of the trace's last analysis were there. */
function afterAnalysis(found: WaitingTrace, done: WaitingTrace | undefined): WaitingTrace {
  if (done === undefined || found.analyses > done.analyses) return found
  return {
    ...found,
    analyses: done.analyses + 1,
    knownFirstStoredMs: firstStored(done),
    knownRowCount: rowsOf(done),
  }
}
