import { type Analysis, SAMPLE_KINDS } from '../analysis/result.ts'
import { sinceNs } from '../analysis/rollup-samples.ts'
import { createWords, pushNumber, pushPair, pushWord, type WordList, wordsIn } from '../analysis/word-list.ts'
import type { EvidenceRows } from '../findings/evidence.ts'
import { idHex, traceIdHex } from '../trace/columns.ts'
import { OTHER_COMPONENT } from '../trace/component.ts'
import { REPAIR_KINDS } from '../trace/repair.ts'
import { STATUS_ERROR } from '../trace/span.ts'
import { codedColumn, codesById, createCodedTexts, pushHexId, pushId } from './column-lists.ts'
import { createFindingColumns } from './finding-columns.ts'
import { type NativeTable, tableOf } from './native-table.ts'
import { type NativeColumn, writeBlock } from './native-writer.ts'
import { createNodeColumns } from './node-columns.ts'
import { orderSamples } from './sample-order.ts'

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

/**
 * One Native block of `samples`: those of the analysis, in the order of the table (which then need not sort them), with
 * what was found in them, and a deletion for each key of `gone`. `stored`: how the store would answer with those of the
 * analysis (see rollup-sources.ts), and which trace of it each is of.
 */
export function samplesBlock(
  analysis: Analysis,
  nameOf: (endpoint: number) => string,
  gone: readonly SampleKey[],
  { version, modelVersion }: ResultVersion,
  evidence?: EvidenceRows,
): { rows: number; block: Buffer; stored: NativeTable; traceOf: Uint32Array } {
  const { spans, traces, samples, components } = analysis
  const origins = wordsOfTimes(traces.origin)
  const findings = createFindingColumns(evidence, samples.count)
  const { dictionary } = spans
  const start = createWords()
  const text = {
    Environment: createCodedTexts(),
    Namespace: createCodedTexts(),
    Service: createCodedTexts(),
    Operation: createCodedTexts(),
    Scope: createCodedTexts(),
    ServiceVersion: createCodedTexts(),
    EntryKind: createCodedTexts(),
  }
  const id = { traceHigh: createWords(), traceLow: createWords(), span: createWords() }
  const durationNs = createWords()
  const queueWaitNs = createWords()
  const isError = createWords()
  const weight = createWords()
  const ends = createWords()
  const part = { kinds: createCodedTexts(), names: createCodedTexts() }
  const kinds = part.kinds.codes
  const names = part.names.codes
  const kindOf = codesById(part.kinds, (component) => dictionary.components[component]!.kind)
  const nameCodeOf = codesById(part.names, (component) => dictionary.components[component]!.name)
  const criticalNs = createWords()
  const ifInstantNs = createWords()
  const earlierNs = createWords()
  const laterNs = createWords()
  const rangeEnds = createWords()
  const isDeleted = createWords()
  const calls = createWords()
  const callEnds = createWords()
  const nodes = createNodeColumns(dictionary)
  const keys = new Set<string>()

  const { order, traceOf, keyOf: endpointKeyOf } = orderSamples(analysis, dictionary, nameOf)
  for (let i = 0; i < order.length; i++) {
    const s = order[i]!
    const trace = traceOf[i]!
    const traceSpan = traces.span[trace]!
    const row = samples.span[s]!
    const { environment, namespace, service, operation, scope } = endpointKeyOf(s)
    pushTime(start, origins, trace, samples.startNs[s]!)
    push(environment, namespace, service, operation, scope)
    pushId(id.traceHigh, spans.traceHigh, traceSpan)
    pushId(id.traceLow, spans.traceLow, traceSpan)
    pushId(id.span, spans.spanId, row)
    if (gone.length > 0) {
      const traceId = traceIdHex(spans, traceSpan)
      const spanId = idHex(spans.spanId, row)
      const startNs = traces.origin[trace]! + BigInt(samples.startNs[s]!)
      keys.add(keyOf(environment, namespace, service, operation, scope, startNs, traceId, spanId))
    }
    text.ServiceVersion.push(dictionary.fields(spans.shape[row]!).version)
    text.EntryKind.push(SAMPLE_KINDS[samples.kind[s]!]!)
    pushNumber(durationNs, samples.durationNs[s]!)
    pushNumber(queueWaitNs, samples.queueWaitNs[s]!)
    pushWord(isError, spans.status[row] === STATUS_ERROR ? 1 : 0)
    pushWord(weight, samples.weight[s]!)
    pushWord(isDeleted, 0)
    pushComponents(s)
    findings.addSample(s)
  }
  for (const key of gone) {
    const { Environment, Namespace, Service, Operation, Scope } = key
    const startNs = BigInt(key.StartNs)
    const name = keyOf(Environment, Namespace, Service, Operation, Scope, startNs, key.TraceId, key.SpanId)
    if (keys.has(name)) continue
    keys.add(name)
    pushTime(start, wordsOfTimes(BigUint64Array.of(startNs)), 0, 0)
    push(Environment, Namespace, Service, Operation, Scope)
    pushHexId(id.traceHigh, key.TraceId)
    pushHexId(id.traceLow, key.TraceId.slice(16))
    pushHexId(id.span, key.SpanId)
    text.ServiceVersion.push('')
    text.EntryKind.push('')
    pushNumber(durationNs, 0)
    pushNumber(queueWaitNs, 0)
    pushWord(isError, 0)
    pushWord(weight, 1)
    pushWord(isDeleted, 1)
    pushWord(ends, kinds.length)
    pushWord(callEnds, calls.length)
    pushWord(rangeEnds, earlierNs.length / 2)
    nodes.endRow()
    findings.addNothing()
  }

  const rows = start.length / 2
  const at = wordsIn(ends)
  const columns: NativeColumn[] = [
    { name: 'Start', type: 'DateTime64(9)', words: wordsIn(start) },
    ...Object.entries(text).map(([name, coded]) => ({
      name,
      type: 'LowCardinality(String)' as const,
      ...codedColumn(coded),
    })),
    {
      name: 'TraceId',
      type: 'String',
      ids: [id.traceHigh, id.traceLow].map(wordsIn),
    },
    { name: 'SpanId', type: 'String', ids: [wordsIn(id.span)] },
    { name: 'DurationNs', type: 'UInt64', words: wordsIn(durationNs) },
    { name: 'QueueWaitNs', type: 'UInt64', words: wordsIn(queueWaitNs) },
    { name: 'IsError', type: 'UInt8', values: wordsIn(isError) },
    { name: 'Weight', type: 'UInt32', values: wordsIn(weight) },
    { name: 'ComponentKinds', type: 'Array(LowCardinality(String))', ends: at, ...codedColumn(part.kinds) },
    { name: 'ComponentNames', type: 'Array(LowCardinality(String))', ends: at, ...codedColumn(part.names) },
    { name: 'CriticalNs', type: 'Array(UInt64)', ends: at, words: wordsIn(criticalNs) },
    { name: 'IfInstantNs', type: 'Array(UInt64)', ends: at, words: wordsIn(ifInstantNs) },
    { name: 'EarlierNs', type: 'Array(UInt64)', ends: wordsIn(rangeEnds), words: wordsIn(earlierNs) },
    { name: 'LaterNs', type: 'Array(UInt64)', ends: wordsIn(rangeEnds), words: wordsIn(laterNs) },
    { name: 'ComponentCalls', type: 'Array(UInt32)', ends: wordsIn(callEnds), values: wordsIn(calls) },
    ...nodes.columns(),
    ...findings.columns(),
    { name: 'Version', type: 'UInt64', values: new Array<number>(rows).fill(version) },
    { name: 'ModelVersion', type: 'UInt64', values: new Array<number>(rows).fill(modelVersion) },
    { name: 'IsDeleted', type: 'UInt8', values: wordsIn(isDeleted) },
  ]
  const times = wordsIn(start)
  const minutes = Uint32Array.from({ length: order.length }, (_, row) => minuteOf(times, row))
  const stored = tableOf(order.length, [
    ...columns,
    { name: 'Minute', type: 'UInt32', values: minutes },
    { name: 'StartNs', type: 'UInt64', words: times },
    { name: 'TraceHigh', type: 'UInt64', words: wordsIn(id.traceHigh) },
    { name: 'TraceLow', type: 'UInt64', words: wordsIn(id.traceLow) },
  ])
  const isEmpty = (column: NativeColumn) => 'ends' in column && (rows === 0 || column.ends[rows - 1] === 0)
  // Where all of a column's arrays are empty, as the table has them anyway, their ends would be most of the block.
  const written = columns.filter((column) => !isEmpty(column))
  return { rows, block: writeBlock(rows, written), stored, traceOf }

  function push(
    environment: string,
    namespace: string,
    service: string,
    operation: string,
    scope: string,
  ): void {
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
    pushNumber(earlierNs, ifInstantNs - earliest)
    pushNumber(laterNs, latest - ifInstantNs)
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
      pushWord(kinds, kindOf(component))
      pushWord(names, nameCodeOf(component))
      pushNumber(criticalNs, components.criticalNs[i]!)
      pushNumber(ifInstantNs, components.ifInstantNs[i]!)
      if (hasRange) pushRange(components.ifInstantNs[i]!, components.earliestNs[i]!, components.latestNs[i]!)
      if (hasCalls) pushWord(calls, components.calls[i]!)
    }
    if (otherNs > 0) {
      part.kinds.push(OTHER_COMPONENT.kind)
      part.names.push(OTHER_COMPONENT.name)
      pushNumber(criticalNs, otherNs)
      pushNumber(ifInstantNs, samples.durationNs[s]! - otherNs)
      if (hasRange) pushRange(0, 0, 0)
      if (hasCalls) pushWord(calls, otherCalls)
    }
    pushWord(ends, kinds.length)
    pushWord(rangeEnds, earlierNs.length / 2)
    pushWord(callEnds, calls.length)
    nodes.add(analysis.nodes, samples.firstNode[s]!, samples.firstNode[s + 1]!)
    nodes.endRow()
  }
}

/** Epoch seconds of the minute that a time (words of epoch ns) is in. */
function minuteOf(times: Uint32Array, row: number): number {
  const minute = 60 * Math.floor((times[2 * row + 1]! * 2 ** 32 + times[2 * row]!) / 60e9)
  // The number is rounded; what is left of a time near it is exact.
  const left = sinceNs(times, row, minute)
  return left < 0 ? minute - 60 : left >= 60e9 ? minute + 60 : minute
}

function keyOf(...parts: (string | bigint)[]): string {
  return parts.join('\n')
}

/** The words of epoch ns, low first. */
function wordsOfTimes({ buffer, byteOffset, length }: BigUint64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, 2 * length)
}

/** The time `ns` after the i-th of some times. */
function pushTime(list: WordList, times: Uint32Array, i: number, ns: number): void {
  const low = times[2 * i]! + ns
  pushPair(list, low, times[2 * i + 1]! + Math.floor(low / 2 ** 32))
}

/** One Native block of `analyzed_traces`. */
export function tracesBlock(
  analysis: Analysis,
  stampOf: (trace: number) => TraceStamp,
  { version, modelVersion }: ResultVersion,
): { rows: number; block: Buffer } {
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
