import type { TraceTree } from '../trace/tree.ts'
import { lastOnPath } from './critical-path.ts'
import { type Dependencies, endOf, lastWaitedFor } from './dependencies.ts'
import {
  type Block,
  createWaits,
  growWaits,
  isLearned,
  listWaits,
  scheduleBlock,
  type Waits,
} from './waits.ts'

/**
 * For every span of a root, the components on the span's own critical path: how much of it each has (`critical`, ns),
 * and how much shorter the span would be with the component's own work taking no time (`saved`, ns; never more than
 * `critical`, so that no other component needs a cell). Cells of span i are [first[i], last[i]), in no order.
 *
 * Both are local: they depend on the span's subtree only, so one pass from the leaves up answers every sample of the
 * root, entries and SERVER spans alike. Cells of a span that is no sample are gone when its parent has been done.
 */
export type ReplayTable = Waits & {
  /** Per span: place of its component. Components of places [firstPlace, firstPlace + places) are columns from 0 on. */
  placeOf: Int32Array
  firstPlace: number
  places: number
  /** Per span: 1: a sample, whose cells are kept. */
  keep: Uint8Array
  first: Int32Array
  last: Int32Array
  column: Int32Array
  critical: Float64Array
  saved: Float64Array
  /** Of the span at hand, and of the block at hand. */
  sums: Sums
  blockSums: Sums
  /** Per slot of the block at hand: length of the child. */
  left: Float64Array
  /** Per cell of the block's children: the next one of the same column (-1: none), and the child's slot. */
  next: Int32Array
  slot: Int32Array
}

/** Columns met, and for each its sums and its first cell among the children. */
type Sums = { met: number[]; critical: Float64Array; saved: Float64Array; cell: Int32Array }

function createSums(columns: number): Sums {
  const critical = new Float64Array(columns)
  return { met: [], critical, saved: new Float64Array(columns), cell: new Int32Array(columns) }
}

export function createReplayTable(dependencies: Dependencies | undefined): ReplayTable {
  const none = new Int32Array(0)
  const empty = new Float64Array(0)
  return {
    ...createWaits(dependencies),
    placeOf: none,
    firstPlace: 0,
    places: 0,
    keep: new Uint8Array(0),
    first: none,
    last: none,
    column: none,
    critical: empty,
    saved: empty,
    sums: createSums(0),
    blockSums: createSums(0),
    left: empty,
    next: none,
    slot: none,
  }
}

/** Makes room for so many spans and columns. */
function growReplayTable(table: ReplayTable, spans: number, columns: number): void {
  growWaits(table, spans)
  if (table.first.length < spans) {
    for (const name of ['first', 'last'] as const) table[name] = new Int32Array(spans)
    table.left = new Float64Array(spans)
  }
  if (table.sums.critical.length < columns) {
    table.sums = createSums(columns)
    table.blockSums = createSums(columns)
  }
}

/** Column of a span's component, -1: not among those asked for. */
function columnOf({ placeOf, firstPlace, places }: ReplayTable, span: number): number {
  const column = placeOf[span]! - firstPlace
  return column >= 0 && column < places ? column : -1
}

/** Fills the cells of `order[orderFrom..orderTo)`; places, their range and what to keep are to be set. */
export function replayAll(tree: TraceTree, table: ReplayTable, orderFrom: number, orderTo: number): void {
  growReplayTable(table, tree.capacity, table.places)
  const { order, parent, live, cutStart, cutEnd } = tree
  const { first, last, sums } = table
  let { column, critical, saved } = table
  let cells = 0
  // Spans from `doneAt` on have a parent that is done: order lists the children of one parent after each other, and
  // those of parents that come later after those of parents that come before.
  let doneAt = orderTo
  let packed: Packed = { at: orderTo, cells: 0 }
  for (let at = orderTo - 1; at >= orderFrom; at--) {
    const span = order[at]!
    if (cells + table.places > column.length) {
      const end = packCells(tree, table, packed, at + 1, doneAt)
      packed = end.packed
      cells = end.cells
      if (2 * (cells + table.places) > column.length) {
        widenCells(table, cells + table.places)
        ;({ column, critical, saved } = table)
      }
    }
    first[span] = cells
    if (live[span] === 0) {
      const lengthNs = cutEnd[span]! - cutStart[span]!
      const k = columnOf(table, span)
      if (k >= 0 && lengthNs > 0) {
        column[cells] = k
        critical[cells] = lengthNs
        saved[cells++] = lengthNs
      }
    } else {
      addChildren(tree, table, span)
      for (let k = sums.met.pop(); k !== undefined; k = sums.met.pop()) {
        column[cells] = k
        critical[cells] = sums.critical[k]!
        saved[cells++] = sums.saved[k]!
        sums.critical[k] = 0
        sums.saved[k] = 0
      }
    }
    last[span] = cells
    while (doneAt > at + 1 && parent[order[doneAt - 1]!] === span) doneAt--
  }
}

/** The cells of spans from `at` on in the order are as they will be, and so many. */
type Packed = { at: number; cells: number }

/** Moves the cells of `order[from..packed.at)` together, but for those that are needed no more. */
function packCells(
  { order }: TraceTree,
  { keep, first, last, column, critical, saved }: ReplayTable,
  packed: Packed,
  from: number,
  doneAt: number,
): { packed: Packed; cells: number } {
  let { cells } = packed
  let kept = cells
  for (let at = packed.at - 1; at >= from; at--) {
    const span = order[at]!
    if (at === doneAt - 1) kept = cells
    const start = cells
    if (at < doneAt || keep[span] === 1) {
      for (let cell = first[span]!; cell < last[span]!; cell++) {
        column[cells] = column[cell]!
        critical[cells] = critical[cell]!
        saved[cells++] = saved[cell]!
      }
    }
    first[span] = start
    last[span] = cells
  }
  return { packed: { at: Math.max(from, doneAt), cells: doneAt > from ? kept : cells }, cells }
}

/** A small table stays in the processor's cache. */
const LEAST_CELLS = 4096

function widenCells(table: ReplayTable, cells: number): void {
  const length = Math.max(LEAST_CELLS, 2 * cells, 2 * table.column.length)
  for (const name of ['column', 'next', 'slot'] as const) {
    const wider = new Int32Array(length)
    wider.set(table[name])
    table[name] = wider
  }
  for (const name of ['critical', 'saved'] as const) {
    const wider = new Float64Array(length)
    wider.set(table[name])
    table[name] = wider
  }
}

function addTo(sums: Sums, k: number, criticalNs: number, savedNs: number): void {
  if (sums.critical[k] === 0) sums.met.push(k)
  sums.critical[k]! += criticalNs
  sums.saved[k]! += savedNs
}

/**
 * Adds up a span over its live children. Where all children up to one have ended when the next starts, that one waited
 * for all of them: times before and after add up, and only children in between that overlap need a schedule.
 */
function addChildren(tree: TraceTree, table: ReplayTable, span: number): void {
  const { firstChild, child, live, cutStart, cutEnd } = tree
  const { first, last, column, critical, saved, sums } = table
  const from = firstChild[span]!
  const to = from + live[span]!
  let moment = cutStart[span]!
  if (isLearned(table, span)) {
    addBlock(tree, table, { span, learned: true, from, to, startNs: moment, endNs: cutEnd[span]! })
    return
  }
  let ownNs = 0
  for (let slot = from; slot < to; ) {
    const c = child[slot]!
    let end = cutEnd[c]!
    let next = slot + 1
    for (; next < to && cutStart[child[next]!]! < end; next++) {
      if (cutEnd[child[next]!]! > end) end = cutEnd[child[next]!]!
    }
    if (next === slot + 1) {
      ownNs += cutStart[c]! - moment
      for (let cell = first[c]!, stop = last[c]!; cell < stop; cell++) {
        addTo(sums, column[cell]!, critical[cell]!, saved[cell]!)
      }
    } else addBlock(tree, table, { span, learned: false, from: slot, to: next, startNs: moment, endNs: end })
    moment = end
    slot = next
  }
  ownNs += cutEnd[span]! - moment
  const k = columnOf(table, span)
  if (k >= 0 && ownNs > 0) addTo(sums, k, ownNs, ownNs)
}

/** Re-schedules a block, once a column that is on its path. */
function addBlock(tree: TraceTree, table: ReplayTable, block: Block): void {
  const { left, saved, sums, blockSums, next, slot } = table
  const own = columnOf(table, block.span)
  addPath(tree, table, block)
  listCells(tree, table, block)
  const tail = listWaits(tree, table, block)
  const lengthNs = block.endNs - block.startNs
  for (let k = blockSums.met.pop(); k !== undefined; k = blockSums.met.pop()) {
    const head = blockSums.cell[k]!
    for (let cell = head; cell >= 0; cell = next[cell]!) left[slot[cell]!]! -= saved[cell]!
    const works = own === k ? 0 : 1
    const savedNs = lengthNs - scheduleBlock(tree, table, block, left, works, tail)
    for (let cell = head; cell >= 0; cell = next[cell]!) left[slot[cell]!]! += saved[cell]!
    addTo(sums, k, blockSums.critical[k]!, savedNs)
    blockSums.critical[k] = 0
  }
}

/** The critical path through a block, backwards from its end: leaves what is on it in `blockSums.critical`. */
function addPath(tree: TraceTree, table: ReplayTable, block: Block): void {
  const { byEnd, cutStart, cutEnd } = tree
  const { first, last, column, critical, blockSums, dependencies } = table
  const { span, learned, from, to, startNs } = block
  let moment = block.endNs
  let ownNs = 0
  let slot = learned ? endOf(dependencies!, span) : to
  for (;;) {
    let c = -1
    if (learned) {
      c = lastWaitedFor(tree, dependencies!, span, slot)
      if (c >= 0) slot = dependencies!.slotOf[c]!
    } else {
      slot = lastOnPath(tree, from, slot, moment)
      if (slot >= from) c = byEnd[slot]!
    }
    if (c < 0) break
    ownNs += moment - cutEnd[c]!
    moment = cutStart[c]!
    for (let cell = first[c]!; cell < last[c]!; cell++) addTo(blockSums, column[cell]!, critical[cell]!, 0)
  }
  ownNs += moment - startNs
  const k = columnOf(table, span)
  if (k >= 0 && ownNs > 0) addTo(blockSums, k, ownNs, 0)
}

/** Lengths of the block's children, and their cells by column, of the columns on its path. */
function listCells(tree: TraceTree, table: ReplayTable, { from, to }: Block): void {
  const { child, cutStart, cutEnd } = tree
  const { first, last, column, blockSums, left, next, slot: slotOf } = table
  for (const k of blockSums.met) blockSums.cell[k] = -1
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    left[slot] = cutEnd[c]! - cutStart[c]!
    for (let cell = first[c]!; cell < last[c]!; cell++) {
      const k = column[cell]!
      if (blockSums.critical[k] === 0) continue
      slotOf[cell] = slot
      next[cell] = blockSums.cell[k]!
      blockSums.cell[k] = cell
    }
  }
}
