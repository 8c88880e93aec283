import type { SpanColumns } from '../trace/columns.ts'
import { createRepairLog, type RepairLog } from '../trace/repair-log.ts'
import { uncleared } from '../trace/uncleared.ts'
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

/** Starts with room for what most batches of that many traces and spans give. */
export function createResultBuilder(
  spans: SpanColumns,
  traceCount: number,
  { range, serviceScope, callTrees }: Wanted,
): ResultBuilder {
  const traceRoom = traceCount + 2
  const sampleRoom = traceCount + (serviceScope ? Math.ceil(spans.count / 3) : 0) + 2
  const segmentRoom = SEGMENTS * spans.count + 2
  const componentRoom =
    (serviceScope ? spans.count : Math.min(spans.count, ENTRY_COMPONENTS * traceCount)) + 2
  const nodeRoom = callTrees ? spans.count + 2 : 2
  return {
    spans,
    traces: {
      count: 0,
      span: new Uint32Array(traceRoom),
      spanCount: new Uint32Array(traceRoom),
      origin: new BigUint64Array(traceRoom),
      firstSample: new Uint32Array(traceRoom),
      firstRepair: new Uint32Array(traceRoom),
    },
    samples: {
      count: 0,
      span: new Uint32Array(sampleRoom),
      endpoint: new Int32Array(sampleRoom),
      kind: new Uint8Array(sampleRoom),
      counted: new Uint8Array(sampleRoom),
      startNs: new Float64Array(sampleRoom),
      durationNs: new Float64Array(sampleRoom),
      queueWaitNs: new Float64Array(sampleRoom),
      weight: new Uint32Array(sampleRoom),
      firstComponent: new Uint32Array(sampleRoom),
      firstSegment: new Uint32Array(sampleRoom),
      firstNode: new Uint32Array(sampleRoom),
    },
    components: {
      count: 0,
      component: new Int32Array(uncleared(4 * componentRoom)),
      criticalNs: new Float64Array(uncleared(8 * componentRoom)),
      ifInstantNs: new Float64Array(uncleared(8 * componentRoom)),
      earliestNs: new Float64Array(range ? componentRoom : 0),
      latestNs: new Float64Array(range ? componentRoom : 0),
      bound: new Uint8Array(componentRoom),
      calls: new Uint32Array(callTrees ? componentRoom : 0),
    },
    segments: {
      count: 0,
      span: new Uint32Array(uncleared(4 * segmentRoom)),
      component: new Int32Array(uncleared(4 * segmentRoom)),
      startNs: new Float64Array(uncleared(8 * segmentRoom)),
      endNs: new Float64Array(uncleared(8 * segmentRoom)),
    },
    nodes: {
      count: 0,
      parent: new Int32Array(nodeRoom),
      frame: new Int32Array(nodeRoom),
      criticalNs: new Float64Array(nodeRoom),
      calls: new Uint32Array(nodeRoom),
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
