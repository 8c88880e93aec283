import type { TraceTree } from '../trace/tree.ts'
import { lastOnPath } from './critical-path.ts'
import { type Dependencies, endOf, lastWaitedFor } from './dependencies.ts'
import { addTo, type Cells, createCells, createSums, lendCell, type Sums } from './replay-cells.ts'
import { type Block, createWaits, growWaits, listWaits, scheduleBlock, type Waits } from './waits.ts'

/** Room for re-scheduling children that overlap, whose cells are known; what comes out is added to `sums`. */
export type BlockTable = {
  waits: Waits
  cells: Cells
  /** Per span: place of its component. Components of places [firstPlace, firstPlace + places) are columns from 0 on. */
  placeOf: Int32Array
  firstPlace: number
  places: number
  /** Per span: 1: a sample, whose cells are kept. */
  keep: Uint8Array
  /** Of the collector at hand, and of the path through the block at hand. */
  sums: Sums
  path: Sums
  /** Per column on the path: first and last of its touches, the first of its columns' touches (-1: none). */
  firstTouch: Int32Array
  lastTouch: Int32Array
  /** Columns by their first touch. */
  touched: Int32Array
  /** A cell of a child, by column in the order of slots: how much shorter the child in `touchSlot` would be. */
  touchNs: Float64Array
  touchSlot: Int32Array
  touchNext: Int32Array
  /** Per column: when all would have ended, by the children looked at; when the child at hand would. */
  latestNs: Float64Array
  endNs: Float64Array
  /** Per slot: length of the child; the latest end of those before it. */
  left: Float64Array
  latestBefore: Float64Array
}

export function createBlockTable(dependencies: Dependencies | undefined): BlockTable {
  const none = new Int32Array(0)
  const empty = new Float64Array(0)
  return {
    waits: createWaits(dependencies),
    cells: createCells(),
    placeOf: none,
    firstPlace: 0,
    places: 0,
    keep: new Uint8Array(0),
    sums: createSums(0),
    path: createSums(0),
    firstTouch: none,
    lastTouch: none,
    touched: none,
    touchNs: empty,
    touchSlot: none,
    touchNext: none,
    latestNs: empty,
    endNs: empty,
    left: empty,
    latestBefore: empty,
  }
}

/** Makes room for blocks among so many spans. */
export function growBlockTable(table: BlockTable, spans: number): void {
  growWaits(table.waits, spans)
  if (table.left.length >= spans) return
  table.left = new Float64Array(spans)
  table.latestBefore = new Float64Array(spans)
}

/** Makes room for the columns asked for; components come to be while traces are assembled, so for some more. */
export function growColumns(table: BlockTable): void {
  if (table.latestNs.length >= table.places) return
  const columns = 2 * table.places
  table.sums = createSums(columns)
  table.path = createSums(columns)
  table.firstTouch = new Int32Array(columns)
  table.lastTouch = new Int32Array(columns)
  table.touched = new Int32Array(columns)
  table.latestNs = new Float64Array(columns)
  table.endNs = new Float64Array(columns)
}

/** Column of a span's component, -1: not among those asked for. */
export function columnOf({ placeOf, firstPlace, places }: BlockTable, span: number): number {
  const column = placeOf[span]! - firstPlace
  return column >= 0 && column < places ? column : -1
}

/** Makes up the cell of a leaf; other children have theirs. */
function openCells({ live, cutStart, cutEnd }: TraceTree, table: BlockTable, c: number): void {
  if (live[c]! > 0 || table.keep[c] === 1) return
  const k = columnOf(table, c)
  const lengthNs = cutEnd[c]! - cutStart[c]!
  if (k >= 0 && lengthNs > 0) lendCell(table.cells, c, k, lengthNs)
  else table.cells.last[c] = table.cells.first[c]!
}

/** Adds the path through a block, and what is saved of it without the work of each component on the path. */
export function addBlock(tree: TraceTree, table: BlockTable, block: Block): void {
  if (block.learned) addLearned(tree, table, block)
  else if (runsBeside(tree, block)) addBeside(tree, table, block)
  else addTangle(tree, table, block)
}

/** Whether all children were running at one moment: none waited for another. */
function runsBeside({ child, byEnd, cutStart, cutEnd }: TraceTree, { from, to }: Block): boolean {
  return cutEnd[byEnd[from]!]! > cutStart[child[to - 1]!]!
}

/**
 * The path goes over the child that ends last. Without the work of one of its components another child may end last:
 * they are looked at from the latest end down, until one ends no earlier than what was found, or keeps its end.
 */
function addBeside(tree: TraceTree, table: BlockTable, block: Block): void {
  const { byEnd, cutStart, cutEnd } = tree
  const { sums, touched, latestNs } = table
  const { first, last, column, critical, saved } = table.cells
  const { from, to, startNs, endNs } = block
  let slot = to - 1
  while (slot > from && cutEnd[byEnd[slot - 1]!]! === endNs) slot--
  const c = byEnd[slot]!
  const nextEndNs = slot < to - 1 ? endNs : cutEnd[byEnd[slot - 1]!]!
  const own = columnOf(table, block.span)
  let ownNs = own < 0 ? 0 : cutStart[c]! - startNs
  openCells(tree, table, c)
  let open = 0
  for (let cell = first[c]!; cell < last[c]!; cell++) {
    const k = column[cell]!
    if (k === own) {
      ownNs += critical[cell]!
      continue
    }
    const withoutNs = endNs - saved[cell]!
    if (withoutNs >= nextEndNs) addTo(sums, k, critical[cell]!, saved[cell]!)
    else {
      addTo(sums, k, critical[cell]!, 0)
      latestNs[k] = withoutNs
      touched[open++] = k
    }
  }
  if (ownNs > 0) addTo(sums, own, ownNs, endNs - startNs - longestWithout(tree, table, block, own))
  if (open > 0) addOpen(tree, table, block, slot, open)
}

/** Length of the longest child without the work of a component. */
function longestWithout(tree: TraceTree, table: BlockTable, { from, to }: Block, k: number): number {
  const { child, cutStart, cutEnd } = tree
  const { first, last, column, saved } = table.cells
  let longest = 0
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    let lengthNs = cutEnd[c]! - cutStart[c]!
    if (lengthNs <= longest) continue
    openCells(tree, table, c)
    for (let cell = first[c]!; cell < last[c]!; cell++) if (column[cell] === k) lengthNs -= saved[cell]!
    if (lengthNs > longest) longest = lengthNs
  }
  return longest
}

/** What is saved of the columns `touched[0..open)`, whose child on the path (`slot` by end) would end at `latestNs`. */
function addOpen(tree: TraceTree, table: BlockTable, block: Block, slot: number, open: number): void {
  const { byEnd, cutEnd } = tree
  const { sums, touched, latestNs, endNs } = table
  const { first, last, column, saved } = table.cells
  for (let i = 0; i < open; i++) endNs[touched[i]!] = OPEN
  for (let at = block.to - 1; at >= block.from && open > 0; at--) {
    if (at === slot) continue
    const c = byEnd[at]!
    const keptNs = cutEnd[c]!
    openCells(tree, table, c)
    for (let cell = first[c]!; cell < last[c]!; cell++) {
      if (endNs[column[cell]!] === OPEN) endNs[column[cell]!] = keptNs - saved[cell]!
    }
    let left = 0
    for (let i = 0; i < open; i++) {
      const k = touched[i]!
      const withoutNs = endNs[k] === OPEN ? keptNs : endNs[k]!
      if (withoutNs > latestNs[k]!) latestNs[k] = withoutNs
      if (latestNs[k]! < keptNs) {
        touched[left++] = k
        endNs[k] = OPEN
      } else {
        sums.saved[k]! += block.endNs - latestNs[k]!
        endNs[k] = CLOSED
      }
    }
    open = left
  }
  for (let i = 0; i < open; i++) {
    sums.saved[touched[i]!]! += block.endNs - latestNs[touched[i]!]!
    endNs[touched[i]!] = CLOSED
  }
}

/** In `endNs`, where there is no time. */
const CLOSED = -1
const OPEN = -2

/** Some waited for others: what is before the first child that a column touches stays where it is. */
function addTangle(tree: TraceTree, table: BlockTable, block: Block): void {
  const { path, sums, touched } = table
  const own = columnOf(table, block.span)
  addPath(tree, table, block)
  const count = listTouches(tree, table, block)
  listWaits(tree, table.waits, block)
  // From the last first touch down: what an earlier schedule has left behind is then written anew.
  for (let i = count - 1; i >= 0; i--) {
    const k = touched[i]!
    if (k === own) continue
    addTo(sums, k, path.critical[k]!, block.endNs - endWithout(tree, table, block, k))
  }
  if (own >= 0 && path.critical[own]! > 0) {
    addTo(
      sums,
      own,
      path.critical[own]!,
      block.endNs - block.startNs - lengthWithoutOwn(tree, table, block, own),
    )
  }
  clearPath(path)
}

/** When a block would end without the work of a component, which is not that of its parent. */
function endWithout(tree: TraceTree, table: BlockTable, block: Block, k: number): number {
  const { child, byEnd, cutEnd } = tree
  const { left, firstTouch, touchSlot, touchNs, touchNext, latestBefore } = table
  const { waits, gap, finish } = table.waits
  const { from, to, startNs } = block
  let touch = firstTouch[k]!
  const begin = touchSlot[touch]!
  let waited = waits[begin]!
  let readyNs = waited > from ? cutEnd[byEnd[waited - 1]!]! : startNs
  let latestNs = latestBefore[begin]!
  for (let slot = begin; slot < to; slot++) {
    for (const until = waits[slot]!; waited < until; waited++) {
      const finished = finish[byEnd[waited]!]!
      if (finished > readyNs) readyNs = finished
    }
    let endNs = readyNs + gap[slot]! + left[slot]!
    if (touch >= 0 && touchSlot[touch] === slot) {
      endNs -= touchNs[touch]!
      touch = touchNext[touch]!
    }
    finish[child[slot]!] = endNs
    if (endNs > latestNs) latestNs = endNs
  }
  return latestNs
}

/** How long a block would take without the work of its parent's component: nothing lies between children. */
function lengthWithoutOwn(tree: TraceTree, table: BlockTable, block: Block, own: number): number {
  const { child, byEnd } = tree
  const { left, firstTouch, touchSlot, touchNs, touchNext } = table
  const { waits, finish } = table.waits
  const { from, to } = block
  let touch = firstTouch[own]!
  let waited = from
  let ready = 0
  let latest = 0
  for (let slot = from; slot < to; slot++) {
    for (const until = waits[slot]!; waited < until; waited++) {
      const finished = finish[byEnd[waited]!]!
      if (finished > ready) ready = finished
    }
    let end = ready + left[slot]!
    if (touch >= 0 && touchSlot[touch] === slot) {
      end -= touchNs[touch]!
      touch = touchNext[touch]!
    }
    finish[child[slot]!] = end
    if (end > latest) latest = end
  }
  return latest
}

/** A learned span, re-scheduled once a column that is on its path. */
function addLearned(tree: TraceTree, table: BlockTable, block: Block): void {
  const { left, sums, path, firstTouch } = table
  const own = columnOf(table, block.span)
  addPath(tree, table, block)
  listTouches(tree, table, block)
  const { touchNs, touchSlot, touchNext } = table
  const tail = listWaits(tree, table.waits, block)
  for (let i = 0; i < path.count; i++) {
    const k = path.met[i]!
    const head = firstTouch[k]!
    for (let touch = head; touch >= 0; touch = touchNext[touch]!) {
      left[touchSlot[touch]!]! -= touchNs[touch]!
    }
    const lengthNs = scheduleBlock(tree, table.waits, block, left, own === k ? 0 : 1, tail)
    for (let touch = head; touch >= 0; touch = touchNext[touch]!) {
      left[touchSlot[touch]!]! += touchNs[touch]!
    }
    addTo(sums, k, path.critical[k]!, block.endNs - block.startNs - lengthNs)
  }
  clearPath(path)
}

/** The critical path through a block, backwards from its end: leaves what is on it in `path.critical`. */
function addPath(tree: TraceTree, table: BlockTable, block: Block): void {
  const { byEnd, cutStart, cutEnd } = tree
  const { path } = table
  const { first, last, column, critical } = table.cells
  const { dependencies } = table.waits
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
    openCells(tree, table, c)
    for (let cell = first[c]!; cell < last[c]!; cell++) addTo(path, column[cell]!, critical[cell]!, 0)
  }
  ownNs += moment - startNs
  const k = columnOf(table, span)
  if (k >= 0 && ownNs > 0) addTo(path, k, ownNs, 0)
}

function clearPath(path: Sums): void {
  for (let i = 0; i < path.count; i++) path.critical[path.met[i]!] = 0
  path.count = 0
}

/**
 * Lists the cells of the block's children by column, of the columns on its path; times of the children as they are.
 * Returns how many columns are `touched`.
 */
function listTouches(tree: TraceTree, table: BlockTable, { from, to, startNs }: Block): number {
  growTouches(table, table.cells.count + to - from)
  const { child, cutStart, cutEnd } = tree
  const { path, left, latestBefore, firstTouch, lastTouch, touched } = table
  const { first, last, column, saved } = table.cells
  const { finish } = table.waits
  const { touchNs, touchSlot, touchNext } = table
  for (let i = 0; i < path.count; i++) firstTouch[path.met[i]!] = -1
  let touches = 0
  let columns = 0
  let latestNs = startNs
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    left[slot] = cutEnd[c]! - cutStart[c]!
    finish[c] = cutEnd[c]!
    latestBefore[slot] = latestNs
    if (cutEnd[c]! > latestNs) latestNs = cutEnd[c]!
    openCells(tree, table, c)
    for (let cell = first[c]!; cell < last[c]!; cell++) {
      const k = column[cell]!
      if (path.critical[k] === 0) continue
      if (firstTouch[k]! < 0) {
        firstTouch[k] = touches
        touched[columns++] = k
      } else touchNext[lastTouch[k]!] = touches
      lastTouch[k] = touches
      touchNs[touches] = saved[cell]!
      touchSlot[touches] = slot
      touchNext[touches++] = -1
    }
  }
  return columns
}

function growTouches(table: BlockTable, touches: number): void {
  if (table.touchNs.length >= touches) return
  const length = 2 * touches
  table.touchNs = new Float64Array(length)
  table.touchSlot = new Int32Array(length)
  table.touchNext = new Int32Array(length)
}
