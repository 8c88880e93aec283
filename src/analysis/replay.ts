import { SPARE_SPANS, type TraceTree } from '../trace/tree.ts'
import {
  type BlockTable,
  columnOf,
  createBlockTable,
  growBlockTable,
  growColumns,
  isLeaf,
} from './block-table.ts'
import type { Dependencies } from './dependencies.ts'
import { addBlock } from './replay-block.ts'
import { addCells, addTo, type Cells, copyCells, growCells, makeCellRoom, takeSums } from './replay-cells.ts'
import { type Block, isLearned } from './waits.ts'

/**
 * What replaying every component of a root gives (see replay-cells.ts), for the spans it is kept of.
 *
 * Cells are local: they depend on a span's subtree only, so one pass from the leaves up answers every sample of the
 * root, entries and SERVER spans alike. Only few spans need cells of their own: samples, and children that overlap,
 * which are re-scheduled together. Between these **collectors** times add up: a collector walks what is below it, down
 * to the next ones. Leaves have one cell each, made up where it is needed.
 */
export type ReplayTable = {
  blocks: BlockTable
  /** Per span that waited for children and takes time: NOBODY, MEMBER or COLLECTOR. */
  role: Uint8Array
  /** The collectors, parents first. */
  collectors: Int32Array
  collectorCount: number
  /** Of a collector's walk: spans still to be looked at. */
  open: Int32Array
}

/** Not waited for, and in no sample. */
const NOBODY = 0
/** Its times are added up by the nearest collector above it. */
const MEMBER = 1
const COLLECTOR = 2

export function createReplayTable(dependencies: Dependencies | undefined): ReplayTable {
  const none = new Int32Array(0)
  return {
    blocks: createBlockTable(dependencies),
    role: new Uint8Array(0),
    collectors: none,
    collectorCount: 0,
    open: none,
  }
}

/** Of the analysis before (see tree.ts), if it is not too large. */
let spare: ReplayTable | undefined

/** A table until it is given back; dependencies are to be set. */
export function borrowReplayTable(): ReplayTable {
  const table = spare ?? createReplayTable(undefined)
  spare = undefined
  return table
}

/** Nothing may look at the table any more, all its sums are taken. */
export function returnReplayTable(table: ReplayTable): void {
  const { waits, cells, touchNs, latestNs } = table.blocks
  const most = Math.max(table.role.length, cells.column.length, touchNs.length, latestNs.length)
  if (most > SPARE_SPANS) return
  waits.dependencies = undefined
  spare = table
}

/** Makes room for so many spans. */
function growReplayTable(table: ReplayTable, spans: number): void {
  growCells(table.blocks.cells, spans)
  if (table.role.length >= spans) return
  table.role = new Uint8Array(spans)
  table.collectors = new Int32Array(spans)
  table.open = new Int32Array(spans)
}

/** Other readings of what was learned: a table each, and by span, 1: they may differ in it or below it. */
export type Others = { tables: readonly ReplayTable[]; differIn: Uint8Array }

/**
 * Fills the cells of `order[orderFrom..orderTo)`; places, their range and what to keep are to be set. `others` have the
 * cells of spans in which they may differ. False: given up, as there are more than `mostCells` at a time (dropped ones may
 * count).
 */
export function replayAll(
  tree: TraceTree,
  table: ReplayTable,
  others: Others | undefined,
  orderFrom: number,
  orderTo: number,
  mostCells: number,
): boolean {
  emptyTable(tree, table)
  if (others !== undefined) {
    for (const other of others.tables) {
      emptyTable(tree, other)
      growBlockTable(other.blocks, tree.capacity)
    }
  }
  const count = listCollectors(tree, table, orderFrom, orderTo)
  const { collectors } = table
  for (let i = count - 1; i >= 0; i--) {
    const span = collectors[i]!
    // Others first: they look at cells that are dropped once the span has its own.
    if (others !== undefined && others.differIn[span] === 1) {
      for (const other of others.tables)
        if (!collect(tree, other, span, mostCells, table, others)) return false
    }
    if (!collect(tree, table, span, mostCells, undefined, undefined)) return false
  }
  return true
}

function emptyTable({ capacity }: TraceTree, table: ReplayTable): void {
  growReplayTable(table, capacity)
  growColumns(table.blocks)
  table.blocks.cells.count = 0
  table.blocks.cells.holderCount = 0
}

/** Fills the cells of a collector; false: there are too many by now. */
function collect(
  tree: TraceTree,
  table: ReplayTable,
  span: number,
  mostCells: number,
  likely: ReplayTable | undefined,
  others: Others | undefined,
): boolean {
  const { cells, sums } = table.blocks
  addBelow(tree, table, span, likely, others)
  makeCellRoom(cells, sums.count)
  takeSums(cells, sums, span)
  return cells.count <= mostCells
}

/** Lists the collectors, parents first; returns how many there are. */
function listCollectors(tree: TraceTree, table: ReplayTable, orderFrom: number, orderTo: number): number {
  const { order, branching, parent, detached, overlap, live, cutStart, cutEnd } = tree
  const { role, collectors, blocks } = table
  const { keep, samples } = blocks
  const learned = blocks.waits.dependencies?.learned
  const root = order[orderFrom]!
  collectors[0] = root
  role[root] = COLLECTOR
  table.collectorCount = 1
  for (let at = orderFrom; at < orderTo; at++) {
    const span = branching[at]!
    if (span < 0) break
    if (span !== root) {
      const p = parent[span]!
      if (keep[span] === 1) role[span] = COLLECTOR
      else if (detached[span] !== 0) role[span] = NOBODY
      else if (overlap[p] === 0 && learned?.[p] !== 1) role[span] = role[p] === NOBODY ? NOBODY : MEMBER
      if (role[span] === COLLECTOR) collectors[table.collectorCount++] = span
    }
    if (overlap[span] === 1 || (learned !== undefined && learned[span] === 1)) tellRoles(tree, table, span)
  }
  // Samples that waited for nothing, or take no time.
  for (const span of samples) {
    if (span === root || (live[span]! > 0 && cutEnd[span]! > cutStart[span]!)) continue
    collectors[table.collectorCount++] = span
  }
  return table.collectorCount
}

/** Of the children of a span: those in blocks are collectors, others members, or nobody if the span is. */
function tellRoles(tree: TraceTree, table: ReplayTable, span: number): void {
  const { child, live, cutStart, cutEnd } = tree
  const { role } = table
  const { keep } = table.blocks
  if (role[span] !== NOBODY) growBlockTable(table.blocks, tree.capacity)
  const block = blockOf(tree, table, span)
  const stop = endOfChildren(tree, span)
  while (nextGroup(tree, block, stop)) {
    const its = role[span] === NOBODY ? NOBODY : isBlock(block) ? COLLECTOR : MEMBER
    for (let slot = block.from; slot < block.to; slot++) {
      const c = child[slot]!
      role[c] = its
      // Not among those that branch, but its cells are looked at.
      if (its !== COLLECTOR || cutEnd[c] !== cutStart[c] || live[c] === 0 || keep[c] === 1) continue
      table.collectors[table.collectorCount++] = c
    }
  }
}

/**
 * Adds up what is below a collector, down to the next ones, and its own work. The table of another reading has the cells
 * of spans in which it may differ; those of others are `likely`'s.
 */
function addBelow(
  tree: TraceTree,
  table: ReplayTable,
  collector: number,
  likely: ReplayTable | undefined,
  others: Others | undefined,
): void {
  const { firstChild, child, live, overlap, cutStart, cutEnd } = tree
  const { open, blocks } = table
  const { cells, sums, keep } = blocks
  const learned = blocks.waits.dependencies?.learned
  open[0] = collector
  for (let count = 1; count > 0; ) {
    const span = open[--count]!
    let ownNs = cutEnd[span]! - cutStart[span]!
    // Nor does anything below it take time.
    if (ownNs === 0) continue
    const from = firstChild[span]!
    const to = from + live[span]!
    if (to > from && (overlap[span] === 1 || (learned !== undefined && learned[span] === 1))) {
      const block = blockOf(tree, table, span)
      while (nextGroup(tree, block, to)) {
        const c = child[block.from]!
        if (isBlock(block)) {
          ownNs -= block.endNs - block.startNs
          if (likely !== undefined) borrowCells(tree, blocks, block, likely, others!)
          addBlock(tree, blocks, block)
          dropCells(tree, blocks, block)
        } else {
          ownNs -= cutEnd[c]! - cutStart[c]!
          if (live[c] === 0) addOwn(blocks, c, cutEnd[c]! - cutStart[c]!)
          else if (keep[c] === 1) addCells(cellsOf(cells, c, likely, others), sums, c)
          else open[count++] = c
        }
      }
    } else {
      for (let slot = from; slot < to; slot++) {
        const c = child[slot]!
        const lengthNs = cutEnd[c]! - cutStart[c]!
        if (lengthNs === 0) continue
        ownNs -= lengthNs
        if (live[c] === 0) addOwn(blocks, c, lengthNs)
        else if (keep[c] === 1) addCells(cellsOf(cells, c, likely, others), sums, c)
        else open[count++] = c
      }
    }
    addOwn(blocks, span, ownNs)
  }
}

/** Own work of a span. */
function addOwn(blocks: BlockTable, span: number, ownNs: number): void {
  const k = columnOf(blocks, span)
  if (k >= 0 && ownNs > 0) addTo(blocks.sums, k, ownNs, ownNs)
}

/** Where the cells of a span are. */
function cellsOf(
  own: Cells,
  span: number,
  likely: ReplayTable | undefined,
  others: Others | undefined,
): Cells {
  return likely === undefined || others!.differIn[span] === 1 ? own : likely.blocks.cells
}

/** Copies the cells of children in which the reading does not differ. */
function borrowCells(
  tree: TraceTree,
  blocks: BlockTable,
  { from, to }: Block,
  likely: ReplayTable,
  { differIn }: Others,
): void {
  for (let slot = from; slot < to; slot++) {
    const c = tree.child[slot]!
    if (differIn[c] === 0 && !isLeaf(tree, blocks, c)) copyCells(likely.blocks.cells, blocks.cells, c)
  }
}

/** What was added up is needed no more, but for samples. */
function dropCells({ child }: TraceTree, { keep, cells }: BlockTable, { from, to }: Block): void {
  const { first, last } = cells
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (keep[c] === 0) last[c] = first[c]!
  }
}

/** Empty, before the first group of a span's children. */
function blockOf({ firstChild, cutStart }: TraceTree, table: ReplayTable, span: number): Block {
  const from = firstChild[span]!
  const startNs = cutStart[span]!
  return { span, learned: isLearned(table.blocks.waits, span), from, to: from, startNs, endNs: startNs }
}

function endOfChildren({ firstChild, live }: TraceTree, span: number): number {
  return firstChild[span]! + live[span]!
}

/** Children that run beside each other, or those of a learned span, whatever they do. */
function isBlock({ learned, from, to }: Block): boolean {
  return learned || to > from + 1
}

/**
 * Moves on to the next children up to one at whose end all have ended when the next starts: that one waited for all of
 * them, so times before and after add up. A learned span is one group.
 */
function nextGroup({ child, cutStart, cutEnd }: TraceTree, block: Block, stop: number): boolean {
  const from = block.to
  if (from >= stop) return false
  block.from = from
  block.startNs = block.endNs
  if (block.learned) {
    block.to = stop
    block.endNs = cutEnd[block.span]!
    return true
  }
  let endNs = cutEnd[child[from]!]!
  let to = from + 1
  for (; to < stop && cutStart[child[to]!]! < endNs; to++) {
    if (cutEnd[child[to]!]! > endNs) endNs = cutEnd[child[to]!]!
  }
  block.to = to
  block.endNs = endNs
  return true
}
