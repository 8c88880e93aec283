import type { Counterfactual } from '../analysis/counterfactual.ts'
import type { Dependencies } from '../analysis/dependencies.ts'
import type { SpanColumns } from '../trace/columns.ts'
import { INTERNAL, SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { type CallIndex, MESSAGE, OWN, QUERY, REMOTE } from './calls.ts'
import { createFamily, type Family, forgetFamily } from './family.ts'

/** An INTERNAL span around a single call (a repository's method) is looked through, this many deep. */
export const WRAPPERS = 4

/** Spans, the first `count` of `at`; a typed array, for filling it again and again must not cost memory. */
export type SpanList = { count: number; at: Int32Array }

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
  queries: SpanList
  remotes: SpanList
  /** SERVER spans, and the root. */
  servers: SpanList
  /** Spans whose detail has a flag (detail.ts), that failed, that say a body's size or a number of rows. */
  flagged: SpanList
  failed: SpanList
  sized: SpanList
  /** Calls that say which values they are for (`valueHash`), and spans whose shape has a mark (calls.ts). */
  hashed: SpanList
  marked: SpanList
  /** Parents that wait for at least two calls, directly or through wrappers. */
  families: Families
  /** The one looked at last. */
  family: Family
  /** Per span that is waited for: the nearest SERVER, or the root, at or above it: where its code is. */
  place: Int32Array
  /** Of places: SERVERs at or above; and the place with the most, the first of several. */
  depth: Int32Array
  deepest: number
  /** 1: not waited for. Per span. */
  off: Uint8Array
  /** Per row of the batch: whether it has a flag, a size, a hash, a mark. */
  says: Uint8Array
  /** Bits of the lists above that are not empty (`listBits`). */
  present: number
  lengthOf(span: number): number
}

/** The parents; by span, how many calls each has, their time and the longest's. */
export type Families = {
  parents: SpanList
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
const MARKED = 8

export function createScan(tree: TraceTree, index: CallIndex, counterfactual: Counterfactual): Scan {
  const none = new Float64Array(0)
  const noNumbers = new Int32Array(0)
  const list = (): SpanList => ({ count: 0, at: noNumbers })
  return {
    queries: list(),
    remotes: list(),
    servers: list(),
    flagged: list(),
    failed: list(),
    sized: list(),
    hashed: list(),
    marked: list(),
    families: { parents: list(), count: noNumbers, sumNs: none, longestNs: none },
    family: createFamily(),
    present: 0,
    tree,
    index,
    counterfactual,
    dependencies: undefined,
    entry: 0,
    from: 0,
    to: 0,
    durationNs: 0,
    place: noNumbers,
    depth: noNumbers,
    deepest: 0,
    off: new Uint8Array(0),
    says: whatRowsSay(tree.spans, index.marks()),
    lengthOf: (span) => tree.cutEnd[span]! - tree.cutStart[span]!,
  }
}

/** What each row says that few rows do: read in order here, looked up by span in the scan. */
function whatRowsSay(spans: SpanColumns, marks: Uint8Array): Uint8Array {
  const { count, detail, bodyBytes, returnedRows, valueHash, shape, dictionary } = spans
  const { flags } = dictionary.details
  const says = new Uint8Array(count)
  for (let row = 0; row < count; row++) {
    says[row] =
      (flags[detail[row]!] !== 0 ? FLAGGED : 0) |
      (bodyBytes[row] !== 0 || returnedRows[row] !== 0 ? SIZED : 0) |
      (valueHash[row] !== 0 ? HASHED : 0) |
      (marks[shape[row]!] !== 0 ? MARKED : 0)
  }
  return says
}

/** Fills the scan with the root whose spans are `order[from..to)`; one pass. */
export function scanRoot(scan: Scan, from: number, to: number): void {
  const { tree } = scan
  const { order, parent, component, detached, kind, live, row, cutStart, cutEnd } = tree
  const roles = scan.index.roles()
  if (scan.off.length < tree.count) grow(scan, tree.capacity)
  empty(scan)
  const { off, place, depth, says, queries, remotes, servers, failed } = scan
  const { parents, count, sumNs, longestNs } = scan.families
  const root = order[from]!
  scan.entry = root
  scan.from = from
  scan.to = to
  scan.durationNs = cutEnd[root]! - cutStart[root]!
  scan.deepest = root

  // Parents come before children.
  for (let at = from; at < to; at++) {
    const i = order[at]!
    const p = at === from ? -1 : parent[i]!
    if (p >= 0 && (detached[i] === 1 || off[p] === 1)) {
      off[i] = 1
      continue
    }
    off[i] = 0
    count[i] = 0
    const said = says[row[i]!]!
    if (said !== 0) note(scan, i, said)
    if (tree.failed[i] === 1) failed.at[failed.count++] = i
    const isServer = kind[i] === SERVER
    if (isServer || p < 0) {
      place[i] = i
      depth[i] = (p < 0 ? 0 : depth[place[p]!]!) + (isServer ? 1 : 0)
    } else place[i] = place[p]!
    const role = roles[component[i]!]!
    if (role === OWN || p < 0) {
      if (place[i] !== i) continue
      servers.at[servers.count++] = i
      if (depth[i]! > depth[scan.deepest]!) scan.deepest = i
      continue
    }
    const above = roles[component[p]!]!
    if (role === QUERY) {
      if (above === QUERY) continue
      queries.at[queries.count++] = i
    } else if (role === REMOTE && above !== REMOTE) remotes.at[remotes.count++] = i
    if (above === MESSAGE) continue
    // Through wrappers to whom it is a call of.
    let up = p
    for (let deep = 0; deep < WRAPPERS && kind[up] === INTERNAL && live[up] === 1 && up !== root; deep++) {
      up = parent[up]!
    }
    const lengthNs = cutEnd[i]! - cutStart[i]!
    if (count[up] === 0) {
      count[up] = 1
      sumNs[up] = lengthNs
      longestNs[up] = lengthNs
      continue
    }
    if (++count[up]! === 2) parents.at[parents.count++] = up
    sumNs[up]! += lengthNs
    if (lengthNs > longestNs[up]!) longestNs[up] = lengthNs
  }
  scan.present = presentIn(scan)
}

function empty(scan: Scan): void {
  scan.queries.count = 0
  scan.remotes.count = 0
  scan.servers.count = 0
  scan.flagged.count = 0
  scan.failed.count = 0
  scan.sized.count = 0
  scan.hashed.count = 0
  scan.marked.count = 0
  scan.families.parents.count = 0
  forgetFamily(scan.family)
}

/** Lists a span by what its row says. */
function note({ flagged, sized, hashed, marked }: Scan, span: number, said: number): void {
  if ((said & FLAGGED) !== 0) flagged.at[flagged.count++] = span
  if ((said & SIZED) !== 0) sized.at[sized.count++] = span
  if ((said & HASHED) !== 0) hashed.at[hashed.count++] = span
  if ((said & MARKED) !== 0) marked.at[marked.count++] = span
}

/** In the order of LISTS. */
function presentIn(scan: Scan): number {
  return (
    (scan.queries.count > 0 ? 1 : 0) |
    (scan.remotes.count > 0 ? 2 : 0) |
    (scan.servers.count > 0 ? 4 : 0) |
    (scan.flagged.count > 0 ? 8 : 0) |
    (scan.failed.count > 0 ? 16 : 0) |
    (scan.sized.count > 0 ? 32 : 0) |
    (scan.hashed.count > 0 ? 64 : 0) |
    (scan.marked.count > 0 ? 128 : 0) |
    (scan.families.parents.count > 0 ? 256 : 0)
  )
}

function grow(scan: Scan, capacity: number): void {
  const { queries, remotes, servers, flagged, failed, sized, hashed, marked, families } = scan
  for (const list of [queries, remotes, servers, flagged, failed, sized, hashed, marked, families.parents]) {
    list.at = new Int32Array(capacity)
  }
  scan.off = new Uint8Array(capacity)
  scan.place = new Int32Array(capacity)
  scan.depth = new Int32Array(capacity)
  families.count = new Int32Array(capacity)
  families.sumNs = new Float64Array(capacity)
  families.longestNs = new Float64Array(capacity)
}

/** Where a span's code is, by its place. */
export function codeAround(scan: Scan, span: number): { service: string; caller: string } {
  const { tree, index, place } = scan
  const { dictionary } = index
  return {
    service: dictionary.services[tree.service[span]!]!,
    caller: index.operationOf(tree.shape[place[span]!]!),
  }
}

/** Flags of what a span says (detail.ts). */
export function flagsOf({ tree }: Scan, span: number): number {
  const { detail, dictionary } = tree.spans
  return dictionary.details.flags[detail[tree.row[span]!]!]!
}
