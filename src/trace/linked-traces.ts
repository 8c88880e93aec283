import { growTree, type TraceTree } from './tree.ts'

/** What loading and linking leave in a tree that settling needs, but for where children begin. */
const COLUMNS = [
  ...(['row', 'shape', 'kind', 'service', 'failed', 'start', 'end'] as const),
  ...(['parent', 'entry', 'hasRemote', 'child'] as const),
]
type Columns = Pick<TraceTree, (typeof COLUMNS)[number]>

/**
 * Linked traces, to be settled later: copying one takes a fraction of sorting and linking it anew, and its columns need
 * not be read from all over the batch once more.
 */
export type LinkedTraces = {
  columns: Columns
  /** Two words a span. */
  id: Uint32Array
  /** By span, where its children end. */
  lastChild: Int32Array
  traces: Kept[]
  /** Spans in the columns. */
  used: number
}

type Kept = { from: number; count: number; originLow: number; originHigh: number; roots: readonly number[] }

/** `spans`: of all traces to be kept. */
export function createLinkedTraces(spans: number): LinkedTraces {
  const words = () => new Uint32Array(spans)
  const numbers = () => new Int32Array(spans)
  const bytes = () => new Uint8Array(spans)
  const columns = {
    row: words(),
    shape: words(),
    kind: bytes(),
    service: numbers(),
    failed: bytes(),
    start: new Float64Array(spans),
    end: new Float64Array(spans),
    parent: numbers(),
    entry: bytes(),
    hasRemote: bytes(),
    child: numbers(),
  }
  return { columns, id: new Uint32Array(2 * spans), lastChild: numbers(), traces: [], used: 0 }
}

/** Keeps the trace in the tree, and its spans without a parent; false: there is no room for it. */
export function keepLinked(linked: LinkedTraces, tree: TraceTree, roots: readonly number[]): boolean {
  const { columns, id, lastChild, traces, used } = linked
  const { count, originLow, originHigh } = tree
  if (used + count > lastChild.length) return false
  for (const name of COLUMNS) columns[name].set(tree[name].subarray(0, count), used)
  id.set(tree.id.subarray(0, 2 * count), 2 * used)
  lastChild.set(tree.firstChild.subarray(1, count + 1), used)
  traces.push({ from: used, count, originLow, originHigh, roots })
  linked.used += count
  return true
}

/** Brings the one that was kept as the i-th back into the tree; returns its spans without a parent. */
export function restoreLinked(
  { columns, id, lastChild, traces }: LinkedTraces,
  tree: TraceTree,
  i: number,
): number[] {
  const { from, count, originLow, originHigh, roots } = traces[i]!
  growTree(tree, count)
  tree.count = count
  tree.originLow = originLow
  tree.originHigh = originHigh
  for (const name of COLUMNS) tree[name].set(columns[name].subarray(from, from + count))
  tree.id.set(id.subarray(2 * from, 2 * (from + count)))
  tree.firstChild[0] = 0
  tree.firstChild.set(lastChild.subarray(from, from + count), 1)
  tree.shift.fill(0, 0, count)
  tree.moved = false
  return [...roots]
}
