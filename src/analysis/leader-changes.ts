import type { Component } from '../trace/component.ts'

/** Buckets in a row in which one component led (null: none saved anything at p95). */
export type LeaderRun = {
  /** Epoch seconds of the first bucket. */
  fromSeconds: number
  buckets: number
  leader: Component | null
  /** Means over the run, ns. */
  p95Ns: number
  savedNs: number
}

export type LeaderChange = { atSeconds: number; from: LeaderRun; to: LeaderRun }

/** A leader has to lead this many buckets in a row; shorter runs are noise. */
export const LASTING_BUCKETS = 3

/** When another component came to lead for good, or one leads no more; runs of one endpoint, ascending. */
export function leaderChanges(runs: readonly LeaderRun[]): LeaderChange[] {
  const changes: LeaderChange[] = []
  let established: LeaderRun | undefined
  for (const run of runs) {
    if (run.buckets < LASTING_BUCKETS) continue
    if (established !== undefined && !isSame(established.leader, run.leader)) {
      changes.push({ atSeconds: run.fromSeconds, from: established, to: run })
    }
    established = run
  }
  return changes
}

function isSame(a: Component | null, b: Component | null): boolean {
  return a?.kind === b?.kind && a?.name === b?.name
}
