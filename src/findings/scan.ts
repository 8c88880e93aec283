import type { Counterfactual } from '../analysis/counterfactual.ts'
import type { Dependencies } from '../analysis/dependencies.ts'
import { INTERNAL, SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { type CallIndex, MESSAGE, OWN, QUERY, REMOTE } from './calls.ts'

/** An INTERNAL span around a single call (a repository's method) is looked through, this many deep. */
const WRAPPERS = 4

/** One settled root as patterns look at it. All spans listed are waited for: none is detached, or below one that is. */
export type Scan = {
  tree: TraceTree
  index: CallIndex
  counterfactual: Counterfactual
  dependencies: Dependencies | undefined
  /** The root, and its spans `order[from..to)`. */
  entry: number
  from: number
  to: number
  durationNs: number
  /** Queries and calls to other services, not those that a driver makes for one. */
  queries: number[]
  remotes: number[]
  /** SERVER spans, and the root. */
  servers: number[]
  /** Spans whose detail has a flag (detail.ts), that failed, that say a body's size or a number of rows. */
  flagged: number[]
  failed: number[]
  sized: number[]
  /** Calls that say which values they are for (`valueHash`), and spans whose shape has a mark (calls.ts). */
  hashed: number[]
  marked: number[]
  /** Parents that wait for at least two calls, directly or through wrappers. */
  families: Families
  /** 1: not waited for. Per span. */
  off: Uint8Array
  lengthOf(span: number): number
}

/** Parallel lists: a parent, its calls, their time and the longest's. */
export type Families = { parent: number[]; count: number[]; sumNs: number[]; longestNs: number[] }

/** A call that a parent waits for, and the child of the parent that it is or that wraps it. */
export type FamilyCall = { call: number; child: number }

export function createScan(tree: TraceTree, index: CallIndex, counterfactual: Counterfactual): Scan {
  return {
    tree,
    index,
    counterfactual,
    dependencies: undefined,
    entry: 0,
    from: 0,
    to: 0,
    durationNs: 0,
    queries: [],
    remotes: [],
    servers: [],
    flagged: [],
    failed: [],
    sized: [],
    hashed: [],
    marked: [],
    families: { parent: [], count: [], sumNs: [], longestNs: [] },
    off: new Uint8Array(0),
    lengthOf: (span) => tree.cutEnd[span]! - tree.cutStart[span]!,
  }
}

/** Fills the scan with the root whose spans are `order[from..to)`; one pass. */
export function scanRoot(scan: Scan, from: number, to: number): void {
  const { tree, queries, remotes, servers, flagged, failed, sized, hashed, marked, families } = scan
  const { order, parent, component, detached, kind, live, row, shape, cutStart, cutEnd, child, firstChild } =
    tree
  const { detail, bodyBytes, returnedRows, valueHash } = tree.spans
  const { flags } = tree.spans.dictionary.details
  const roles = scan.index.roles()
  const marks = scan.index.marks()
  if (scan.off.length < tree.count) scan.off = new Uint8Array(tree.capacity)
  const { off } = scan
  const root = order[from]!
  scan.entry = root
  scan.from = from
  scan.to = to
  scan.durationNs = cutEnd[root]! - cutStart[root]!
  for (const list of [queries, remotes, servers, flagged, failed, sized, hashed, marked]) list.length = 0
  for (const list of Object.values(families)) list.length = 0

  for (let at = from; at < to; at++) {
    const i = order[at]!
    if (at > from && (detached[i] === 1 || off[parent[i]!] === 1)) {
      off[i] = 1
      continue
    }
    off[i] = 0
    const r = row[i]!
    const d = detail[r]!
    if (d !== 0 && flags[d] !== 0) flagged.push(i)
    if (tree.failed[i] === 1) failed.push(i)
    if (bodyBytes[r] !== 0 || returnedRows[r] !== 0) sized.push(i)
    if (valueHash[r] !== 0) hashed.push(i)
    if (marks[shape[i]!] !== 0) marked.push(i)
    const role = roles[component[i]!]!
    if (role === OWN) {
      if (kind[i] === SERVER || at === from) servers.push(i)
    } else if (at > from) {
      const above = roles[component[parent[i]!]!]!
      if (role === QUERY) {
        if (above !== QUERY) queries.push(i)
      } else if (role === REMOTE && above !== REMOTE) remotes.push(i)
    } else servers.push(i)
    const waited = live[i]!
    if (waited < 2 || role === QUERY || role === MESSAGE) continue
    const first = firstChild[i]!
    let count = 0
    let sumNs = 0
    let longestNs = 0
    for (let slot = first; slot < first + waited; slot++) {
      const call = callWithin(tree, roles, child[slot]!)
      if (call < 0) continue
      count++
      const lengthNs = cutEnd[call]! - cutStart[call]!
      sumNs += lengthNs
      if (lengthNs > longestNs) longestNs = lengthNs
    }
    if (count < 2) continue
    families.parent.push(i)
    families.count.push(count)
    families.sumNs.push(sumNs)
    families.longestNs.push(longestNs)
  }
}

/** The call that a child is or wraps, -1 if neither. */
function callWithin(tree: TraceTree, roles: Uint8Array, child: number): number {
  const { kind, live, component } = tree
  let span = child
  for (let depth = 0; ; depth++) {
    if (roles[component[span]!] !== OWN) return span
    if (kind[span] !== INTERNAL || live[span] !== 1 || depth === WRAPPERS) return -1
    span = tree.child[tree.firstChild[span]!]!
  }
}

/** The calls of a family, in span order. */
export function familyCalls(scan: Scan, parent: number): FamilyCall[] {
  const { tree } = scan
  const roles = scan.index.roles()
  const first = tree.firstChild[parent]!
  const calls: FamilyCall[] = []
  for (let slot = first; slot < first + tree.live[parent]!; slot++) {
    const child = tree.child[slot]!
    const call = callWithin(tree, roles, child)
    if (call >= 0) calls.push({ call, child })
  }
  return calls
}

/** Where a span's code is: the nearest SERVER, CONSUMER or root at or above it. */
export function codeAround(scan: Scan, span: number): { service: string; caller: string } {
  const { tree, index, entry } = scan
  const { dictionary } = index
  return {
    service: dictionary.services[tree.service[span]!]!,
    caller: index.callerOf(tree, span, entry),
  }
}
