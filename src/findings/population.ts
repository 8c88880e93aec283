import type { Counterfactual } from '../analysis/counterfactual.ts'
import { quantileOf } from '../analysis/quantile.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import type { TraceTree } from '../trace/tree.ts'
import { byInstance, type OfInstance } from './by-instance.ts'
import type { CallIndex } from './calls.ts'
import { workOutLoad } from './load.ts'
import type { QueryGroup, ServerGroup } from './observations.ts'
import type { Evidence } from './pattern.ts'
import { createQueryHistory, type Tail } from './query-history.ts'
import type { Scan } from './scan.ts'
import { createServerHistory } from './server-history.ts'
import type { FindingLimits } from './settings.ts'
import { MS } from './words.ts'

/** A span of the batch that many traces together make suspect; without a change nothing is saved. */
export type Suspect = Evidence & {
  trace: number
  row: number
  change?: (counterfactual: Counterfactual, tree: TraceTree, span: number) => void
}
export type SuspectReport = (suspect: Suspect) => void

export type Population = {
  /** Operations of which there is something to tell (see server-history.ts). */
  readonly servers: readonly ServerGroup[]
  /** Queries that may have such a tail, waited for or not, by the times that were sent. */
  queries(tail: Tail): readonly QueryGroup[]
  readonly instances: readonly string[]
  /** Its observations by named instance; none where there is only one. */
  byInstance(group: ServerGroup): readonly OfInstance[]
  /** Whether the batch tells enough by itself; of small ones much is remembered, for many together may. */
  readonly isLarge: boolean
  /** Fills `load` of the groups of a service. */
  workOutLoad(service: string): void
}

export type Observer = Population & {
  /** A batch begins; numbers of shapes and calls are its dictionary's. */
  begin(spans: SpanColumns, index: CallIndex): void
  /** A root of that trace. */
  observe(scan: Scan, trace: number): void
  /** All is observed: groups are filled. `groups`: rows by trace. */
  close(groups: TraceGroups): void
  /** Forgets what is too old to tell about today. */
  end(): void
}

/** Waits of half what a pattern looks for, and longer, tell something. */
export function createPopulation(limits: FindingLimits): Observer {
  const queries = createQueryHistory()
  const waitsMs = ['starved-start', 'concurrency-ceiling'].map((id) => limits.get(id)!.waitMs!)
  const servers = createServerHistory((Math.min(...waitsMs) / 2) * MS)
  let rowsByTrace!: TraceGroups
  const loaded = new Set<string>()
  const instancesOf = new Map<ServerGroup, readonly OfInstance[]>()

  return {
    servers: servers.groups,
    instances: servers.instances,
    byInstance(group) {
      let known = instancesOf.get(group)
      if (known === undefined) {
        known = byInstance(group, servers.instances)
        instancesOf.set(group, known)
      }
      return known
    },
    get isLarge() {
      return servers.isLarge
    },
    queries: (tail) => queries.groups(rowsByTrace, tail),
    begin(spans, index) {
      servers.begin(spans)
      queries.begin(spans, index)
    },
    observe: servers.observe,
    close(groups) {
      rowsByTrace = groups
      servers.close()
    },
    workOutLoad(service) {
      if (loaded.has(service)) return
      loaded.add(service)
      workOutLoad(
        servers.requestsOf(service),
        servers.groups.filter(({ endpoint }) => endpoint.service === service),
      )
    },
    end() {
      loaded.clear()
      instancesOf.clear()
      queries.end(rowsByTrace)
      servers.end()
    },
  }
}

/** This many values, evenly taken, are enough to see that a quantile is far from where it would matter. */
const GLANCE = 500

/** A quantile of some of the values, to save the sorting of all. */
export function glanceAt(values: Float64Array, q: number): number {
  const step = Math.max(1, Math.floor(values.length / GLANCE))
  const some = new Float64Array(Math.floor(values.length / step))
  for (let i = 0; i < some.length; i++) some[i] = values[i * step]!
  return quantileOf(some.sort(), q)
}

/** Nearest-rank quantile of values in any order. */
export function quantileAmong(values: ArrayLike<number>, q: number): number {
  return quantileOf(new Float64Array(values).sort(), q)
}
