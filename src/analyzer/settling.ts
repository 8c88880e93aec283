import type { WaitingTrace } from '../store/analyzer-store.ts'

/** A trace whose root has not come waits this long: exporters of busy services lag. */
export const ROOT_WAIT_MS = 60_000
/** The quiet period doubles with each analysis of a trace, up to this many times. */
const DOUBLINGS = 6
/** A trace that never falls quiet is analyzed after this long all the same (doubling likewise), and flagged. */
export const UNFINISHED_AFTER_MS = 300_000

export type Readiness = 'ready' | 'unfinished' | 'waiting'

/**
 * Whether a trace has been quiet long enough to be analyzed (again). What was stored after now was so before the clock was
 * set back: it has been quiet for as long as that, too, rather than for less than nothing.
 */
export function readinessOf(trace: WaitingTrace, nowMs: number, settleMs: number): Readiness {
  const doubled = 2 ** Math.min(trace.analyses, DOUBLINGS)
  const quietMs = Math.abs(nowMs - trace.lastStoredMs)
  const ageMs = Math.abs(nowMs - trace.firstStoredMs)
  // An analysis that was made already has seen the root, or waited for it.
  const rooted = trace.hasRoot || trace.analyses > 0 || ageMs >= ROOT_WAIT_MS
  if (rooted && quietMs >= settleMs * doubled) return 'ready'
  return ageMs >= UNFINISHED_AFTER_MS * doubled && quietMs < settleMs * doubled ? 'unfinished' : 'waiting'
}
