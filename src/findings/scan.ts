import type { Counterfactual } from '../analysis/counterfactual.ts'
import type { Dependencies } from '../analysis/dependencies.ts'
import type { SpanColumns } from '../trace/columns.ts'
import { INTERNAL, SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { type CallIndex, MESSAGE, OWN, QUERY, REMOTE } from './calls.ts'
import { createFamily, type Family, forgetFamily } from './family.ts'

/** An INTERNAL span around a single call (a repository's method) is looked through, this many deep. */
export const WRAPPERS = 4

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
  /** The one looked at last. */
  family: Family
  /** Per span: SERVERs at or above it; and the span with the most, the first of several. */
  depth: Int32Array
  deepest: number
  /** 1: not waited for. Per span. */
  off: Uint8Array
  /** Per row of the batch: whether it has a flag, a size, a hash. */
  says: Uint8Array
  /** All the lists above, in the order of LISTS, and the bits of those that are not empty (`listBits`). */
  lists: number[][]
  present: number
  lengthOf(span: number): number
}

/** The parents; by span, how many calls each has, their time and the longest's. */
export type Families = {
  parent: number[]
  count: Int32Array
  sumNs: Float64Array
  longestNs: Float64Array
}

/** What patterns look at. */
export const LISTS = [
  'queries',
  'remotes',
  'servers',
  'flagged',
  'failed',
  'sized',
  'hashed',
  'marked',
  'parents',
] as const
export type ListName = (typeof LISTS)[number]

export function listBits(names: readonly ListName[]): number {
  return names.reduce((bits, name) => bits | (1 << LISTS.indexOf(name)), 0)
}

/** Bits of `Scan.says`. */
const FLAGGED = 1
const SIZED = 2
const HASHED = 4

export function createScan(tree: TraceTree, index: CallIndex, counterfactual: Counterfactual): Scan {
  const none = new Float64Array(0)
  const families: Families = { parent: [], count: new Int32Array(0), sumNs: none, longestNs: none }
  const spans = {
    queries: [],
    remotes: [],
    servers: [],
    flagged: [],
    failed: [],
    sized: [],
    hashed: [],
    marked: [],
  }
  return {
    ...spans,
    families,
    family: createFamily(),
    present: 0,
    lists: [...Object.values(spans), families.parent],
    tree,
    index,
    counterfactual,
    dependencies: undefined,
    entry: 0,
    from: 0,
    to: 0,
    durationNs: 0,
    depth: new Int32Array(0),
    deepest: 0,
    off: new Uint8Array(0),
    says: whatRowsSay(tree.spans),
    lengthOf: (span) => tree.cutEnd[span]! - tree.cutStart[span]!,
  }
}

/** What the details of each row say that few rows do: read in order here, looked up by span in the scan. */
function whatRowsSay({
  count,
  detail,
  bodyBytes,
  returnedRows,
  valueHash,
  dictionary,
}: SpanColumns): Uint8Array {
  const { flags } = dictionary.details
  const says = new Uint8Array(count)
  for (let row = 0; row < count; row++) {
    says[row] =
      (flags[detail[row]!] !== 0 ? FLAGGED : 0) |
      (bodyBytes[row] !== 0 || returnedRows[row] !== 0 ? SIZED : 0) |
      (valueHash[row] !== 0 ? HASHED : 0)
  }
  return says
}

/** Fills the scan with the root whose spans are `order[from..to)`; one pass. */
export function scanRoot(scan: Scan, from: number, to: number): void {
  const { tree, queries, remotes, servers, flagged, failed, sized, hashed, marked, families, says } = scan
  const { order, parent, component, detached, kind, live, row, shape, cutStart, cutEnd } = tree
  const roles = scan.index.roles()
  const marks = scan.index.marks()
  if (scan.off.length < tree.count) grow(scan, tree.capacity)
  const { off, depth } = scan
  const { parent: parents, count, sumNs, longestNs } = families
  const root = order[from]!
  scan.entry = root
  scan.from = from
  scan.to = to
  scan.durationNs = cutEnd[root]! - cutStart[root]!
  // Setting the length gives the memory back, which costs more than the list.
  for (let l = 0; l < scan.lists.length; l++) while (scan.lists[l]!.length > 0) scan.lists[l]!.pop()
  forgetFamily(scan.family)

  // Parents come before children.
  for (let at = from; at < to; at++) {
    const i = order[at]!
    const p = parent[i]!
    if (at > from && (detached[i] === 1 || off[p] === 1)) {
      off[i] = 1
      continue
    }
    off[i] = 0
    count[i] = 0
    depth[i] = (at === from ? 0 : depth[p]!) + (kind[i] === SERVER ? 1 : 0)
    const said = says[row[i]!]!
    if (said !== 0) {
      if ((said & FLAGGED) !== 0) flagged.push(i)
      if ((said & SIZED) !== 0) sized.push(i)
      if ((said & HASHED) !== 0) hashed.push(i)
    }
    if (tree.failed[i] === 1) failed.push(i)
    if (marks[shape[i]!] !== 0) marked.push(i)
    const role = roles[component[i]!]!
    if (role === OWN || at === from) {
      if (kind[i] === SERVER || at === from) {
        servers.push(i)
        if (at === from || depth[i]! > depth[scan.deepest]!) scan.deepest = i
      }
      continue
    }
    const above = roles[component[p]!]!
    if (role === QUERY) {
      if (above === QUERY) continue
      queries.push(i)
    } else if (role === REMOTE && above !== REMOTE) remotes.push(i)
    if (above === MESSAGE) continue
    // Through wrappers to whom it is a call of.
    let up = p
    for (let depth = 0; depth < WRAPPERS && kind[up] === INTERNAL && live[up] === 1 && up !== root; depth++) {
      up = parent[up]!
    }
    const lengthNs = cutEnd[i]! - cutStart[i]!
    if (count[up] === 0) {
      count[up] = 1
      sumNs[up] = lengthNs
      longestNs[up] = lengthNs
      continue
    }
    if (++count[up]! === 2) parents.push(up)
    sumNs[up]! += lengthNs
    if (lengthNs > longestNs[up]!) longestNs[up] = lengthNs
  }
  scan.present = 0
  for (let l = 0; l < scan.lists.length; l++) if (scan.lists[l]!.length > 0) scan.present |= 1 << l
}

function grow(scan: Scan, capacity: number): void {
  scan.off = new Uint8Array(capacity)
  scan.depth = new Int32Array(capacity)
  scan.families.count = new Int32Array(capacity)
  scan.families.sumNs = new Float64Array(capacity)
  scan.families.longestNs = new Float64Array(capacity)
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
