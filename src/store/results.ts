import type { Analysis } from '../analysis/result.ts'
import { REPAIR_KINDS } from '../trace/repair.ts'
import { writeBlock } from './native-writer.ts'

/** What the analyzer knows of a trace beside its analysis. */
export type TraceStamp = {
  firstStoredMs: number
  lastStoredMs: number
  rowCount: number
  analyses: number
  flag: string
}

/** Of an analysis, and of the model it was made with (0: none). */
export type ResultVersion = { version: number; modelVersion: number }

/** One Native block of `analyzed_traces`. */
export function tracesBlock(
  analysis: Analysis,
  stampOf: (trace: number) => TraceStamp,
  { version, modelVersion }: ResultVersion,
): { rows: number; block: Uint8Array[] } {
  const { spans, traces, repairs } = analysis
  const rows = traces.count
  const high = new Uint32Array(2 * rows)
  const low = new Uint32Array(2 * rows)
  const firstStored: bigint[] = []
  const lastStored: bigint[] = []
  const rowCounts: number[] = []
  const spanCounts: number[] = []
  const analyses: number[] = []
  const flags: string[] = []
  const ends: number[] = []
  const repairKinds: string[] = []
  const repairCounts: number[] = []
  for (let trace = 0; trace < rows; trace++) {
    const span = traces.span[trace]!
    for (let word = 0; word < 2; word++) {
      high[2 * trace + word] = spans.traceHigh[2 * span + word]!
      low[2 * trace + word] = spans.traceLow[2 * span + word]!
    }
    const stamp = stampOf(trace)
    firstStored.push(BigInt(stamp.firstStoredMs))
    lastStored.push(BigInt(stamp.lastStoredMs))
    rowCounts.push(stamp.rowCount)
    spanCounts.push(traces.spanCount[trace]!)
    analyses.push(stamp.analyses)
    flags.push(stamp.flag)
    const counts = new Uint32Array(REPAIR_KINDS.length)
    for (let i = traces.firstRepair[trace]!; i < traces.firstRepair[trace + 1]!; i++)
      counts[repairs.kind[i]!]!++
    counts.forEach((count, kind) => {
      if (count === 0) return
      repairKinds.push(REPAIR_KINDS[kind]!)
      repairCounts.push(count)
    })
    ends.push(repairKinds.length)
  }
  const block = writeBlock(rows, [
    { name: 'TraceHigh', type: 'UInt64', words: high },
    { name: 'TraceLow', type: 'UInt64', words: low },
    { name: 'TraceId', type: 'String', ids: [high, low] },
    { name: 'FirstStored', type: 'DateTime64(3)', values: firstStored },
    { name: 'LastStored', type: 'DateTime64(3)', values: lastStored },
    { name: 'RowCount', type: 'UInt32', values: rowCounts },
    { name: 'SpanCount', type: 'UInt32', values: spanCounts },
    { name: 'RepairKinds', type: 'Array(LowCardinality(String))', ends, values: repairKinds },
    { name: 'RepairCounts', type: 'Array(UInt32)', ends, values: repairCounts },
    { name: 'Analyses', type: 'UInt32', values: analyses },
    { name: 'Flag', type: 'String', values: flags },
    { name: 'Version', type: 'UInt64', values: new Array<number>(rows).fill(version) },
    { name: 'ModelVersion', type: 'UInt64', values: new Array<number>(rows).fill(modelVersion) },
  ])
  return { rows, block }
}
