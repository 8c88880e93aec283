import type { Component } from '../trace/component.ts'
import type { RollupKey } from './rollup.ts'

/** Who led an endpoint (with service.version) in one bucket; null: none saved anything at p95. */
export type EndpointLeader = {
  key: RollupKey
  /** Epoch seconds of the bucket. */
  atSeconds: number
  weight: number
  /** Rows of samples. */
  samples: number
  leader: Component | null
  p95Ns: number
  /** What it saved at p95. */
  savedNs: number
}

/** Buckets in a row in which one component led. */
export type LeaderRun = {
  /** Epoch seconds of the first bucket. */
  fromSeconds: number
  buckets: number
  samples: number
  leader: Component | null
  /** Means over the run, ns. */
  p95Ns: number
  savedNs: number
}

export type LeaderChange = { atSeconds: number; from: LeaderRun; to: LeaderRun }

/** A leader has to lead this many buckets in a row; shorter runs are noise. */
export const LASTING_BUCKETS = 3
/** And so many samples: a p95 of fewer than 20 is the slowest of them, whatever that was. */
export const LASTING_SAMPLES = 20 * LASTING_BUCKETS

/**
 * Runs of an endpoint; `rows` ascend by bucket. Gaps without traffic do not end a run. Of several versions of a service
 * the one with the most traffic speaks.
 */
export function leaderRuns(rows: readonly EndpointLeader[]): LeaderRun[] {
  const runs: LeaderRun[] = []
  for (const row of ofMainVersion(rows)) {
    const run = runs.at(-1)
    if (run === undefined || !isSame(run.leader, row.leader)) {
      const { atSeconds: fromSeconds, samples, leader, p95Ns, savedNs } = row
      runs.push({ fromSeconds, buckets: 1, samples, leader, p95Ns, savedNs })
      continue
    }
    run.buckets++
    run.samples += row.samples
    run.p95Ns += row.p95Ns
    run.savedNs += row.savedNs
  }
  return runs.map((run) => ({ ...run, p95Ns: run.p95Ns / run.buckets, savedNs: run.savedNs / run.buckets }))
}

function ofMainVersion(rows: readonly EndpointLeader[]): EndpointLeader[] {
  const main: EndpointLeader[] = []
  for (const row of rows) {
    const last = main.at(-1)
    if (last?.atSeconds !== row.atSeconds) main.push(row)
    else if (row.weight > last.weight || (row.weight === last.weight && row.key.version < last.key.version)) {
      main[main.length - 1] = row
    }
  }
  return main
}

/** Rows of buckets by endpoint and version, ascending as the buckets do. */
export function byEndpointVersion(buckets: readonly (readonly EndpointLeader[])[]): EndpointLeader[][] {
  // Rows of an endpoint and version mostly share their key.
  const rows = new Map<RollupKey, EndpointLeader[]>()
  for (const bucket of buckets) {
    for (const row of bucket) {
      const known = rows.get(row.key)
      if (known === undefined) rows.set(row.key, [row])
      else known.push(row)
    }
  }
  return [...rows.values()]
}

/** When each version of each service was first seen; those of the first bucket of a service are no news. */
export function newVersions(
  ofEndpoints: readonly (readonly EndpointLeader[])[],
): { key: RollupKey; atSeconds: number }[] {
  const services = new Map<string, { key: RollupKey; atSeconds: number }[]>()
  for (const [{ key, atSeconds }] of ofEndpoints as [EndpointLeader][]) {
    const name = [key.environment, key.namespace, key.service].join('\n')
    const versions = services.get(name) ?? []
    services.set(name, versions)
    const same = versions.find((of) => of.key.version === key.version)
    if (same === undefined) versions.push({ key, atSeconds })
    else same.atSeconds = Math.min(same.atSeconds, atSeconds)
  }
  return [...services.values()].flatMap((versions) => {
    const first = versions.reduce((least, { atSeconds }) => Math.min(least, atSeconds), Infinity)
    return versions.filter(({ atSeconds }) => atSeconds > first)
  })
}

/** When another component came to lead for good, or one leads no more; runs of one endpoint, ascending. */
export function leaderChanges(runs: readonly LeaderRun[]): LeaderChange[] {
  const changes: LeaderChange[] = []
  let established: LeaderRun | undefined
  for (const run of runs) {
    if (run.buckets < LASTING_BUCKETS || run.samples < LASTING_SAMPLES) continue
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
