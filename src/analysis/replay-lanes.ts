import type { TraceTree } from '../trace/tree.ts'
import type { BlockTable } from './block-table.ts'
import type { Block } from './waits.ts'

/** So many columns are re-scheduled at a time: most of what it takes is to find out what waited for what. */
export const LANES = 4

/** When a child would finish without the work of each column at hand, LANES a span; when the block would end. */
export type Lanes = { finish: Float64Array; endNs: Float64Array }

export function createLanes(): Lanes {
  return { finish: new Float64Array(0), endNs: new Float64Array(LANES) }
}

/** Children in slots [from, to), which come before the first touch: they finish as they did. */
export function fillLanes(
  { child, cutEnd }: TraceTree,
  { lanes }: BlockTable,
  from: number,
  to: number,
): void {
  const { finish } = lanes
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    finish.fill(cutEnd[c]!, LANES * c, LANES * c + LANES)
  }
}

/**
 * Leaves in `lanes.endNs` when a block would end without the work of each of the columns `touched[at..at + LANES)`, which
 * stand by their first touch and are not that of the parent. The schedule of `endWithout`, side by side.
 */
export function scheduleLanes(tree: TraceTree, table: BlockTable, block: Block, at: number): void {
  const { child, byEnd, cutEnd } = tree
  const { left, firstTouch, touched, touchSlot, touchNs, touchNext, latestBefore, lanes } = table
  const { waits, gap } = table.waits
  const { finish, endNs } = lanes
  const { from, to, startNs } = block
  let touchA = firstTouch[touched[at]!]!
  let touchB = firstTouch[touched[at + 1]!]!
  let touchC = firstTouch[touched[at + 2]!]!
  let touchD = firstTouch[touched[at + 3]!]!
  const begin = touchSlot[touchA]!
  let nextA = begin
  let nextB = touchSlot[touchB]!
  let nextC = touchSlot[touchC]!
  let nextD = touchSlot[touchD]!
  let waited = waits[begin]!
  let readyA = waited > from ? cutEnd[byEnd[waited - 1]!]! : startNs
  let readyB = readyA
  let readyC = readyA
  let readyD = readyA
  let latestA = latestBefore[begin]!
  let latestB = latestA
  let latestC = latestA
  let latestD = latestA
  for (let slot = begin; slot < to; slot++) {
    for (const until = waits[slot]!; waited < until; waited++) {
      const lane = LANES * byEnd[waited]!
      if (finish[lane]! > readyA) readyA = finish[lane]!
      if (finish[lane + 1]! > readyB) readyB = finish[lane + 1]!
      if (finish[lane + 2]! > readyC) readyC = finish[lane + 2]!
      if (finish[lane + 3]! > readyD) readyD = finish[lane + 3]!
    }
    const ns = gap[slot]! + left[slot]!
    let endA = readyA + ns
    let endB = readyB + ns
    let endC = readyC + ns
    let endD = readyD + ns
    if (slot === nextA) {
      endA -= touchNs[touchA]!
      touchA = touchNext[touchA]!
      nextA = touchA < 0 ? -1 : touchSlot[touchA]!
    }
    if (slot === nextB) {
      endB -= touchNs[touchB]!
      touchB = touchNext[touchB]!
      nextB = touchB < 0 ? -1 : touchSlot[touchB]!
    }
    if (slot === nextC) {
      endC -= touchNs[touchC]!
      touchC = touchNext[touchC]!
      nextC = touchC < 0 ? -1 : touchSlot[touchC]!
    }
    if (slot === nextD) {
      endD -= touchNs[touchD]!
      touchD = touchNext[touchD]!
      nextD = touchD < 0 ? -1 : touchSlot[touchD]!
    }
    const lane = LANES * child[slot]!
    finish[lane] = endA
    finish[lane + 1] = endB
    finish[lane + 2] = endC
    finish[lane + 3] = endD
    if (endA > latestA) latestA = endA
    if (endB > latestB) latestB = endB
    if (endC > latestC) latestC = endC
    if (endD > latestD) latestD = endD
  }
  endNs[0] = latestA
  endNs[1] = latestB
  endNs[2] = latestC
  endNs[3] = latestD
}
