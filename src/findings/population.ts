import type { Counterfactual } from '../analysis/counterfactual.ts'
import { selectQuantile } from '../analysis/quantile.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import type { TraceTree } from '../trace/tree.ts'
import { byInstance, type OfInstance } from './by-instance.ts'
import type { CallIndex } from './calls.ts'
import { workOutLoad } from './load.ts'
import type { QueryGroup, ServerGroup } from './observations.ts'
import type { Evidence } from './pattern.ts'
import { createQueryHistory } from './query-history.ts'
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
  /** Queries that may have the tail of a lock suspect, waited for or not, by the times that were sent. */
  queries(): readonly QueryGroup[]
  readonly instances: readonly string[]
  /** Its observations by named instance; none where there is only one. */
  byInstance(group: ServerGroup): readonly OfInstance[]
  /** Whether the batch tells enough by itself; of small ones much is remembered, for many together may. */
  readonly isLarge: boolean
  /** Fills `load` of the groups of a service. */
  workOutLoad(service: string): void
}

export type Observer = Population & {
  /** A batch begins; numbers of shapes and calls are its dictionary's. `rows`: by trace. */
  begin(spans: SpanColumns, rows: TraceGroups, index: CallIndex): void
  /** A trace, once it is loaded. */
  observeTrace(trace: number): void
  /** A root of that trace. */
  observe(scan: Scan, trace: number): void
  /** All is observed: groups are filled. */
  close(): void
  /** Forgets what is too old to tell about today. */
  end(): void
}

/** Waits of half what a pattern looks for, and longer, tell something. */
export function createPopulation(limits: FindingLimits): Observer {
  const { p99Ms, tail } = limits.get('lock-suspect') as { p99Ms: number; tail: number }
  const queries = createQueryHistory({ p99Ns: p99Ms * MS, times: tail })
  const waitsMs = ['starved-start', 'concurrency-ceiling'].map((id) => limits.get(id)!.waitMs!)
  const { ratio, requests } = limits.get('slow-instance') as { ratio: number; requests: number }
  const unlike = { ratio, share: limits.get('uneven-load')!.share!, requests }
  const servers = createServerHistory((Math.min(...waitsMs) / 2) * MS, unlike)
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
    queries: queries.groups,
    begin(spans, rows, index) {
      servers.begin(spans)
      queries.begin(spans, rows, index)
    },
    observeTrace: queries.observe,
    observe: servers.observe,
    close: servers.close,
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
      queries.end()
      servers.end()
    },
  }
}

/** This many values, evenly taken, are enough to see that a quantile is far from where it would matter. */
const GLANCE = 500

/** Values at hand, to be put in order. */
let some = new Float64Array(2 * GLANCE)

/** A quantile of some of the values, to save the ordering of all. */
export function glanceAt(values: Float64Array, q: number): number {
  const step = Math.max(1, Math.floor(values.length / GLANCE))
  const count = Math.floor(values.length / step)
  for (let i = 0; i < count; i++) some[i] = values[i * step]!
  return selectQuantile(some, count, q)
}

/** Nearest-rank quantile of values in any order. */
export function quantileAmong(values: ArrayLike<number>, q: number): number {
  const count = values.length
  if (count > some.length) some = new Float64Array(2 * count)
  some.set(values)
  return selectQuantile(some, count, q)
}

/** The same of the values at these places. */
export function quantileAt(values: Float64Array, places: Uint32Array, q: number): number {
  const count = places.length
  if (count > some.length) some = new Float64Array(2 * count)
  for (let i = 0; i < count; i++) some[i] = values[places[i]!]!
  return selectQuantile(some, count, q)
}
