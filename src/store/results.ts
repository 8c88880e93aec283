import { type Analysis, SAMPLE_KINDS, SERVICE } from '../analysis/result.ts'
import type { EvidenceRows } from '../findings/evidence.ts'
import { idHex, traceIdHex } from '../trace/columns.ts'
import { OTHER_COMPONENT } from '../trace/component.ts'
import { REPAIR_KINDS } from '../trace/repair.ts'
import { STATUS_ERROR } from '../trace/span.ts'
import { codesById, createCodedTexts, createIdWords } from './column-lists.ts'
import { createFindingColumns } from './finding-columns.ts'
import { type NativeColumn, writeBlock } from './native-writer.ts'
import { createNodeColumns } from './node-columns.ts'

/** Identity of a stored sample: the sorting key of `samples`. */
export type SampleKey = {
  Environment: string
  Namespace: string
  Service: string
  Operation: string
  Scope: string
  /** Epoch ns. */
  StartNs: string
  TraceId: string
  SpanId: string
}

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

/** One Native block of `samples`: those of the analysis, with what was found in them, and a deletion for each key of `gone`. */
export function samplesBlock(
  analysis: Analysis,
  nameOf: (endpoint: number) => string,
  gone: readonly SampleKey[],
  { version, modelVersion }: ResultVersion,
  evidence?: EvidenceRows,
): { rows: number; block: Buffer; keys: Set<string> } {
  const { spans, traces, samples, components } = analysis
  const findings = createFindingColumns(evidence, samples.count)
  const { dictionary } = spans
  const start: bigint[] = []
  const text = {
    Environment: createCodedTexts(),
    Namespace: createCodedTexts(),
    Service: createCodedTexts(),
    Operation: createCodedTexts(),
    Scope: createCodedTexts(),
    ServiceVersion: createCodedTexts(),
    EntryKind: createCodedTexts(),
  }
  const id = { traceHigh: createIdWords(), traceLow: createIdWords(), span: createIdWords() }
  const durationNs: number[] = []
  const queueWaitNs: number[] = []
  const isError: number[] = []
  const weight: number[] = []
  const ends: number[] = []
  const part = { kinds: createCodedTexts(), names: createCodedTexts() }
  const kinds = part.kinds.codes
  const names = part.names.codes
  const kindOf = codesById(part.kinds, (component) => dictionary.components[component]!.kind)
  const nameCodeOf = codesById(part.names, (component) => dictionary.components[component]!.name)
  const criticalNs: number[] = []
  const ifInstantNs: number[] = []
  const earlierNs: number[] = []
  const laterNs: number[] = []
  const rangeEnds: number[] = []
  const isDeleted: number[] = []
  const calls: number[] = []
  const callEnds: number[] = []
  const nodes = createNodeColumns(dictionary)
  const keys = new Set<string>()

  for (let trace = 0; trace < traces.count; trace++) {
    const traceSpan = traces.span[trace]!
    const traceId = gone.length === 0 ? '' : traceIdHex(spans, traceSpan)
    const origin = traces.origin[trace]!
    for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
      if (samples.counted[s] === 0) continue
      const row = samples.span[s]!
      const endpoint = dictionary.endpoints[samples.endpoint[s]!]!
      const startNs = origin + BigInt(samples.startNs[s]!)
      const operation = nameOf(samples.endpoint[s]!)
      const scope = samples.kind[s] === SERVICE ? 'service' : 'trace'
      push(startNs, endpoint.environment, endpoint.namespace, endpoint.service, operation, scope)
      id.traceHigh.push(spans.traceHigh, traceSpan)
      id.traceLow.push(spans.traceLow, traceSpan)
      id.span.push(spans.spanId, row)
      if (gone.length > 0) {
        const { environment, namespace, service } = endpoint
        const spanId = idHex(spans.spanId, row)
        keys.add(keyOf(environment, namespace, service, operation, scope, startNs, traceId, spanId))
      }
      text.ServiceVersion.push(dictionary.fields(spans.shape[row]!).version)
      text.EntryKind.push(SAMPLE_KINDS[samples.kind[s]!]!)
      durationNs.push(samples.durationNs[s]!)
      queueWaitNs.push(samples.queueWaitNs[s]!)
      isError.push(spans.status[row] === STATUS_ERROR ? 1 : 0)
      weight.push(samples.weight[s]!)
      isDeleted.push(0)
      pushComponents(s)
      findings.addSample(s)
    }
  }
  for (const key of gone) {
    const { Environment, Namespace, Service, Operation, Scope } = key
    const startNs = BigInt(key.StartNs)
    const name = keyOf(Environment, Namespace, Service, Operation, Scope, startNs, key.TraceId, key.SpanId)
    if (keys.has(name)) continue
    keys.add(name)
    push(startNs, Environment, Namespace, Service, Operation, Scope)
    id.traceHigh.pushHex(key.TraceId)
    id.traceLow.pushHex(key.TraceId.slice(16))
    id.span.pushHex(key.SpanId)
    text.ServiceVersion.push('')
    text.EntryKind.push('')
    durationNs.push(0)
    queueWaitNs.push(0)
    isError.push(0)
    weight.push(1)
    isDeleted.push(1)
    ends.push(kinds.length)
    callEnds.push(calls.length)
    rangeEnds.push(earlierNs.length)
    nodes.endRow()
    findings.addNothing()
  }

  const rows = start.length
  const columns: NativeColumn[] = [
    { name: 'Start', type: 'DateTime64(9)', values: start },
    ...Object.entries(text).map(([name, coded]) => ({
      name,
      type: 'LowCardinality(String)' as const,
      ...coded,
    })),
    {
      name: 'TraceId',
      type: 'String',
      ids: [id.traceHigh, id.traceLow].map(({ words }) => new Uint32Array(words)),
    },
    { name: 'SpanId', type: 'String', ids: [new Uint32Array(id.span.words)] },
    { name: 'DurationNs', type: 'UInt64', values: durationNs },
    { name: 'QueueWaitNs', type: 'UInt64', values: queueWaitNs },
    { name: 'IsError', type: 'UInt8', values: isError },
    { name: 'Weight', type: 'UInt32', values: weight },
    { name: 'ComponentKinds', type: 'Array(LowCardinality(String))', ends, ...part.kinds },
    { name: 'ComponentNames', type: 'Array(LowCardinality(String))', ends, ...part.names },
    { name: 'CriticalNs', type: 'Array(UInt64)', ends, values: criticalNs },
    { name: 'IfInstantNs', type: 'Array(UInt64)', ends, values: ifInstantNs },
    { name: 'EarlierNs', type: 'Array(UInt64)', ends: rangeEnds, values: earlierNs },
    { name: 'LaterNs', type: 'Array(UInt64)', ends: rangeEnds, values: laterNs },
    { name: 'ComponentCalls', type: 'Array(UInt32)', ends: callEnds, values: calls },
    ...nodes.columns(),
    ...findings.columns(),
    { name: 'Version', type: 'UInt64', values: new Array<number>(rows).fill(version) },
    { name: 'ModelVersion', type: 'UInt64', values: new Array<number>(rows).fill(modelVersion) },
    { name: 'IsDeleted', type: 'UInt8', values: isDeleted },
  ]
  return { rows, block: writeBlock(rows, columns), keys }

  function push(
    startNs: bigint,
    environment: string,
    namespace: string,
    service: string,
    operation: string,
    scope: string,
  ): void {
    start.push(startNs)
    text.Environment.push(environment)
    text.Namespace.push(namespace)
    text.Service.push(service)
    text.Operation.push(operation)
    text.Scope.push(scope)
  }

  /** Whether the evidence for dependencies leaves open what any component would save. */
  function isOpen(s: number): boolean {
    if (components.earliestNs.length === 0) return false
    for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
      if (components.bound[i] === 0 && components.earliestNs[i] !== components.latestNs[i]) return true
    }
    return false
  }

  function pushRange(ifInstantNs: number, earliest: number, latest: number): void {
    earlierNs.push(ifInstantNs - earliest)
    laterNs.push(latest - ifInstantNs)
  }

  /** Components beyond the first 64 are one: service (other). */
  function pushComponents(s: number): void {
    // Only entries have call stacks.
    const hasCalls = samples.firstNode[s + 1]! > samples.firstNode[s]!
    const hasRange = isOpen(s)
    let otherNs = 0
    let otherCalls = 0
    for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
      if (components.bound[i] === 1) {
        otherNs += components.criticalNs[i]!
        otherCalls += components.calls[i]!
        continue
      }
      const component = components.component[i]!
      kinds.push(kindOf(component))
      names.push(nameCodeOf(component))
      criticalNs.push(components.criticalNs[i]!)
      ifInstantNs.push(components.ifInstantNs[i]!)
      if (hasRange) pushRange(components.ifInstantNs[i]!, components.earliestNs[i]!, components.latestNs[i]!)
      if (hasCalls) calls.push(components.calls[i]!)
    }
    if (otherNs > 0) {
      part.kinds.push(OTHER_COMPONENT.kind)
      part.names.push(OTHER_COMPONENT.name)
      criticalNs.push(otherNs)
      ifInstantNs.push(samples.durationNs[s]! - otherNs)
      if (hasRange) pushRange(0, 0, 0)
      if (hasCalls) calls.push(otherCalls)
    }
    ends.push(kinds.length)
    rangeEnds.push(earlierNs.length)
    callEnds.push(calls.length)
    nodes.add(analysis.nodes, samples.firstNode[s]!, samples.firstNode[s + 1]!)
    nodes.endRow()
  }
}

function keyOf(...parts: (string | bigint)[]): string {
  return parts.join('\n')
}

/** One Native block of `segments`: the critical path of every entry, and a deletion for each entry of `gone`. */
export function segmentsBlock(
  analysis: Analysis,
  gone: readonly SampleKey[],
  version: number,
): { rows: number; block: Buffer } {
  const { spans, traces, samples, segments } = analysis
  const { dictionary } = spans
  const start: bigint[] = []
  const id = { traceHigh: createIdWords(), traceLow: createIdWords(), entry: createIdWords() }
  const ends: number[] = []
  const spanIds = createIdWords()
  const text = {
    Services: createCodedTexts(),
    SpanNames: createCodedTexts(),
    ComponentKinds: createCodedTexts(),
    ComponentNames: createCodedTexts(),
  }
  const serviceOf = codesById(text.Services, (shape) => dictionary.fields(shape).service)
  const spanNameOf = codesById(text.SpanNames, (shape) => dictionary.fields(shape).name)
  const kindOf = codesById(text.ComponentKinds, (component) => dictionary.components[component]!.kind)
  const nameOf = codesById(text.ComponentNames, (component) => dictionary.components[component]!.name)
  const from: number[] = []
  const to: number[] = []
  const kept = new Set<string>()
  for (let trace = 0; trace < traces.count; trace++) {
    const traceSpan = traces.span[trace]!
    for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
      if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
      const entry = samples.span[s]!
      start.push(traces.origin[trace]! + BigInt(samples.startNs[s]!))
      id.traceHigh.push(spans.traceHigh, traceSpan)
      id.traceLow.push(spans.traceLow, traceSpan)
      id.entry.push(spans.spanId, entry)
      for (let i = samples.firstSegment[s]!; i < samples.firstSegment[s + 1]!; i++) {
        const row = segments.span[i]!
        spanIds.push(spans.spanId, row)
        text.Services.codes.push(serviceOf(spans.shape[row]!))
        text.SpanNames.codes.push(spanNameOf(spans.shape[row]!))
        text.ComponentKinds.codes.push(kindOf(segments.component[i]!))
        text.ComponentNames.codes.push(nameOf(segments.component[i]!))
        from.push(segments.startNs[i]!)
        to.push(segments.endNs[i]!)
      }
      ends.push(from.length)
      if (gone.length > 0) {
        kept.add(keyOf(start.at(-1)!, traceIdHex(spans, traceSpan), idHex(spans.spanId, entry)))
      }
    }
  }
  const isDeleted = new Array<number>(start.length).fill(0)
  for (const { Scope, StartNs, TraceId, SpanId } of gone) {
    if (Scope !== 'trace' || kept.has(keyOf(BigInt(StartNs), TraceId, SpanId))) continue
    start.push(BigInt(StartNs))
    id.traceHigh.pushHex(TraceId)
    id.traceLow.pushHex(TraceId.slice(16))
    id.entry.pushHex(SpanId)
    ends.push(from.length)
    isDeleted.push(1)
  }
  const rows = start.length
  const block = writeBlock(rows, [
    { name: 'Start', type: 'DateTime64(9)', values: start },
    {
      name: 'TraceId',
      type: 'String',
      ids: [id.traceHigh, id.traceLow].map(({ words }) => new Uint32Array(words)),
    },
    { name: 'EntrySpanId', type: 'String', ids: [new Uint32Array(id.entry.words)] },
    { name: 'SpanIds', type: 'Array(UInt64)', ends, words: new Uint32Array(spanIds.words) },
    ...Object.entries(text).map(([name, coded]) => ({
      name,
      type: 'Array(LowCardinality(String))' as const,
      ends,
      ...coded,
    })),
    { name: 'StartNs', type: 'Array(UInt64)', ends, values: from },
    { name: 'EndNs', type: 'Array(UInt64)', ends, values: to },
    { name: 'Version', type: 'UInt64', values: new Array<number>(rows).fill(version) },
    { name: 'IsDeleted', type: 'UInt8', values: isDeleted },
  ])
  return { rows, block }
}

/** One Native block of `analyzed_traces`. `stampOf` gets the trace id in hex. */
export function tracesBlock(
  analysis: Analysis,
  stampOf: (traceId: string) => TraceStamp,
  { version, modelVersion }: ResultVersion,
): { rows: number; block: Buffer } {
  const { spans, traces, repairs } = analysis
  const rows = traces.count
  const high = new Uint32Array(2 * rows)
  const low = new Uint32Array(2 * rows)
  const ids: string[] = []
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
    const id = traceIdHex(spans, span)
    const stamp = stampOf(id)
    ids.push(id)
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
    { name: 'TraceId', type: 'String', values: ids },
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
