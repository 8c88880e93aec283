import { IS_RECEIVE } from './dictionary.ts'
import { areMany, LONG, readRows, readWords } from './read-through.ts'
import { CYCLE, DUPLICATE, ORPHAN, SHARED_ID } from './repair.ts'
import { logRepair, type RepairLog } from './repair-log.ts'
import { isRemote } from './settle.ts'
import { CLIENT, CONSUMER, PRODUCER, SERVER } from './span.ts'
import { NOT_ENTRY, type TraceTree, tableSize } from './tree.ts'

/** Kinds of entries, in `TraceTree.entry`. */
export const ROOT_ENTRY = 0
export const ORPHAN_ENTRY = 1
export const CONSUMER_ENTRY = 2

/**
 * Repairs 2 and 3, then parents, entries and children; nothing is moved yet. Needs `loadSpans`. Returns the spans
 * without a parent, in span order.
 */
export function linkSpans(tree: TraceTree, log: RepairLog): number[] {
  const halves = settleSharedIds(tree, log)
  const roots = findParents(tree, halves, log)
  listChildren(tree)
  return roots
}

function slotOf(low: number, high: number, mask: number): number {
  let h = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
  return (h ^ (h >>> 16)) & mask
}

/** The largest number that the id table holds. */
const MOST_IN_TABLE = 2 ** 31 - 1

/** Index of the first span with that id, -1: not in the trace. `mask` is that of the id table. */
function findSpan(tree: TraceTree, low: number, high: number, mask: number): number {
  const { table, tableBase, id } = tree
  let slot = slotOf(low, high, mask)
  for (let i = table[slot]! - tableBase; i >= 0; i = table[slot]! - tableBase) {
    if (id[2 * i] === low && id[2 * i + 1] === high) return i
    slot = (slot + 1) & mask
  }
  return -1
}

/** What most traces have none or one of. */
const NONE: number[] = []

/** Pushing to an empty list makes room for 17. */
function withOneMore(list: number[], item: number): number[] {
  if (list.length === 0) return [item]
  list.push(item)
  return list
}

/** Fills the id table; spans whose id stands there already are returned, chained by `scratch` (-1 ends a chain). */
function indexIds(tree: TraceTree): number[] {
  const { table, id, scratch, count } = tree
  const mask = tableSize(count) - 1
  // Nothing is cleared: what earlier traces have left is below the base.
  tree.tableBase += tree.capacity
  if (tree.tableBase > MOST_IN_TABLE - tree.capacity) {
    table.fill(0)
    tree.tableBase = 1
  }
  // But of a long trace, so that the table is in the processor's second cache.
  if (count > LONG) table.fill(0, 0, mask + 1)
  else if (areMany(count)) readWords(table, 0, mask + 1)
  const { tableBase } = tree
  let repeated = NONE
  for (let i = 0; i < count; i++) {
    const low = id[2 * i]!
    const high = id[2 * i + 1]!
    scratch[i] = -1
    let slot = slotOf(low, high, mask)
    let known = table[slot]! - tableBase
    while (known >= 0) {
      if (id[2 * known] === low && id[2 * known + 1] === high) break
      slot = (slot + 1) & mask
      known = table[slot]! - tableBase
    }
    if (known < 0) {
      table[slot] = tableBase + i
    } else {
      if (scratch[known] === -1) repeated = withOneMore(repeated, known)
      scratch[i] = scratch[known]!
      scratch[known] = i
    }
  }
  return repeated
}

/** SERVER half by CLIENT half of calls whose halves share an id (by index), after duplicates are gone. */
type Halves = ReadonlyMap<number, number>
const NO_HALVES: Halves = new Map()

/** Repair 2. Duplicates leave the tree; the id table then names the CLIENT half, or the only span of an id. */
function settleSharedIds(tree: TraceTree, log: RepairLog): Halves {
  const repeated = indexIds(tree)
  if (repeated.length === 0) return NO_HALVES

  const { row, kind, scratch } = tree
  const drop = new Uint8Array(tree.count)
  const pairs: [client: number, server: number][] = []
  for (const first of repeated) {
    const group: number[] = []
    for (let i = first; i >= 0; i = scratch[i]!) group.push(i)
    // What differs in no column differs in nothing that matters: no need of the text of spans that came twice. Of all
    // spans of the id or of none, as an order by text for some pairs and by columns for others would be none.
    const alike = group.every((i) => isAlike(tree, first, i))
    group.sort(
      (a, b) => compareSameId(tree, a, b) || (alike ? 0 : compareText(tieText(tree, a), tieText(tree, b))),
    )
    const client = group.find((i) => kind[i] === CLIENT)
    const server = group.find((i) => kind[i] === SERVER)
    const pair = client !== undefined && server !== undefined
    if (pair) {
      pairs.push([client, server])
      logRepair(log, SHARED_ID, row[server]!)
    }
    for (const i of group) {
      if (pair ? i !== client && i !== server : i !== group[0]) {
        drop[i] = 1
        logRepair(log, DUPLICATE, row[i]!)
      }
    }
  }

  const moved = new Int32Array(tree.count)
  const columns = [tree.row, tree.shape, tree.kind, tree.service, tree.failed, tree.start, tree.end]
  let kept = 0
  for (let i = 0; i < tree.count; i++) {
    if (drop[i] === 1) continue
    moved[i] = kept
    for (const column of columns) column[kept] = column[i]!
    tree.id[2 * kept] = tree.id[2 * i]!
    tree.id[2 * kept + 1] = tree.id[2 * i + 1]!
    kept++
  }
  tree.count = kept
  indexIds(tree)
  const mask = tableSize(kept) - 1
  const halves = new Map<number, number>()
  for (const [client, server] of pairs) {
    halves.set(moved[client]!, moved[server]!)
    // The table must name the CLIENT half, whichever came first.
    const named = findSpan(tree, tree.id[2 * moved[client]!]!, tree.id[2 * moved[client]! + 1]!, mask)
    if (named === moved[server]!) renameInTable(tree, named, moved[client]!)
  }
  return halves
}

function renameInTable(tree: TraceTree, from: number, to: number): void {
  const { table, tableBase } = tree
  const mask = tableSize(tree.count) - 1
  let slot = slotOf(tree.id[2 * from]!, tree.id[2 * from + 1]!, mask)
  while (table[slot] !== tableBase + from) slot = (slot + 1) & mask
  table[slot] = tableBase + to
}

/** Start, longest, service, kind, name, parent, status. */
function compareSameId(tree: TraceTree, a: number, b: number): number {
  const { start, end, row, shape, kind, service, spans } = tree
  const { dictionary, parentId, status } = spans
  const rowA = row[a]!
  const rowB = row[b]!
  return (
    start[a]! - start[b]! ||
    end[b]! - start[b]! - (end[a]! - start[a]!) ||
    compareText(dictionary.services[service[a]!]!, dictionary.services[service[b]!]!) ||
    kind[a]! - kind[b]! ||
    compareText(dictionary.fields(shape[a]!).name, dictionary.fields(shape[b]!).name) ||
    parentId[2 * rowA + 1]! - parentId[2 * rowB + 1]! ||
    parentId[2 * rowA]! - parentId[2 * rowB]! ||
    status[rowA]! - status[rowB]!
  )
}

/** Columns that attributes and resource make. */
const OF_ATTRIBUTES = ['shape', 'weight', 'detail', 'bodyBytes', 'returnedRows', 'valueHash'] as const

function isAlike({ spans, row }: TraceTree, a: number, b: number): boolean {
  return OF_ATTRIBUTES.every((column) => spans[column][row[a]!] === spans[column][row[b]!])
}

/** Attributes and resource, as far as they are at hand (the analyzer reads shapes only), then what columns say of them. */
function tieText({ spans, row, shape }: TraceTree, i: number): string {
  const { dictionary, detail, weight, bodyBytes, returnedRows, valueHash } = spans
  const r = row[i]!
  const text = spans.tieText?.(r) ?? JSON.stringify(dictionary.fields(shape[i]!))
  const asked = dictionary.details.fields(detail[r]!)
  return text + JSON.stringify([asked, weight[r], bodyBytes[r], returnedRows[r], valueHash[r]])
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Parent of every span, by the rules for shared ids; what is not in the trace makes an orphan. Spans that come
 * after their parents, as nearly all do, are placed at once, the others once no cycle is among them. Returns the spans without a parent.
 */
function findParents(tree: TraceTree, halves: Halves, log: RepairLog): number[] {
  const { count, row, parent, entry } = tree
  const shared = halves.size > 0
  const long = count > LONG
  if (areMany(count)) readRows(tree.spans.parentId, 2, tree.scratch2, count)
  const found = long
    ? lookUpParents(tree, takeParentIds(tree), true, shared)
    : lookUpParents(tree, tree.spans.parentId, false, shared)
  const { roots, before } = found
  const orphans = shared ? joinHalves(tree, halves) : found.orphans
  if (orphans > 0) {
    for (let i = 0; i < count; i++) if (entry[i] === ORPHAN_ENTRY) logRepair(log, ORPHAN, row[i]!)
  }
  if (shared || hasCycle(tree, before)) {
    cutCycles(tree, log)
    return placeAll(tree)
  }
  // Some root there is: without any there had been a cycle.
  if (long) placeEach(tree)
  else {
    for (let at = 0; at < before; at++) {
      const i = tree.scratch2[at]!
      place(tree, i, parent[i]!)
    }
  }
  return roots
}

/** Spans without a parent, how many of them are orphans, and how many spans, in `scratch2`, come before their parents. */
type Found = { roots: number[]; orphans: number; before: number }

/** By the ids of their parents, a row each or, `taken`, a span each. Of a long trace, where they are, nothing is placed yet. */
function lookUpParents(tree: TraceTree, parentId: Uint32Array, taken: boolean, shared: boolean): Found {
  const { count, row, id, parent, entry, shift, hasRemote, firstChild, scratch2: beforeTheirParents } = tree
  const mask = tableSize(count) - 1
  // Most spans come right behind their parent or a sibling.
  let lastLow = 0
  let lastHigh = 0
  let last = -1
  let orphans = 0
  let before = 0
  let roots = NONE
  firstChild[0] = 0
  tree.moved = false
  for (let i = 0; i < count; i++) {
    shift[i] = 0
    hasRemote[i] = 0
    firstChild[i + 1] = 0
    const words = 2 * (taken ? i : row[i]!)
    const low = parentId[words]!
    const high = parentId[words + 1]!
    if (low === 0 && high === 0) {
      parent[i] = -1
      entry[i] = ROOT_ENTRY
      roots = withOneMore(roots, i)
      continue
    }
    if (low !== lastLow || high !== lastHigh) {
      const follows = !shared && i > 0 && id[2 * i - 2] === low && id[2 * i - 1] === high
      last = follows ? i - 1 : findSpan(tree, low, high, mask)
      lastLow = low
      lastHigh = high
    }
    parent[i] = last
    entry[i] = NOT_ENTRY
    if (last < 0) {
      entry[i] = ORPHAN_ENTRY
      roots = withOneMore(roots, i)
      orphans++
    } else if (last >= i) beforeTheirParents[before++] = i
    else if (!taken) place(tree, i, last)
  }
  return { roots, orphans, before }
}

/** Parent ids of the spans of a long trace, in the room of `keys`; `scratch2` still has rows. */
function takeParentIds({ count, row, scratch2: rows, keys, spans }: TraceTree): Uint32Array {
  const { parentId } = spans
  const taken = new Uint32Array(keys.buffer)
  readRows(parentId, 2, rows, count)
  for (let i = 0; i < count; i++) {
    const words = 2 * row[i]!
    taken[2 * i] = parentId[words]!
    taken[2 * i + 1] = parentId[words + 1]!
  }
  return taken
}

/** Places all spans that have a parent. */
function placeEach(tree: TraceTree): void {
  const { count, parent } = tree
  for (let i = 0; i < count; i++) if (parent[i]! >= 0) place(tree, i, parent[i]!)
}

/**
 * Whether any of the `before` spans in `scratch2`, or what is above them, is its own ancestor. Every cycle has a span before its
 * parent.
 */
function hasCycle(tree: TraceTree, before: number): boolean {
  if (before === 0) return false
  const { count, parent, scratch: mark, scratch2: spans } = tree
  mark.fill(0, 0, count)
  for (let next = 0; next < before; next++) {
    const i = spans[next]!
    let at = i
    for (; at >= 0 && mark[at] === 0; at = parent[at]!) mark[at] = i + 1
    if (at >= 0 && mark[at] === i + 1) return true
  }
  return false
}

/** Children of an id that two halves share, and the SERVER halves themselves; returns how many orphans there are. */
function joinHalves(tree: TraceTree, halves: Halves): number {
  const { count, kind, service, parent, entry } = tree
  for (let i = 0; i < count; i++) {
    const client = parent[i]!
    const server = halves.get(client)
    if (server === undefined) continue
    const callersOwn =
      service[client] !== service[server] && service[i] === service[client] && kind[i] !== SERVER
    if (!callersOwn) parent[i] = server
  }
  for (const [client, server] of halves) {
    if (entry[server] === ORPHAN_ENTRY || entry[server] === ROOT_ENTRY) entry[server] = NOT_ENTRY
    parent[server] = client
  }
  let orphans = 0
  for (let i = 0; i < count; i++) if (entry[i] === ORPHAN_ENTRY) orphans++
  return orphans
}

/** Repair 3: the first span of a cycle loses its parent. Walks up with a mark a walk, O(n). */
function cutCycles(tree: TraceTree, log: RepairLog): void {
  const { count, parent, scratch: mark } = tree
  mark.fill(0, 0, count)
  for (let i = 0; i < count; i++) {
    let at = i
    while (at >= 0 && mark[at] === 0) {
      mark[at] = i + 1
      at = parent[at]!
    }
    if (at < 0 || mark[at] !== i + 1) continue
    let first = at
    for (let next = parent[at]!; next !== at; next = parent[next]!) if (next < first) first = next
    parent[first] = -1
    tree.entry[first] = ORPHAN_ENTRY
    logRepair(log, CYCLE, tree.row[first]!)
  }
}

/** Places all spans anew; returns those without a parent. */
function placeAll(tree: TraceTree): number[] {
  const { count, parent } = tree
  const roots: number[] = []
  tree.firstChild.fill(0, 0, count + 1)
  tree.hasRemote.fill(0, 0, count)
  for (let i = 0; i < count; i++) {
    if (parent[i]! < 0) roots.push(i)
    else {
      tree.entry[i] = NOT_ENTRY
      place(tree, i, parent[i]!)
    }
  }
  return roots
}

/**
 * A span below its parent `p`. Entries: a CONSUMER, unless it goes on with what one of its service took in; a remote
 * child of a PRODUCER. Counts the children of each span, in the element of `firstChild` behind it.
 */
function place(tree: TraceTree, i: number, p: number): void {
  const { kind, service, entry, shape, hasRemote, firstChild } = tree
  firstChild[p + 1]!++
  const sameService = service[p] === service[i]
  if (kind[i] === CONSUMER) {
    const goesOn =
      kind[p] === CONSUMER && sameService && (tree.spans.dictionary.shapeFlags[shape[p]!]! & IS_RECEIVE) === 0
    if (!goesOn) entry[i] = CONSUMER_ENTRY
  } else if (kind[p] === PRODUCER && !sameService) {
    entry[i] = CONSUMER_ENTRY
  }
  if (isRemote(tree, p, i)) hasRemote[p] = 1
}

/** Children by a counting sort: each parent's in span order. */
function listChildren(tree: TraceTree): void {
  const { count, parent, firstChild, child, scratch: next } = tree
  for (let i = 0; i < count; i++) {
    next[i] = firstChild[i]!
    firstChild[i + 1]! += firstChild[i]!
  }
  for (let i = 0; i < count; i++) if (parent[i]! >= 0) child[next[parent[i]!]!++] = i
}
