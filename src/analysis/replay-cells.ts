/**
 * Cells of spans: a column (a component of the root at hand), how much of the span's critical path it has (`critical`,
 * ns), and how much shorter the span would be with the component's own work taking no time (`saved`, ns; never more
 * than `critical`, so that no other component needs a cell). Cells of span i are [first[i], last[i]), in no order.
 */
export type Cells = {
  first: Int32Array
  last: Int32Array
  count: number
  column: Int32Array
  critical: Float64Array
  saved: Float64Array
  /** Spans that have cells, in the order of their cells. */
  holders: Int32Array
  holderCount: number
}

/** Sums by column, and the columns met. */
export type Sums = { count: number; met: Int32Array; critical: Float64Array; saved: Float64Array }

export function createSums(columns: number): Sums {
  const critical = new Float64Array(columns)
  return { count: 0, met: new Int32Array(columns), critical, saved: new Float64Array(columns) }
}

export function createCells(): Cells {
  const none = new Int32Array(0)
  const empty = new Float64Array(0)
  return {
    first: none,
    last: none,
    count: 0,
    column: none,
    critical: empty,
    saved: empty,
    holders: none,
    holderCount: 0,
  }
}

export function growCells(cells: Cells, spans: number): void {
  if (cells.first.length >= spans) return
  cells.first = new Int32Array(spans)
  cells.last = new Int32Array(spans)
  cells.holders = new Int32Array(spans)
}

export function addTo(sums: Sums, k: number, criticalNs: number, savedNs: number): void {
  if (sums.critical[k] === 0) sums.met[sums.count++] = k
  sums.critical[k]! += criticalNs
  sums.saved[k]! += savedNs
}

/** Adds the cells of a span. */
export function addCells({ first, last, column, critical, saved }: Cells, sums: Sums, span: number): void {
  for (let cell = first[span]!, end = last[span]!; cell < end; cell++) {
    addTo(sums, column[cell]!, critical[cell]!, saved[cell]!)
  }
}

/** Makes the sums the cells of a span, and empties them. There is room. */
export function takeSums(cells: Cells, sums: Sums, span: number): void {
  const { column, critical, saved } = cells
  const { met } = sums
  let at = cells.count
  cells.first[span] = at
  for (let i = 0; i < sums.count; i++) {
    const k = met[i]!
    column[at] = k
    critical[at] = sums.critical[k]!
    saved[at++] = sums.saved[k]!
    sums.critical[k] = 0
    sums.saved[k] = 0
  }
  sums.count = 0
  closeCells(cells, span, at)
}

/** Gives a span the cells that it has elsewhere. */
export function copyCells(from: Cells, to: Cells, span: number): void {
  const first = from.first[span]!
  const last = from.last[span]!
  makeCellRoom(to, last - first)
  const at = to.count
  to.first[span] = at
  for (let cell = first; cell < last; cell++) {
    to.column[at + cell - first] = from.column[cell]!
    to.critical[at + cell - first] = from.critical[cell]!
    to.saved[at + cell - first] = from.saved[cell]!
  }
  closeCells(to, span, at + last - first)
}

function closeCells(cells: Cells, span: number, end: number): void {
  cells.last[span] = end
  if (end === cells.count) return
  cells.count = end
  cells.holders[cells.holderCount++] = span
}

/** A small table stays in the processor's cache. */
const LEAST_CELLS = 4096

/** Makes room for so many more cells: those that were dropped (`last` is `first`) go, then the table grows. */
export function makeCellRoom(cells: Cells, more: number): void {
  if (cells.count + more <= cells.column.length) return
  packCells(cells)
  const length = cells.count + more
  if (2 * length <= cells.column.length) return
  const wider = Math.max(LEAST_CELLS, 2 * length, 2 * cells.column.length)
  const column = new Int32Array(wider)
  const critical = new Float64Array(wider)
  const saved = new Float64Array(wider)
  column.set(cells.column)
  critical.set(cells.critical)
  saved.set(cells.saved)
  cells.column = column
  cells.critical = critical
  cells.saved = saved
}

function packCells(cells: Cells): void {
  const { first, last, column, critical, saved, holders } = cells
  let count = 0
  let kept = 0
  for (let i = 0; i < cells.holderCount; i++) {
    const span = holders[i]!
    const from = first[span]!
    const to = last[span]!
    if (from === to) continue
    holders[kept++] = span
    first[span] = count
    for (let cell = from; cell < to; cell++) {
      column[count] = column[cell]!
      critical[count] = critical[cell]!
      saved[count++] = saved[cell]!
    }
    last[span] = count
  }
  cells.holderCount = kept
  cells.count = count
}
