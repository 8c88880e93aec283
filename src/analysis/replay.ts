import type { TraceTree } from '../trace/tree.ts'
import type { Dependencies } from './dependencies.ts'
import { addBlock, type BlockTable, createBlockTable, growBlockTable, growColumns } from './replay-block.ts'
import { addCells, addTo, growCells, makeCellRoom, takeCell, takeSums } from './replay-cells.ts'
import { type Block, isLearned } from './waits.ts'

/**
 * What replaying every component of a root gives (see replay-cells.ts), for the spans it is kept of.
 *
 * Cells are local: they depend on a span's subtree only, so one pass from the leaves up answers every sample of the
 * root, entries and SERVER spans alike. Only few spans need cells of their own: samples, and children that overlap,
 * which are re-scheduled together. Between these, times add up: the own work of a span goes straight to the nearest such
 * **collector** above it.
 */
export type ReplayTable = {
  blocks: BlockTable
  /** Per span: 1: a sample, whose cells are kept. */
  keep: Uint8Array
  /** Per span: its collector, which may be itself; NOBODY: not waited for, and in no sample. */
  collector: Int32Array
  /** The collectors, parents first. */
  collectors: Int32Array
  /** A list for each collector: other spans that add their own work, and samples that add their cells. */
  firstMember: Int32Array
  nextMember: Int32Array
  /** Per span: length without that of its children, and without the blocks that they are in. */
  ownNs: Float64Array
  /** Per span: 1: some of its children are in blocks. */
  hasBlocks: Uint8Array
}

const NOBODY = -1

export function createReplayTable(dependencies: Dependencies | undefined): ReplayTable {
  const none = new Int32Array(0)
  return {
    blocks: createBlockTable(dependencies),
    keep: new Uint8Array(0),
    collector: none,
    collectors: none,
    firstMember: none,
    nextMember: none,
    ownNs: new Float64Array(0),
    hasBlocks: new Uint8Array(0),
  }
}

/** Makes room for so many spans. */
function growReplayTable(table: ReplayTable, spans: number): void {
  growCells(table.blocks.cells, spans)
  if (table.collector.length >= spans) return
  table.collector = new Int32Array(spans)
  table.collectors = new Int32Array(spans)
  table.firstMember = new Int32Array(spans)
  table.nextMember = new Int32Array(spans)
  table.ownNs = new Float64Array(spans)
  table.hasBlocks = new Uint8Array(spans)
}

/**
 * Fills the cells of `order[orderFrom..orderTo)`; places, their range and what to keep are to be set. False: given up,
 * as there are more than `mostCells` at a time (dropped ones may count).
 */
export function replayAll(
  tree: TraceTree,
  table: ReplayTable,
  orderFrom: number,
  orderTo: number,
  mostCells: number,
): boolean {
  growReplayTable(table, tree.capacity)
  growColumns(table.blocks)
  const count = listMembers(tree, table, orderFrom, orderTo)
  const { live } = tree
  const { collectors, collector, firstMember, nextMember, ownNs, hasBlocks } = table
  const { cells, sums, placeOf, firstPlace, places } = table.blocks
  cells.count = 0
  cells.holderCount = 0
  for (let i = count - 1; i >= 0; i--) {
    const span = collectors[i]!
    let member = firstMember[span]!
    const k = placeOf[span]! - firstPlace
    const counted = k >= 0 && k < places
    if (live[span] === 0 && counted && ownNs[span]! > 0) {
      makeCellRoom(cells, 1)
      takeCell(cells, span, k, ownNs[span]!)
      continue
    }
    if (counted && ownNs[span]! > 0) addTo(sums, k, ownNs[span]!, ownNs[span]!)
    if (hasBlocks[span] === 1) addBlocks(tree, table, span)
    for (; member >= 0; member = nextMember[member]!) {
      if (collector[member] !== span) addCells(cells, sums, member)
      else {
        const k = placeOf[member]! - firstPlace
        if (k >= 0 && k < places && ownNs[member]! > 0) addTo(sums, k, ownNs[member]!, ownNs[member]!)
        if (hasBlocks[member] === 1) addBlocks(tree, table, member)
      }
    }
    makeCellRoom(cells, sums.count)
    takeSums(cells, sums, span)
    if (cells.count > mostCells) return false
  }
  return true
}

/** Who adds what to whom, parents first; returns how many `collectors` there are. */
function listMembers(tree: TraceTree, table: ReplayTable, orderFrom: number, orderTo: number): number {
  const { order, parent, detached, overlap, live, cutStart, cutEnd } = tree
  const { keep, collectors, collector, firstMember, nextMember, ownNs, hasBlocks } = table
  const learned = table.blocks.waits.dependencies?.learned
  let count = 0
  for (let at = orderFrom; at < orderTo; at++) {
    const span = order[at]!
    const lengthNs = cutEnd[span]! - cutStart[span]!
    let its = span
    if (at > orderFrom) {
      const p = parent[span]!
      its = collector[p]!
      if (detached[span] !== 0) its = NOBODY
      else if (its !== NOBODY) {
        if (hasBlocks[p] === 1) its = collector[span]!
        else ownNs[p]! -= lengthNs
        if (its !== span) {
          nextMember[span] = firstMember[its]!
          firstMember[its] = span
        }
      }
      if (keep[span] === 1) its = span
    }
    collector[span] = its
    if (its === NOBODY) continue
    ownNs[span] = lengthNs
    hasBlocks[span] = 0
    if (its === span) {
      collectors[count++] = span
      firstMember[span] = -1
    }
    if (overlap[span] === 1 || (learned !== undefined && live[span]! > 0 && learned[span] === 1)) {
      findBlocks(tree, table, span)
    }
  }
  return count
}

/** Tells apart which children of a span are in blocks, and what time is left for its own work outside of them. */
function findBlocks(tree: TraceTree, table: ReplayTable, span: number): void {
  const { child, cutStart, cutEnd } = tree
  const { collector, ownNs, hasBlocks } = table
  const block = blockOf(tree, table, span)
  const stop = endOfChildren(tree, span)
  let leftNs = ownNs[span]!
  let found = false
  while (nextGroup(tree, block, stop)) {
    const { from, to } = block
    if (isBlock(block)) {
      found = true
      leftNs -= block.endNs - block.startNs
      for (let slot = from; slot < to; slot++) collector[child[slot]!] = child[slot]!
    } else {
      const c = child[from]!
      leftNs -= cutEnd[c]! - cutStart[c]!
      collector[c] = collector[span]!
    }
  }
  if (!found) return
  ownNs[span] = leftNs
  hasBlocks[span] = 1
  growBlockTable(table.blocks, tree.capacity)
}

function addBlocks(tree: TraceTree, table: ReplayTable, span: number): void {
  const block = blockOf(tree, table, span)
  const stop = endOfChildren(tree, span)
  while (nextGroup(tree, block, stop)) {
    if (!isBlock(block)) continue
    addBlock(tree, table.blocks, block)
    dropCells(tree, table, block)
  }
}

/** What was added up is needed no more, but for samples. */
function dropCells({ child }: TraceTree, { keep, blocks }: ReplayTable, { from, to }: Block): void {
  const { first, last } = blocks.cells
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
