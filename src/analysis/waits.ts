import { comesBefore } from '../trace/settle.ts'
import type { TraceTree } from '../trace/tree.ts'
import { AFTER_SPAN, type Dependencies, endOf, FROM_PARENT, NO_WORK, readyAt } from './dependencies.ts'

/** Scratch, per span: when a child would begin and end; per slot: which siblings a child waited for, its own gap. */
export type Waits = {
  begin: Float64Array
  finish: Float64Array
  waits: Int32Array
  gap: Float64Array
  /** Of the root at hand, where they were learned. */
  dependencies: Dependencies | undefined
}

export function createWaits(dependencies: Dependencies | undefined): Waits {
  const none = new Float64Array(0)
  return { begin: none, finish: none, waits: new Int32Array(0), gap: none, dependencies }
}

export function growWaits(table: Waits, spans: number): void {
  if (table.waits.length >= spans) return
  table.begin = new Float64Array(spans)
  table.finish = new Float64Array(spans)
  table.gap = new Float64Array(spans)
  table.waits = new Int32Array(spans)
}

export function isLearned({ dependencies }: Waits, span: number): boolean {
  return dependencies !== undefined && dependencies.learned[span] === 1
}

/** Children of a span that are re-scheduled together: slots [from, to), the time that they have, and whose they are. */
export type Block = {
  span: number
  learned: boolean
  from: number
  to: number
  startNs: number
  endNs: number
}

/**
 * What each child of a block waited for: the siblings before it in span order that had finished at or before its start,
 * the first `waits` slots of `byEnd`; and its gap, the time between the last of these ends (or the block's start) and its
 * start, which is the parent's own work. Returns the own time after the last child.
 */
export function listWaits(tree: TraceTree, table: Waits, block: Block): number {
  const { child, byEnd, cutStart, cutEnd } = tree
  const { waits, gap, dependencies } = table
  const { span, from, to, startNs, endNs } = block
  if (block.learned) {
    for (let slot = from; slot < to; slot++) {
      gap[slot] = cutStart[child[slot]!]! - readyAt(tree, dependencies!, span, slot)
    }
    return endNs - readyAt(tree, dependencies!, span, endOf(dependencies!, span))
  }
  let done = from
  let lastEnd = startNs
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
  return endNs - (to === from ? startNs : cutEnd[byEnd[to - 1]!]!)
}

/**
 * How long a block takes, ns: a child starts when all the siblings it waited for have finished, plus its gap, and takes
 * `left[slot]`; the block ends when all children have, plus `tail`. Gaps and tail take `works` times as long.
 */
export function scheduleBlock(
  tree: TraceTree,
  table: Waits,
  { span, learned, from, to }: Block,
  left: Float64Array,
  works: number,
  tail: number,
): number {
  const { child, byEnd } = tree
  const { begin, finish, waits, gap, dependencies } = table
  let waited = from
  let ready = 0
  let last = 0
  for (let slot = from; slot < to; slot++) {
    if (learned) ready = readyAgain(table, slot, works)
    else {
      for (const until = waits[slot]!; waited < until; waited++) {
        const finished = finish[byEnd[waited]!]!
        if (finished > ready) ready = finished
      }
    }
    const c = child[slot]!
    begin[c] = ready + works * gap[slot]!
    const end = begin[c]! + left[slot]!
    finish[c] = end
    if (end > last) last = end
  }
  if (learned) last = readyAgain(table, endOf(dependencies!, span), works)
  return last + works * tail
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
  const began = since <= AFTER_SPAN ? finish[AFTER_SPAN - since]! : since === FROM_PARENT ? 0 : begin[since]!
  const done = began + works * besideNs[event]!
  return done > latest ? done : latest
}
