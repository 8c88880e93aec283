import type { SpanColumns } from '../trace/columns.ts'
import { createRepairLog, type RepairLog } from '../trace/repair-log.ts'
import type { Analysis } from './result.ts'

/** An Analysis under construction: rows are appended, columns grow. */
export type ResultBuilder = Analysis & { repairs: RepairLog }

export function createResultBuilder(spans: SpanColumns): ResultBuilder {
  return {
    spans,
    traces: {
      count: 0,
      span: new Uint32Array(64),
      spanCount: new Uint32Array(64),
      origin: new BigUint64Array(64),
      firstSample: new Uint32Array(64),
      firstRepair: new Uint32Array(64),
    },
    samples: {
      count: 0,
      span: new Uint32Array(64),
      endpoint: new Int32Array(64),
      kind: new Uint8Array(64),
      counted: new Uint8Array(64),
      startNs: new Float64Array(64),
      durationNs: new Float64Array(64),
      queueWaitNs: new Float64Array(64),
      firstComponent: new Uint32Array(64),
      firstSegment: new Uint32Array(64),
    },
    components: {
      count: 0,
      component: new Int32Array(64),
      criticalNs: new Float64Array(64),
      ifInstantNs: new Float64Array(64),
      bound: new Uint8Array(64),
    },
    segments: {
      count: 0,
      span: new Uint32Array(64),
      component: new Int32Array(64),
      startNs: new Float64Array(64),
      endNs: new Float64Array(64),
    },
    repairs: createRepairLog(),
  }
}

type Column = Uint8Array | Uint32Array | Int32Array | Float64Array | BigUint64Array

/** Makes room for one more row, and for the offset that closes the last one. */
export function makeRoom(rows: { count: number }): void {
  const columns = rows as unknown as Record<string, Column | number>
  for (const name in columns) {
    const column = columns[name]
    if (typeof column === 'number' || column === undefined) continue
    if (rows.count + 2 <= column.length) return
    const wider = new (column.constructor as new (length: number) => Column)(2 * column.length)
    wider.set(column as never)
    columns[name] = wider
  }
}

/** Writes the closing offsets: row i ends where row i + 1 begins. */
export function closeResult(result: ResultBuilder): Analysis {
  const { traces, samples, components, segments, repairs } = result
  makeRoom(traces)
  makeRoom(samples)
  traces.firstSample[traces.count] = samples.count
  traces.firstRepair[traces.count] = repairs.count
  samples.firstComponent[samples.count] = components.count
  samples.firstSegment[samples.count] = segments.count
  return result
}
