import { createColumns, type SpanColumns } from './columns.ts'
import { createDictionary } from './dictionary.ts'

/**
 * One trace being worked on, as columns over its spans. A span's index is its place in span order by the times that
 * repairs 1 to 3 leave, so comparing indices compares spans. The arrays are reused from trace to trace.
 *
 * Times are ns since the origin. `start`/`end` are those after the skew move (repair 4) and never cut; `cutStart`/`cutEnd`
 * are what repairs 6 and 7 leave of them within the root the tree was last settled for.
 */
export type TraceTree = {
  spans: SpanColumns
  /** Spans that there is room for; the arrays may be longer. */
  capacity: number
  /** Spans kept. */
  count: number
  /** Epoch ns of time 0, in two words. */
  originLow: number
  originHigh: number
  /** Row in `spans`. */
  row: Uint32Array
  /** Span ids, two words a span, low word first: side by side, as both are looked at together. */
  id: Uint32Array
  shape: Uint32Array
  kind: Uint8Array
  service: Int32Array
  /** 1: error status. */
  failed: Uint8Array
  start: Float64Array
  end: Float64Array
  cutStart: Float64Array
  cutEnd: Float64Array
  /** Index of the parent, -1: none. */
  parent: Int32Array
  /** NOT_ENTRY, or one of ROOT_ENTRY, ORPHAN_ENTRY, CONSUMER_ENTRY. */
  entry: Uint8Array
  /** 1: some child is remote. */
  hasRemote: Uint8Array
  /** Children of i are `child[firstChild[i]]` up to `child[firstChild[i + 1]]`. */
  firstChild: Int32Array
  child: Int32Array
  /** How many of a span's children are waited for; settling puts them first, in span order by repaired times. */
  live: Int32Array
  /** The same slots as `child`: the live children by end, ties in span order. */
  byEnd: Int32Array
  /** 0: its live children, in span order, start when the one before has ended. */
  overlap: Uint8Array
  /** 1: repaired as detached within the current root. */
  detached: Uint8Array
  /** Component id, within the current root. */
  component: Int32Array
  /** 1: charged as a driver, so its transport below is charged to it. */
  driver: Uint8Array
  /** Total skew move. */
  shift: Float64Array
  /** Whether any span was moved. */
  moved: boolean
  /** Spans of a settled root, parents before children: `order[from..to)` as `settle` was told and returned. */
  order: Int32Array
  /** Those of them that take time and waited for children, in the same order and place; -1 ends them before `to`. */
  branching: Int32Array
  /** Scratch for sorting and look-ups. */
  scratch: Int32Array
  scratch2: Int32Array
  keys: Float64Array
  /** Spans by the hash of their ids, each as `tableBase` + its index; what is less is of an earlier trace. */
  table: Int32Array
  tableBase: number
}

export const NOT_ENTRY = 255

const LEAST_CAPACITY = 256
const NO_SPANS = createColumns(createDictionary(), 0)

export function createTree(spans: SpanColumns): TraceTree {
  return arrange(spans, LEAST_CAPACITY)
}

/** Of the analysis before: the next one works in memory that is there, and partly in the processor's caches. */
let spare: TraceTree | undefined
/** So many spans of room, of 134 bytes each, are kept at most. */
export const SPARE_SPANS = 1 << 17

/** As `createTree`, until it is given back. */
export function borrowTree(spans: SpanColumns): TraceTree {
  const tree = spare
  if (tree === undefined) return createTree(spans)
  spare = undefined
  tree.spans = spans
  // As little as a new one has: others make room by it. What the id table holds is less than its base then.
  tree.capacity = LEAST_CAPACITY
  tree.tableBase += tree.row.length
  return tree
}

/** Nothing may look at the tree any more. */
export function returnTree(tree: TraceTree): void {
  if (tree.row.length > SPARE_SPANS) return
  tree.spans = NO_SPANS
  spare = tree
}

/** Makes room for a trace of `count` spans; contents are lost. */
export function growTree(tree: TraceTree, count: number): void {
  if (count <= tree.capacity) return
  const capacity = Math.max(count, Math.min(2 * tree.capacity, tree.capacity + 100_000))
  if (capacity <= tree.row.length) tree.capacity = capacity
  else Object.assign(tree, arrange(tree.spans, capacity))
}

/** At most so large (128 kB) a table of ids is a quarter full: fewer of them meet. Larger ones are half full. */
const QUARTER_FULL = 1 << 15

/** Places of the table for so many ids. */
export function tableSize(count: number): number {
  let size = 512
  while (size < QUARTER_FULL && size < 4 * count) size *= 2
  while (size < 2 * count) size *= 2
  return size
}

/**
 * All fields at once: an object that gets them one by one, by computed names, becomes a hash table, and every access to
 * it a look-up.
 */
function arrange(spans: SpanColumns, capacity: number): TraceTree {
  const bytes = () => new Uint8Array(capacity)
  const words = () => new Uint32Array(capacity)
  const numbers = () => new Int32Array(capacity)
  const times = () => new Float64Array(capacity)
  return {
    spans,
    capacity,
    count: 0,
    originLow: 0,
    originHigh: 0,
    row: words(),
    id: new Uint32Array(2 * capacity),
    shape: words(),
    kind: bytes(),
    service: numbers(),
    failed: bytes(),
    start: times(),
    end: times(),
    cutStart: times(),
    cutEnd: times(),
    parent: numbers(),
    entry: bytes(),
    hasRemote: bytes(),
    firstChild: new Int32Array(capacity + 1),
    child: numbers(),
    live: numbers(),
    byEnd: numbers(),
    overlap: bytes(),
    detached: bytes(),
    component: numbers(),
    driver: bytes(),
    shift: times(),
    moved: false,
    order: numbers(),
    branching: numbers(),
    scratch: numbers(),
    scratch2: numbers(),
    keys: times(),
    table: new Int32Array(tableSize(capacity)),
    tableBase: 1,
  }
}
