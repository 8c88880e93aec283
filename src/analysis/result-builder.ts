import { columnIn } from '../trace/column-memory.ts'
import type { SpanColumns } from '../trace/columns.ts'
import { createRepairLog, type RepairLog } from '../trace/repair-log.ts'
import type { Analysis } from './result.ts'

/** An Analysis under construction: rows are appended, columns grow. `share`: of the spans, whose rows are there. */
export type ResultBuilder = Analysis & { repairs: RepairLog; share: number }

/** What the rows are for. */
export type Wanted = { range: boolean; serviceScope: boolean; callTrees: boolean }

/** Components of an entry for which there is room at first, and segments of a span (of nodes one): most batches have fewer. */
const ENTRY_COMPONENTS = 16
const SEGMENTS = 2
/** How much columns grow, and how far beyond what is expected. */
const LEAST_GROWTH = 1.25
const MOST_GROWTH = 8
const MARGIN = 1.05

/**
 * Starts with room for what most batches of that many traces and spans give. `before`: a result of which nothing is needed
 * any more; its memory is used again.
 */
export function createResultBuilder(
  spans: SpanColumns,
  traceCount: number,
  { range, serviceScope, callTrees }: Wanted,
  before?: Analysis,
): ResultBuilder {
  const traceRoom = traceCount + 2
  const sampleRoom = traceCount + (serviceScope ? Math.ceil(spans.count / 3) : 0) + 2
  const segmentRoom = SEGMENTS * spans.count + 2
  const componentRoom =
    (serviceScope ? spans.count : Math.min(spans.count, ENTRY_COMPONENTS * traceCount)) + 2
  const rangeRoom = range ? componentRoom : 0
  const nodeRoom = callTrees ? spans.count + 2 : 2
  const { traces, samples, components, segments, nodes } = before ?? {}
  return {
    spans,
    traces: {
      count: 0,
      span: columnIn(traces?.span, Uint32Array, traceRoom),
      spanCount: columnIn(traces?.spanCount, Uint32Array, traceRoom),
      origin: columnIn(traces?.origin, BigUint64Array, traceRoom),
      firstSample: columnIn(traces?.firstSample, Uint32Array, traceRoom),
      firstRepair: columnIn(traces?.firstRepair, Uint32Array, traceRoom),
    },
    samples: {
      count: 0,
      span: columnIn(samples?.span, Uint32Array, sampleRoom),
      endpoint: columnIn(samples?.endpoint, Int32Array, sampleRoom),
      kind: columnIn(samples?.kind, Uint8Array, sampleRoom),
      counted: columnIn(samples?.counted, Uint8Array, sampleRoom),
      startNs: columnIn(samples?.startNs, Float64Array, sampleRoom),
      durationNs: columnIn(samples?.durationNs, Float64Array, sampleRoom),
      queueWaitNs: columnIn(samples?.queueWaitNs, Float64Array, sampleRoom),
      weight: columnIn(samples?.weight, Uint32Array, sampleRoom),
      firstComponent: columnIn(samples?.firstComponent, Uint32Array, sampleRoom),
      firstSegment: columnIn(samples?.firstSegment, Uint32Array, sampleRoom),
      firstNode: columnIn(samples?.firstNode, Uint32Array, sampleRoom),
    },
    components: {
      count: 0,
      component: columnIn(components?.component, Int32Array, componentRoom),
      criticalNs: columnIn(components?.criticalNs, Float64Array, componentRoom),
      ifInstantNs: columnIn(components?.ifInstantNs, Float64Array, componentRoom),
      earliestNs: columnIn(components?.earliestNs, Float64Array, rangeRoom),
      latestNs: columnIn(components?.latestNs, Float64Array, rangeRoom),
      // Not every row is given these two.
      bound: columnIn(components?.bound, Uint8Array, componentRoom).fill(0),
      calls: columnIn(components?.calls, Uint32Array, callTrees ? componentRoom : 0).fill(0),
    },
    segments: {
      count: 0,
      span: columnIn(segments?.span, Uint32Array, segmentRoom),
      component: columnIn(segments?.component, Int32Array, segmentRoom),
      startNs: columnIn(segments?.startNs, Float64Array, segmentRoom),
      endNs: columnIn(segments?.endNs, Float64Array, segmentRoom),
    },
    nodes: {
      count: 0,
      parent: columnIn(nodes?.parent, Int32Array, nodeRoom),
      frame: columnIn(nodes?.frame, Int32Array, nodeRoom),
      criticalNs: columnIn(nodes?.criticalNs, Float64Array, nodeRoom),
      calls: columnIn(nodes?.calls, Uint32Array, nodeRoom),
    },
    repairs: createRepairLog(),
    share: 0,
  }
}

type Column = Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array

/**
 * Makes room for so many rows, and for the offset that closes the last one. All columns of `rows` have one length, `now`:
 * given as a number, as a look at columns of any type takes longer than the rest.
 */
export function makeRoom(result: ResultBuilder, rows: object, count: number, now: number): void {
  if (count < now) return
  widen(rows as Record<string, Column | number>, lengthFor(result, count + 1, now))
}

/** As long as the rows so far let expect, within bounds: each time that columns grow, the old ones are garbage. */
function lengthFor({ share }: ResultBuilder, least: number, now: number): number {
  const expected = share === 0 ? 2 * now : Math.ceil((MARGIN * least) / share)
  return Math.max(least, Math.ceil(LEAST_GROWTH * now), Math.min(expected, MOST_GROWTH * now))
}

function widen(rows: Record<string, Column | number>, length: number): void {
  for (const [name, column] of Object.entries(rows)) {
    if (typeof column === 'number' || column.length === 0) continue
    const wider = new (column.constructor as new (length: number) => Column)(length)
    wider.set(column as never)
    rows[name] = wider
  }
}

/** Writes the closing offsets: row i ends where row i + 1 begins. */
export function closeResult(result: ResultBuilder): Analysis {
  const { traces, samples, components, segments, nodes, repairs } = result
  makeRoom(result, traces, traces.count, traces.span.length)
  makeRoom(result, samples, samples.count, samples.span.length)
  traces.firstSample[traces.count] = samples.count
  traces.firstRepair[traces.count] = repairs.count
  samples.firstComponent[samples.count] = components.count
  samples.firstSegment[samples.count] = segments.count
  samples.firstNode[samples.count] = nodes.count
  cutOff(components, components.count)
  cutOff(segments, segments.count)
  return result
}

/** What is behind the rows may be anything, where it was not cleared. */
function cutOff(rows: object, count: number): void {
  const columns = rows as Record<string, Column | number>
  for (const [name, column] of Object.entries(columns)) {
    if (typeof column !== 'number') columns[name] = column.subarray(0, count)
  }
}
