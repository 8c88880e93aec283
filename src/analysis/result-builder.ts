import type { SpanColumns } from '../trace/columns.ts'
import { createRepairLog, type RepairLog } from '../trace/repair-log.ts'
import type { Analysis } from './result.ts'

/** An Analysis under construction: rows are appended, columns grow. */
export type ResultBuilder = Analysis & { repairs: RepairLog }

/** Starts with room for what most batches of that many traces and spans give: what is not written to costs nothing. */
export function createResultBuilder(spans: SpanColumns, traceCount: number, range = false): ResultBuilder {
  const traceRoom = traceCount + 2
  const sampleRoom = traceCount + Math.ceil(spans.count / 3) + 2
  const componentRoom = 2 * spans.count + 2
  const segmentRoom = 2 * spans.count + 2
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
      component: new Int32Array(componentRoom),
      criticalNs: new Float64Array(componentRoom),
      ifInstantNs: new Float64Array(componentRoom),
      earliestNs: new Float64Array(range ? componentRoom : 0),
      latestNs: new Float64Array(range ? componentRoom : 0),
      bound: new Uint8Array(componentRoom),
      calls: new Uint32Array(componentRoom),
    },
    segments: {
      count: 0,
      span: new Uint32Array(segmentRoom),
      component: new Int32Array(segmentRoom),
      startNs: new Float64Array(segmentRoom),
      endNs: new Float64Array(segmentRoom),
    },
    nodes: {
      count: 0,
      parent: new Int32Array(segmentRoom),
      frame: new Int32Array(segmentRoom),
      criticalNs: new Float64Array(segmentRoom),
      calls: new Uint32Array(segmentRoom),
    },
    repairs: createRepairLog(),
  }
}

type Column = Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array

/** Makes room for one more row, and for the offset that closes the last one. All columns have one length. */
export function makeRoom(rows: { count: number }, column: Column): void {
  if (rows.count + 2 > column.length) widen(rows as unknown as Record<string, Column | number>)
}

function widen(rows: Record<string, Column | number>): void {
  for (const [name, column] of Object.entries(rows)) {
    if (typeof column === 'number') continue
    const wider = new (column.constructor as new (length: number) => Column)(2 * column.length)
    wider.set(column as never)
    rows[name] = wider
  }
}

/** Writes the closing offsets: row i ends where row i + 1 begins. */
export function closeResult(result: ResultBuilder): Analysis {
  const { traces, samples, components, segments, nodes, repairs } = result
  makeRoom(traces, traces.span)
  makeRoom(samples, samples.span)
  traces.firstSample[traces.count] = samples.count
  traces.firstRepair[traces.count] = repairs.count
  samples.firstComponent[samples.count] = components.count
  samples.firstSegment[samples.count] = segments.count
  samples.firstNode[samples.count] = nodes.count
  return result
}
