import type { Counterfactual } from '../analysis/counterfactual.ts'
import { quantileOf } from '../analysis/quantile.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { TraceGroups } from '../trace/group.ts'
import type { TraceTree } from '../trace/tree.ts'
import type { Call, CallIndex } from './calls.ts'
import type { Evidence } from './pattern.ts'
import { createQueryHistory } from './query-history.ts'
import type { Scan } from './scan.ts'
import { createServerHistory, type Requests } from './server-history.ts'

/** Observations of one operation that are kept beyond their batch. */
const REMEMBERED = 2000

/**
 * What requests were like that one service operation served, and queries of one kind, as columns. Observations of
 * earlier batches come first; those from `fresh` on are of the batch at hand and know where they are: trace (number in
 * the batch) and row.
 */
export type Observations = {
  startNs: number[]
  lengthNs: number[]
  trace: number[]
  row: number[]
  fresh: number
}
export type ServerGroup = Observations & {
  endpoint: Endpoint
  /** Number of the instance, by `instances`. */
  instance: number[]
  /** From its start to the first child it waited for, -1: it had none; from its caller's start to its own, -1: no caller. */
  firstChildNs: number[]
  arrivalNs: number[]
  /** 1: faas.coldstart. */
  cold: number[]
  /** Requests that the instance was busy with when it started, itself included; 0: not worked out. */
  load: number[]
}
export type QueryGroup = Observations & { call: Call }

/** A span of the batch that many traces together make suspect; without a change nothing would be saved. */
export type Suspect = Evidence & {
  trace: number
  row: number
  change?: (counterfactual: Counterfactual, tree: TraceTree, span: number) => void
}
export type SuspectReport = (suspect: Suspect) => void

export type Population = {
  /** Operations of which there is something to tell (see server-history.ts). */
  readonly servers: readonly ServerGroup[]
  /** Queries of which one took at least this long, waited for or not, by the times that were sent. */
  queries(longestNs: number): readonly QueryGroup[]
  readonly instances: readonly string[]
  /** Fills `load` of the groups of a service. */
  workOutLoad(service: string): void
}

export type Observer = Population & {
  /** A batch begins; numbers of shapes and calls are its dictionary's. */
  begin(spans: SpanColumns, index: CallIndex): void
  observe(scan: Scan): void
  /** All is observed: groups are filled. `groups`: rows by trace. */
  close(groups: TraceGroups): void
  /** Forgets what is too old to tell about today. */
  end(): void
}

export function createPopulation(): Observer {
  const queries = createQueryHistory()
  const servers = createServerHistory()
  let spans!: SpanColumns
  let index!: CallIndex
  let rowsByTrace!: TraceGroups
  const loaded = new Set<string>()

  return {
    servers: servers.groups,
    instances: servers.instances,
    queries: (longestNs) => queries.groups(spans, index, rowsByTrace, longestNs),
    begin(of, calls) {
      spans = of
      index = calls
      servers.begin(of)
    },
    observe: servers.observe,
    close(groups) {
      rowsByTrace = groups
      servers.close(groups)
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
      queries.end(spans, index, rowsByTrace)
      servers.end()
    },
  }
}

/** Keeps the newest observations; they are of an earlier batch from now on. */
export function forgetOld(group: Observations): void {
  const drop = group.startNs.length - REMEMBERED
  if (drop > 0) for (const column of Object.values(group)) if (Array.isArray(column)) column.splice(0, drop)
  group.fresh = group.startNs.length
}

/** Requests under way at each start of the groups, by instance, of all requests of the batch. */
function workOutLoad(requests: Requests, groups: readonly ServerGroup[]): void {
  const byInstance = new Map<number, { startNs: number[]; endNs: number[] }>()
  requests.instance.forEach((instance, i) => {
    let of = byInstance.get(instance)
    if (of === undefined) {
      of = { startNs: [], endNs: [] }
      byInstance.set(instance, of)
    }
    of.startNs.push(requests.startNs[i]!)
    of.endNs.push(requests.startNs[i]! + requests.lengthNs[i]!)
  })
  const sorted = new Map(
    [...byInstance].map(([instance, { startNs, endNs }]) => [
      instance,
      { starts: Float64Array.from(startNs).sort(), ends: Float64Array.from(endNs).sort() },
    ]),
  )
  for (const group of groups) {
    while (group.load.length < group.startNs.length) group.load.push(0)
    for (let at = group.fresh; at < group.startNs.length; at++) {
      const { starts, ends } = sorted.get(group.instance[at]!)!
      group.load[at] = openAt(starts, ends, group.startNs[at]!, group.lengthNs[at]!)
    }
  }
}

/** How many of the intervals are open at each start, itself included; one that ends at that moment is not. */
export function concurrencyAt(startNs: readonly number[], lengthNs: readonly number[]): number[] {
  const starts = Float64Array.from(startNs).sort()
  const ends = Float64Array.from(startNs, (start, i) => start + lengthNs[i]!).sort()
  return startNs.map((start, i) => openAt(starts, ends, start, lengthNs[i]!))
}

function openAt(starts: Float64Array, ends: Float64Array, startNs: number, lengthNs: number): number {
  const open = notAfter(starts, startNs) - notAfter(ends, startNs)
  // Its own end may be this moment as well.
  return lengthNs === 0 ? open + 1 : open
}

/** How many of the sorted values are at most `limit`. */
function notAfter(sorted: Float64Array, limit: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** This many values, evenly taken, are enough to see that a quantile is far from where it would matter. */
const GLANCE = 500

/** A quantile of some of the values, to save the sorting of all. */
export function glanceAt(values: readonly number[], q: number): number {
  const step = Math.max(1, Math.floor(values.length / GLANCE))
  const some = new Float64Array(Math.floor(values.length / step))
  for (let i = 0; i < some.length; i++) some[i] = values[i * step]!
  return quantileOf(some.sort(), q)
}

/** Nearest-rank quantile of values in any order. */
export function quantileAmong(values: readonly number[], q: number): number {
  return quantileOf(Float64Array.from(values).sort(), q)
}

/** Moments of high load are the tenth with the most; a burst now and then is what hurts. */
const LOADED = 0.9
/** Fewer observations at high load prove nothing. */
const LEAST_LOADED = 10

/**
 * Indexes of observations with a load: those of the third of moments with the least, and those of the most loaded tenth
 * (more than the others had). undefined where the load hardly differs.
 */
export function byLoad(
  load: readonly number[],
  accepts: (at: number) => boolean,
): { low: number[]; high: number[] } | undefined {
  const known: number[] = []
  for (let at = 0; at < load.length; at++) if (load[at]! > 0 && accepts(at)) known.push(at)
  const loads = Float64Array.from(known, (at) => load[at]!).sort()
  const lowMost = quantileOf(loads, 1 / 3)
  const highLeast = Math.max(quantileOf(loads, LOADED), lowMost + 1)
  const low = known.filter((at) => load[at]! <= lowMost)
  const high = known.filter((at) => load[at]! >= highLeast)
  return high.length < LEAST_LOADED ? undefined : { low, high }
}
