import { comesBefore } from '../trace/settle.ts'
import { SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { type Dependencies, endOf, FROM_PARENT, lastWaitedFor, NO_WORK, readyAt } from './dependencies.ts'

/**
 * For every span of a root and a handful of components at once: how much shorter the span would be with the
 * component's own work taking no time (`saved`), and how much of the span's own critical path the component has
 * (`critical`). Row i, column k of both is [i * width + k].
 *
 * Both are local: they depend on the span's subtree only, so one pass from the leaves up answers every sample of the
 * root, entries and SERVER spans alike.
 */
export type ReplayTable = {
  width: number
  saved: Float64Array
  critical: Float64Array
  /** Per span: column of its component, -1: not among those asked for. */
  column: Int32Array
} & Waits

/** Scratch, per span: when a child would begin and end; per slot: which siblings a child waited for, its own gap. */
type Waits = {
  begin: Float64Array
  finish: Float64Array
  waits: Int32Array
  gap: Float64Array
  /** Of the root at hand, where they were learned. */
  dependencies: Dependencies | undefined
}

export function createReplayTable(dependencies: Dependencies | undefined): ReplayTable {
  return {
    dependencies,
    width: 0,
    saved: new Float64Array(0),
    critical: new Float64Array(0),
    column: new Int32Array(0),
    begin: new Float64Array(0),
    finish: new Float64Array(0),
    waits: new Int32Array(0),
    gap: new Float64Array(0),
  }
}

export function growReplayTable(table: ReplayTable, spans: number, width: number): void {
  if (table.column.length < spans) {
    table.column = new Int32Array(spans)
    table.begin = new Float64Array(spans)
    table.finish = new Float64Array(spans)
    table.waits = new Int32Array(spans)
    table.gap = new Float64Array(spans)
  }
  if (table.saved.length < spans * width) {
    table.saved = new Float64Array(spans * width)
    table.critical = new Float64Array(spans * width)
  }
  table.width = width
}

/**
 * Fills the rows of `order[orderFrom..orderTo)`; `column` must be set for them. Leaves have no row (their parents see
 * that they are leaves), unless they are SERVERs, which may be samples, or the root.
 */
export function replayAll(tree: TraceTree, table: ReplayTable, orderFrom: number, orderTo: number): void {
  const { order, live, kind } = tree
  for (let at = orderTo - 1; at >= orderFrom; at--) {
    const span = order[at]!
    if (live[span] === 0) {
      if (kind[span] === SERVER || at === orderFrom) fillLeaf(tree, table, span)
    } else if (!isLearned(table, span) && isSequence(tree, span)) {
      addSequence(tree, table, span)
    } else {
      clearRow(table, span)
      addCriticalChildren(tree, table, span)
      reschedule(tree, table, span)
    }
  }
}

function clearRow(table: ReplayTable, span: number): void {
  const { width, saved, critical } = table
  const end = span * width + width
  for (let cell = span * width; cell < end; cell++) {
    saved[cell] = 0
    critical[cell] = 0
  }
}

function fillLeaf(tree: TraceTree, table: ReplayTable, span: number): void {
  clearRow(table, span)
  const own = table.column[span]!
  if (own < 0) return
  const cell = span * table.width + own
  const lengthNs = tree.cutEnd[span]! - tree.cutStart[span]!
  table.saved[cell] = lengthNs
  table.critical[cell] = lengthNs
}

function isLearned({ dependencies }: Waits, span: number): boolean {
  return dependencies !== undefined && dependencies.learned[span] === 1
}

/** Each child starts when the one before has ended: every child is on the path and waited for all before it. */
function isSequence(tree: TraceTree, span: number): boolean {
  const { firstChild, child, live, cutStart, cutEnd } = tree
  const from = firstChild[span]!
  const to = from + live[span]!
  for (let slot = from + 1; slot < to; slot++) {
    if (cutStart[child[slot]!]! < cutEnd[child[slot - 1]!]!) return false
  }
  return true
}

function addSequence(tree: TraceTree, table: ReplayTable, span: number): void {
  const { firstChild, child, live, cutStart, cutEnd } = tree
  const { width, saved, critical, column } = table
  const base = span * width
  const from = firstChild[span]!
  const to = from + live[span]!
  clearRow(table, span)
  let own = cutEnd[span]! - cutStart[span]!
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    const lengthNs = cutEnd[c]! - cutStart[c]!
    own -= lengthNs
    if (live[c] === 0) {
      const k = column[c]!
      if (k >= 0) {
        saved[base + k]! += lengthNs
        critical[base + k]! += lengthNs
      }
      continue
    }
    const row = c * width
    for (let k = 0; k < width; k++) {
      saved[base + k]! += saved[row + k]!
      critical[base + k]! += critical[row + k]!
    }
  }
  const k = column[span]!
  if (k >= 0) {
    saved[base + k]! += own
    critical[base + k]! += own
  }
}

/** The critical path through one span, backwards from its end, adding up what is on it. */
function addCriticalChildren(tree: TraceTree, table: ReplayTable, span: number): void {
  const { firstChild, live, byEnd, cutStart, cutEnd } = tree
  const { width, critical, column, dependencies } = table
  const base = span * width
  let moment = cutEnd[span]!
  let own = 0
  const add = (c: number) => {
    own += moment - cutEnd[c]!
    moment = cutStart[c]!
    if (live[c] === 0) {
      const k = column[c]!
      if (k >= 0) critical[base + k]! += cutEnd[c]! - cutStart[c]!
    } else {
      const row = c * width
      for (let k = 0; k < width; k++) critical[base + k]! += critical[row + k]!
    }
  }
  if (isLearned(table, span)) {
    for (
      let c = lastWaitedFor(tree, dependencies!, span, endOf(dependencies!, span));
      c >= 0;
      c = lastWaitedFor(tree, dependencies!, span, dependencies!.slotOf[c]!)
    ) {
      add(c)
    }
  } else {
    const from = firstChild[span]!
    for (let slot = lastOnPath(tree, from, from + live[span]!, moment); slot >= from; ) {
      add(byEnd[slot]!)
      slot = lastOnPath(tree, from, slot, moment)
    }
  }
  own += moment - cutStart[span]!
  const k = column[span]!
  if (k >= 0) critical[base + k]! += own
}

/**
 * Slot in `byEnd[from..to)` of the last-finishing child at or before `moment` (ties: the first in span order), less
 * than `from` if there is none.
 */
export function lastOnPath(tree: TraceTree, from: number, to: number, moment: number): number {
  const { byEnd, cutEnd } = tree
  let slot = to - 1
  while (slot >= from && cutEnd[byEnd[slot]!]! > moment) slot--
  if (slot < from) return from - 1
  const end = cutEnd[byEnd[slot]!]!
  while (slot > from && cutEnd[byEnd[slot - 1]!]! === end) slot--
  return slot
}

/**
 * What each live child of a span waited for: the siblings before it in span order that had finished at or before its
 * start, the first `waits` slots of `byEnd`; and its gap, the time between the last of these ends and its start, which
 * is the span's own work. Returns the own time after the last child.
 */
function listWaits(tree: TraceTree, table: Waits, span: number): number {
  const { firstChild, child, live, byEnd, cutStart, cutEnd } = tree
  const { waits, gap, dependencies } = table
  const from = firstChild[span]!
  const to = from + live[span]!
  if (isLearned(table, span)) {
    for (let slot = from; slot < to; slot++) {
      gap[slot] = cutStart[child[slot]!]! - readyAt(tree, dependencies!, span, slot)
    }
    return cutEnd[span]! - readyAt(tree, dependencies!, span, endOf(dependencies!, span))
  }
  let done = from
  let lastEnd = cutStart[span]!
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    const s = cutStart[c]!
    while (done < to && cutEnd[byEnd[done]!]! <= s) {
      const sibling = byEnd[done]!
      // Of empty spans at this very moment, only those before it in span order were waited for.
      if (cutStart[sibling]! === s && (sibling === c || !comesBefore(tree, sibling, c))) break
      lastEnd = cutEnd[sibling]!
      done++
    }
    waits[slot] = done
    gap[slot] = s - lastEnd
  }
  return cutEnd[span]! - (to === from ? cutStart[span]! : cutEnd[byEnd[to - 1]!]!)
}

/**
 * Re-schedules the children of a span, once a column. A child starts when all the siblings it waited for have finished,
 * plus its gap; the span ends when all children have, plus the time after the last.
 */
function reschedule(tree: TraceTree, table: ReplayTable, span: number): void {
  const { firstChild, child, live, byEnd, cutStart, cutEnd } = tree
  const { width, saved, column, begin, finish, waits, gap, dependencies } = table
  const learned = isLearned(table, span)
  const from = firstChild[span]!
  const to = from + live[span]!
  const lengthNs = cutEnd[span]! - cutStart[span]!
  const tail = listWaits(tree, table, span)

  const base = span * width
  const own = column[span]!
  for (let k = 0; k < width; k++) {
    const works = own === k ? 0 : 1
    let faster = works === 0
    for (let slot = from; slot < to && !faster; slot++) {
      const c = child[slot]!
      faster = live[c] === 0 ? column[c] === k : saved[c * width + k]! > 0
    }
    if (!faster) continue
    let waited = from
    let ready = 0
    let last = 0
    for (let slot = from; slot < to; slot++) {
      const c = child[slot]!
      if (learned) ready = readyAgain(table, slot, works)
      else {
        for (const until = waits[slot]!; waited < until; waited++) {
          const finished = finish[byEnd[waited]!]!
          if (finished > ready) ready = finished
        }
      }
      const lengthNs = cutEnd[c]! - cutStart[c]!
      const left = live[c] === 0 ? (column[c] === k ? 0 : lengthNs) : lengthNs - saved[c * width + k]!
      begin[c] = ready + works * gap[slot]!
      const end = begin[c]! + left
      finish[c] = end
      if (end > last) last = end
    }
    if (learned) last = readyAgain(table, endOf(dependencies!, span), works)
    saved[base + k] = lengthNs - (last + works * tail)
  }
}

/** When all that a learned event waits for would be done: ends, and own work `works` times as long. */
function readyAgain({ begin, finish, dependencies }: Waits, event: number, works: number): number {
  const { list, first, last, besideFrom, besideNs } = dependencies!
  let latest = 0
  for (let i = first[event]!; i < last[event]!; i++) {
    const finished = finish[list[i]!]!
    if (finished > latest) latest = finished
  }
  const since = besideFrom[event]!
  if (since === NO_WORK) return latest
  const done = (since === FROM_PARENT ? 0 : begin[since]!) + works * besideNs[event]!
  return done > latest ? done : latest
}

/** Latency of every span of a root with own work `factor` times as long, in ns; scratch as in ReplayTable. */
export type FactorTable = Waits & { factor: Float64Array; length: Float64Array }

export function growFactorTable(table: FactorTable, spans: number): void {
  if (table.factor.length >= spans) return
  for (const name of ['factor', 'length', 'begin', 'finish', 'gap'] as const)
    table[name] = new Float64Array(spans)
  table.waits = new Int32Array(spans)
}

/** Fills `length` for `order[orderFrom..orderTo)` from each span's `factor`: the same schedule, any factor. */
export function replayFactors(tree: TraceTree, table: FactorTable, orderFrom: number, orderTo: number): void {
  const { order, firstChild, child, live, byEnd } = tree
  const { factor, length, begin, finish, waits, gap, dependencies } = table
  for (let at = orderTo - 1; at >= orderFrom; at--) {
    const span = order[at]!
    const from = firstChild[span]!
    const to = from + live[span]!
    const tail = listWaits(tree, table, span)
    const learned = isLearned(table, span)
    const works = factor[span]!
    let waited = from
    let ready = 0
    let last = 0
    for (let slot = from; slot < to; slot++) {
      const c = child[slot]!
      if (learned) ready = readyAgain(table, slot, works)
      else {
        for (const until = waits[slot]!; waited < until; waited++) {
          const finished = finish[byEnd[waited]!]!
          if (finished > ready) ready = finished
        }
      }
      begin[c] = ready + works * gap[slot]!
      finish[c] = begin[c]! + length[c]!
      if (finish[c]! > last) last = finish[c]!
    }
    if (learned) last = readyAgain(table, endOf(dependencies!, span), works)
    length[span] = last + works * tail
  }
}
