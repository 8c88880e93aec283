import type { SpanColumns } from './columns.ts'

/**
 * One trace being worked on, as columns over its spans. A span's index is its place in span order by the times that
 * repairs 1 to 3 leave, so comparing indices compares spans. The arrays are reused from trace to trace.
 *
 * Times are ns since the origin. `start`/`end` are those after the skew move (repair 4) and never cut; `cutStart`/`cutEnd`
 * are what repairs 6 and 7 leave of them within the root the tree was last settled for.
 */
export type TraceTree = {
  spans: SpanColumns
  capacity: number
  /** Spans kept. */
  count: number
  /** Epoch ns of time 0, in two words. */
  originLow: number
  originHigh: number
  /** Row in `spans`. */
  row: Uint32Array
  /** Span id, as two words. */
  idLow: Uint32Array
  idHigh: Uint32Array
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
  /** Spans of a settled root, parents before children: `order[from..to)` as `settle` was told and returned. */
  order: Int32Array
  /** Scratch for sorting and look-ups. */
  scratch: Int32Array
  scratch2: Int32Array
  keys: Float64Array
  /** Spans by the hash of their ids, each as `tableBase` + its index; what is less is of an earlier trace. */
  table: Int32Array
  tableBase: number
}

export const NOT_ENTRY = 255

export function createTree(spans: SpanColumns): TraceTree {
  return arrange(spans, 256)
}

/** Makes room for a trace of `count` spans; contents are lost. */
export function growTree(tree: TraceTree, count: number): void {
  if (count <= tree.capacity) return
  Object.assign(
    tree,
    arrange(tree.spans, Math.max(count, Math.min(2 * tree.capacity, tree.capacity + 100_000))),
  )
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
  let slots = 16
  while (slots < 2 * capacity) slots *= 2
  return {
    spans,
    capacity,
    count: 0,
    originLow: 0,
    originHigh: 0,
    row: words(),
    idLow: words(),
    idHigh: words(),
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
    order: numbers(),
    scratch: numbers(),
    scratch2: numbers(),
    keys: times(),
    table: new Int32Array(slots),
    tableBase: 1,
  }
}
