import { epochNs, idHex, type SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { CLIENT, SERVER } from '../trace/span.ts'

/** Spans as they came, before any repair: their parents, and times as ns since the earliest of the trace. */
export type InputLinks = {
  /** Row of the parent; -1: a root, or its parent is not there. */
  parent: Int32Array
  startNs: Float64Array
  endNs: Float64Array
}

export function linkInput(spans: SpanColumns): InputLinks {
  const parent = new Int32Array(spans.count).fill(-1)
  const startNs = new Float64Array(spans.count)
  const endNs = new Float64Array(spans.count)
  const kind = (row: number) => spans.dictionary.shapeKind[spans.shape[row]!]!
  const { count, rows, first } = groupByTrace(spans)
  for (let trace = 0; trace < count; trace++) {
    const mine = rows.subarray(first[trace]!, first[trace + 1]!)
    const byId = new Map<string, number>()
    const origin = epochNs(spans.start, mine[0]!)
    for (const row of mine) {
      const id = idHex(spans.spanId, row)
      const known = byId.get(id)
      // Zipkin's two halves of a call share an id: children belong to the SERVER, which belongs to the CLIENT.
      if (known !== undefined && kind(row) === SERVER && kind(known) === CLIENT) parent[row] = known
      if (known !== undefined && kind(row) === CLIENT && kind(known) === SERVER) parent[known] = row
      if (known === undefined || kind(row) === SERVER) byId.set(id, row)
      startNs[row] = Number(epochNs(spans.start, row) - origin)
      endNs[row] = Number(epochNs(spans.end, row) - origin)
    }
    for (const row of mine) {
      const above = byId.get(idHex(spans.parentId, row))
      if (above !== undefined && above !== row && parent[row] === -1) parent[row] = above
    }
  }
  return { parent, startNs, endNs }
}
