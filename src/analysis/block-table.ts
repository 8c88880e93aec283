import type { TraceTree } from '../trace/tree.ts'
import type { Dependencies } from './dependencies.ts'
import { type Cells, createCells, createSums, type Sums } from './replay-cells.ts'
import { createLanes, type Lanes } from './replay-lanes.ts'
import { createWaits, growWaits, type Waits } from './waits.ts'

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
  /** These samples. */
  samples: readonly number[]
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
  lanes: Lanes
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
    samples: [],
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
    lanes: createLanes(),
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

/** Whether a child has no cells: those of a leaf, one at most of all its time, are made up where they are needed. */
export function isLeaf({ live }: TraceTree, { keep }: BlockTable, c: number): boolean {
  return live[c] === 0 && keep[c] === 0
}
