import type { TraceTree } from '../trace/tree.ts'
import { type BlockTable, columnOf, isLeaf } from './block-table.ts'
import { lastOnPath } from './critical-path.ts'
import { endOf, lastWaitedFor } from './dependencies.ts'
import { addTo, type Sums } from './replay-cells.ts'
import { fillLanes, LANES, scheduleLanes } from './replay-lanes.ts'
import { type Block, listWaits, scheduleBlock } from './waits.ts'

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
  const leaf = isLeaf(tree, table, c)
  const lengthNs = endNs - cutStart[c]!
  const end = leaf ? 1 : last[c]!
  let open = 0
  for (let cell = leaf ? 0 : first[c]!; cell < end; cell++) {
    const k = leaf ? columnOf(table, c) : column[cell]!
    if (leaf && (k < 0 || lengthNs === 0)) continue
    const criticalNs = leaf ? lengthNs : critical[cell]!
    const savedNs = leaf ? lengthNs : saved[cell]!
    if (k === own) {
      ownNs += criticalNs
      continue
    }
    const withoutNs = endNs - savedNs
    if (withoutNs >= nextEndNs) addTo(sums, k, criticalNs, savedNs)
    else {
      addTo(sums, k, criticalNs, 0)
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
    if (isLeaf(tree, table, c)) {
      if (columnOf(table, c) === k) continue
    } else {
      for (let cell = first[c]!; cell < last[c]!; cell++) if (column[cell] === k) lengthNs -= saved[cell]!
    }
    if (lengthNs > longest) longest = lengthNs
  }
  return longest
}

/** What is saved of the columns `touched[0..open)`, whose child on the path (`slot` by end) would end at `latestNs`. */
function addOpen(tree: TraceTree, table: BlockTable, block: Block, slot: number, open: number): void {
  const { byEnd, cutStart, cutEnd } = tree
  const { sums, touched, latestNs, endNs } = table
  const { first, last, column, saved } = table.cells
  for (let i = 0; i < open; i++) endNs[touched[i]!] = OPEN
  for (let at = block.to - 1; at >= block.from && open > 0; at--) {
    if (at === slot) continue
    const c = byEnd[at]!
    const keptNs = cutEnd[c]!
    if (isLeaf(tree, table, c)) {
      const k = columnOf(table, c)
      if (k >= 0 && endNs[k] === OPEN) endNs[k] = cutStart[c]!
    } else {
      for (let cell = first[c]!; cell < last[c]!; cell++) {
        if (endNs[column[cell]!] === OPEN) endNs[column[cell]!] = keptNs - saved[cell]!
      }
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
  // The parent's own comes last: without it nothing lies between the children.
  let columns = 0
  for (let i = 0; i < count; i++) if (touched[i] !== own) touched[columns++] = touched[i]!
  // From the last first touch down: what an earlier schedule has left behind is then written anew.
  let i = columns
  if (columns >= LANES) {
    if (table.lanes.finish.length < LANES * tree.capacity) {
      table.lanes.finish = new Float64Array(LANES * tree.capacity)
    }
    const { endNs } = table.lanes
    fillLanes(tree, table, block.from, table.touchSlot[table.firstTouch[touched[i - LANES]!]!]!)
    for (; i >= LANES; i -= LANES) {
      scheduleLanes(tree, table, block, i - LANES)
      for (let lane = 0; lane < LANES; lane++) {
        const k = touched[i - LANES + lane]!
        addTo(sums, k, path.critical[k]!, block.endNs - endNs[lane]!)
      }
    }
  }
  while (i > 0) {
    const k = touched[--i]!
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
    if (isLeaf(tree, table, c)) {
      const k = columnOf(table, c)
      const lengthNs = cutEnd[c]! - cutStart[c]!
      if (k >= 0 && lengthNs > 0) addTo(path, k, lengthNs, 0)
    } else {
      for (let cell = first[c]!; cell < last[c]!; cell++) addTo(path, column[cell]!, critical[cell]!, 0)
    }
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
    const leaf = isLeaf(tree, table, c)
    const end = leaf ? 1 : last[c]!
    for (let cell = leaf ? 0 : first[c]!; cell < end; cell++) {
      const k = leaf ? columnOf(table, c) : column[cell]!
      const savedNs = leaf ? left[slot]! : saved[cell]!
      if (leaf && (k < 0 || savedNs === 0)) continue
      if (path.critical[k] === 0) continue
      if (firstTouch[k]! < 0) {
        firstTouch[k] = touches
        touched[columns++] = k
      } else touchNext[lastTouch[k]!] = touches
      lastTouch[k] = touches
      touchNs[touches] = savedNs
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
