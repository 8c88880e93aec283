import type { Counterfactual } from '../analysis/counterfactual.ts'
import { quantileOf } from '../analysis/quantile.ts'
import { IS_COLD_START } from '../trace/detail.ts'
import type { Dictionary, Endpoint } from '../trace/dictionary.ts'
import { SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import type { Call, CallIndex } from './calls.ts'
import type { Evidence } from './pattern.ts'
import type { Scan } from './scan.ts'

/** Observations of one operation that are kept beyond their batch, and that a batch adds at the most. */
const REMEMBERED = 2000
const FRESH = 5000

/**
 * What requests were like that one service operation served, and calls of one kind, as columns. Observations of earlier
 * batches come first; those from `fresh` on are of the batch at hand and know where they are: trace (number in the
 * batch) and row, and the row of their root.
 */
export type Observations = {
  startNs: number[]
  lengthNs: number[]
  trace: number[]
  row: number[]
  entryRow: number[]
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
export type CallGroup = Observations & { call: Call; longestNs: number }

/** A span of the batch that many traces together make suspect; without a change nothing would be saved. */
export type Suspect = Evidence & {
  trace: number
  /** Of the span, or of the root where there is no change. */
  row: number
  change?: (counterfactual: Counterfactual, tree: TraceTree, span: number) => void
}
export type SuspectReport = (suspect: Suspect) => void

export type Population = {
  readonly servers: readonly ServerGroup[]
  readonly calls: readonly CallGroup[]
  readonly instances: readonly string[]
  /** Fills `load` of the groups of a service. */
  workOutLoad(service: string): void
}

export type Observer = Population & {
  /** Spans of the next batch come; numbers of shapes and calls are this dictionary's. */
  begin(dictionary: Dictionary, index: CallIndex): void
  observe(scan: Scan, trace: number, originNs: number): void
  /** Forgets what is too old to tell about today. */
  end(): void
}

export function createPopulation(): Observer {
  const servers: ServerGroup[] = []
  const calls: CallGroup[] = []
  const serverOf = new Map<string, ServerGroup>()
  const callOf = new Map<string, CallGroup>()
  const instances: string[] = []
  const instanceOf = new Map<string, number>()
  /** By the numbers of the dictionary at hand. */
  let byEndpoint: (ServerGroup | undefined)[] = []
  let byCall: (CallGroup | undefined)[] = []
  let byInstance: number[] = []
  let dictionaryAtHand: Dictionary | undefined
  let index!: CallIndex
  const loaded = new Set<string>()

  return {
    servers,
    calls,
    instances,
    begin(dictionary, of) {
      index = of
      if (dictionary === dictionaryAtHand) return
      dictionaryAtHand = dictionary
      byEndpoint = []
      byCall = []
      byInstance = []
    },
    observe(scan, trace, originNs) {
      const { tree } = scan
      const entryRow = tree.row[scan.entry]!
      for (const span of scan.servers) observeServer(tree, span, trace, originNs, entryRow)
      for (const span of scan.queries) observeCall(tree, span, trace, originNs, entryRow)
      for (const span of scan.remotes) observeCall(tree, span, trace, originNs, entryRow)
    },
    workOutLoad(service) {
      if (loaded.has(service)) return
      loaded.add(service)
      workOutLoad(servers.filter((group) => group.endpoint.service === service))
    },
    end() {
      loaded.clear()
      for (const group of [...servers, ...calls]) {
        const drop = group.startNs.length - REMEMBERED
        if (drop > 0) {
          for (const column of Object.values(group)) if (Array.isArray(column)) column.splice(0, drop)
        }
        group.fresh = group.startNs.length
      }
      for (const group of calls) group.longestNs = longest(group.lengthNs)
    },
  }

  function observeServer(
    tree: TraceTree,
    span: number,
    trace: number,
    originNs: number,
    entryRow: number,
  ): void {
    const { dictionary, detail } = tree.spans
    const shape = tree.shape[span]!
    const endpoint = dictionary.endpoint(shape)
    let group = byEndpoint[endpoint]
    if (group === undefined) {
      const of = dictionary.endpoints[endpoint]!
      const key = JSON.stringify(of)
      group = serverOf.get(key)
      if (group === undefined) {
        group = {
          endpoint: of,
          ...noObservations(),
          instance: [],
          firstChildNs: [],
          arrivalNs: [],
          cold: [],
          load: [],
        }
        serverOf.set(key, group)
        servers.push(group)
      }
      byEndpoint[endpoint] = group
    }
    if (group.startNs.length - group.fresh >= FRESH) return
    const start = tree.cutStart[span]!
    group.startNs.push(originNs + start)
    group.lengthNs.push(tree.cutEnd[span]! - start)
    group.trace.push(trace)
    group.row.push(tree.row[span]!)
    group.entryRow.push(entryRow)
    group.instance.push(instanceNumber(dictionary, shape))
    group.firstChildNs.push(
      tree.live[span]! > 0 ? tree.cutStart[tree.child[tree.firstChild[span]!]!]! - start : -1,
    )
    const caller = tree.kind[span] === SERVER ? tree.parent[span]! : -1
    group.arrivalNs.push(caller >= 0 && tree.entry[span] === 255 ? start - tree.cutStart[caller]! : -1)
    const flags = dictionary.details.flags[detail[tree.row[span]!]!]!
    group.cold.push((flags & IS_COLD_START) !== 0 ? 1 : 0)
    group.load.push(0)
  }

  function instanceNumber(dictionary: Dictionary, shape: number): number {
    const local = dictionary.shapeInstance[shape]!
    let instance = byInstance[local]
    if (instance === undefined) {
      const { service, instance: name } = dictionary.fields(shape)
      const key = `${service}\n${name}`
      instance = instanceOf.get(key)
      if (instance === undefined) {
        instance = instances.push(name) - 1
        instanceOf.set(key, instance)
      }
      byInstance[local] = instance
    }
    return instance
  }

  function observeCall(
    tree: TraceTree,
    span: number,
    trace: number,
    originNs: number,
    entryRow: number,
  ): void {
    const number = index.callOf(tree, span)
    let group = byCall[number]
    if (group === undefined) {
      const call = index.calls[number]!
      const key = JSON.stringify(call)
      group = callOf.get(key)
      if (group === undefined) {
        group = { call, longestNs: 0, ...noObservations() }
        callOf.set(key, group)
        calls.push(group)
      }
      byCall[number] = group
    }
    const lengthNs = tree.cutEnd[span]! - tree.cutStart[span]!
    if (lengthNs > group.longestNs) group.longestNs = lengthNs
    if (group.startNs.length - group.fresh >= FRESH) return
    group.startNs.push(originNs + tree.cutStart[span]!)
    group.lengthNs.push(lengthNs)
    group.trace.push(trace)
    group.row.push(tree.row[span]!)
    group.entryRow.push(entryRow)
  }
}

function noObservations(): Observations {
  return { startNs: [], lengthNs: [], trace: [], row: [], entryRow: [], fresh: 0 }
}

function longest(values: readonly number[]): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}

/** Requests under way at each start, by instance: starts so far less ends so far. */
function workOutLoad(groups: readonly ServerGroup[]): void {
  const byInstance = new Map<number, { group: ServerGroup; at: number }[]>()
  for (const group of groups) {
    for (let at = group.fresh; at < group.startNs.length; at++) {
      const instance = group.instance[at]!
      const known = byInstance.get(instance)
      if (known === undefined) byInstance.set(instance, [{ group, at }])
      else known.push({ group, at })
    }
  }
  for (const requests of byInstance.values()) {
    const load = concurrencyAt(
      requests.map(({ group, at }) => group.startNs[at]!),
      requests.map(({ group, at }) => group.lengthNs[at]!),
    )
    requests.forEach(({ group, at }, i) => {
      group.load[at] = load[i]!
    })
  }
}

/** How many of the intervals are open at each start, itself included; one that ends at that moment is not. */
export function concurrencyAt(startNs: readonly number[], lengthNs: readonly number[]): number[] {
  const starts = Float64Array.from(startNs).sort()
  const ends = Float64Array.from(startNs, (start, i) => start + lengthNs[i]!).sort()
  return startNs.map((start, i) => {
    const open = notAfter(starts, start) - notAfter(ends, start)
    // Its own end may be this moment as well.
    return lengthNs[i] === 0 ? open + 1 : open
  })
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
  const loads = known.map((at) => load[at]!)
  const lowMost = quantileAmong(loads, 1 / 3)
  const highLeast = Math.max(quantileAmong(loads, LOADED), lowMost + 1)
  const low = known.filter((at) => load[at]! <= lowMost)
  const high = known.filter((at) => load[at]! >= highLeast)
  return high.length < LEAST_LOADED ? undefined : { low, high }
}
