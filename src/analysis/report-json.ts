import { idHex, traceIdHex } from '../trace/columns.ts'
import { type Component, compareComponents } from '../trace/component.ts'
import { REPAIR_KINDS, type RepairKind, SKEW_SHIFTED } from '../trace/repair.ts'
import { type Analysis, SAMPLE_KINDS, SERVICE } from './result.ts'

/** One trace as `analyze --json` and `GET /traces/{id}` give it (contract.md). */
export type TraceJson = {
  traceId: string
  spanCount: number
  repairs: { kind: RepairKind; spanId: string; shiftNs?: number }[]
  entries: EntryJson[]
}

export type EntryJson = {
  spanId: string
  service: string
  operation: string
  kind: 'root' | 'orphan' | 'consumer'
  startUnixNano: string
  durationNs: number
  queueWaitNs: number
  criticalPath: { spanId: string; component: Component; startNs: number; endNs: number }[]
  components: (Component & { criticalNs: number; ifInstantNs: number; bound?: true })[]
}

export function traceJson(analysis: Analysis, trace: number): TraceJson {
  const { spans, traces, samples } = analysis
  const entries: EntryJson[] = []
  for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
    if (samples.kind[s] !== SERVICE) entries.push(entryJson(analysis, s, traces.origin[trace]!))
  }
  return {
    traceId: traceIdHex(spans, traces.span[trace]!),
    spanCount: traces.spanCount[trace]!,
    repairs: repairsJson(analysis, trace),
    entries,
  }
}

/** Traces by id: positions in `analysis.traces`. */
export function tracesById(analysis: Analysis): number[] {
  const { spans, traces } = analysis
  const ids = Array.from({ length: traces.count }, (_, i) => traceIdHex(spans, traces.span[i]!))
  return ids.map((_, i) => i).sort((a, b) => (ids[a]! < ids[b]! ? -1 : 1))
}

function repairsJson(analysis: Analysis, trace: number): TraceJson['repairs'] {
  const { spans, traces, repairs } = analysis
  const rows: { kind: number; spanId: string; shiftNs: number }[] = []
  for (let i = traces.firstRepair[trace]!; i < traces.firstRepair[trace + 1]!; i++) {
    rows.push({
      kind: repairs.kind[i]!,
      spanId: idHex(spans.spanId, repairs.span[i]!),
      shiftNs: repairs.shiftNs[i]!,
    })
  }
  rows.sort(
    (a, b) => a.kind - b.kind || (a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : a.shiftNs - b.shiftNs),
  )
  return rows.map(({ kind, spanId, shiftNs }) => ({
    kind: REPAIR_KINDS[kind]!,
    spanId,
    ...(kind === SKEW_SHIFTED ? { shiftNs } : {}),
  }))
}

function entryJson(analysis: Analysis, sample: number, origin: bigint): EntryJson {
  const { spans, samples, segments, components } = analysis
  const { dictionary } = spans
  const endpoint = dictionary.endpoints[samples.endpoint[sample]!]!
  const criticalPath: EntryJson['criticalPath'] = []
  for (let i = samples.firstSegment[sample]!; i < samples.firstSegment[sample + 1]!; i++) {
    criticalPath.push({
      spanId: idHex(spans.spanId, segments.span[i]!),
      component: dictionary.components[segments.component[i]!]!,
      startNs: segments.startNs[i]!,
      endNs: segments.endNs[i]!,
    })
  }
  const parts: EntryJson['components'] = []
  for (let i = samples.firstComponent[sample]!; i < samples.firstComponent[sample + 1]!; i++) {
    parts.push({
      ...dictionary.components[components.component[i]!]!,
      criticalNs: components.criticalNs[i]!,
      ifInstantNs: components.ifInstantNs[i]!,
      ...(components.bound[i] === 1 ? { bound: true } : {}),
    })
  }
  parts.sort((a, b) => a.ifInstantNs - b.ifInstantNs || compareComponents(a, b))
  return {
    spanId: idHex(spans.spanId, samples.span[sample]!),
    service: endpoint.service,
    operation: endpoint.operation,
    kind: SAMPLE_KINDS[samples.kind[sample]!] as EntryJson['kind'],
    startUnixNano: String(origin + BigInt(samples.startNs[sample]!)),
    durationNs: samples.durationNs[sample]!,
    queueWaitNs: samples.queueWaitNs[sample]!,
    criticalPath,
    components: parts,
  }
}
