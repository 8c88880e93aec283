import { type Analysis, SAMPLE_KINDS } from '../analysis/result.ts'
import { sinceNs } from '../analysis/rollup-samples.ts'
import { putNumber } from '../analysis/word-list.ts'
import type { EvidenceRows } from '../findings/evidence.ts'
import { idHex, traceIdHex } from '../trace/columns.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import { STATUS_ERROR } from '../trace/span.ts'
import { codedTexts, codeOf } from './column-lists.ts'
import { createComponentColumns } from './component-columns.ts'
import { createFindingColumns } from './finding-columns.ts'
import { type NativeTable, tableOf } from './native-table.ts'
import { type NativeColumn, writeBlock } from './native-writer.ts'
import { createNodeColumns } from './node-columns.ts'
import type { ResultVersion } from './results.ts'
import { type Key, orderSamples } from './sample-order.ts'

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

const WORD = 2 ** 32
const KEYS = ['Environment', 'Namespace', 'Service', 'Operation', 'Scope'] as const

/**
 * One Native block of `samples`: those of the analysis, in the order of the table (which then need not sort them), with
 * what was found in them, and a deletion for each key of `gone`. `stored`: how the store would answer with those of the
 * analysis (see rollup-sources.ts), and which trace of it each is of.
 */
export function samplesBlock(
  analysis: Analysis,
  nameOf: (endpoint: number) => Pick<Endpoint, 'service' | 'operation'>,
  gone: readonly SampleKey[],
  { version, modelVersion }: ResultVersion,
  evidence?: EvidenceRows,
): { rows: number; block: Uint8Array[]; stored: NativeTable; traceOf: Uint32Array } {
  const { spans, traces, samples } = analysis
  const { order, rowOf, traceOf, placeOf, keys } = orderSamples(analysis, spans.dictionary, nameOf)
  const deleted =
    gone.length === 0 ? [] : missingOf(gone, analysis, order, traceOf, (s) => keys[placeOf[s]!]!)
  const counted = order.length
  const rows = counted + deleted.length

  const text = {
    Environment: codedTexts(rows),
    Namespace: codedTexts(rows),
    Service: codedTexts(rows),
    Operation: codedTexts(rows),
    Scope: codedTexts(rows),
    ServiceVersion: codedTexts(rows),
    EntryKind: codedTexts(rows),
  }
  const columns = createRowColumns(rows, counted)
  const { start, traceHigh, traceLow, spanId, durationNs, queueWaitNs, isError, weight, minutes } = columns
  const isDeleted = new Uint32Array(rows)
  const keyCodes = KEYS.map((name) => text[name].codes)
  const codes = {
    kinds: SAMPLE_KINDS.map((kind) => codeOf(text.EntryKind, kind)),
    keys: keys.map((key) => codesOf(key.environment, key.namespace, key.service, key.operation, key.scope)),
    versions: [],
  }
  const into = { text, keyCodes, codes, columns, origins: wordsOfTimes(traces.origin) }
  // In the order of the analysis: what is put lies scattered, but nobody waits for that as for what is looked up.
  for (let trace = 0; trace < traces.count; trace++) putSamples(into, analysis, trace, rowOf, placeOf)
  deleted.forEach((key, i) => {
    const row = counted + i
    const { Environment, Namespace, Service, Operation, Scope } = key
    codesOf(Environment, Namespace, Service, Operation, Scope).forEach((code, i) => {
      keyCodes[i]![row] = code
    })
    text.ServiceVersion.codes[row] = codeOf(text.ServiceVersion, '')
    text.EntryKind.codes[row] = codeOf(text.EntryKind, '')
    const startNs = BigInt(key.StartNs)
    start[2 * row] = Number(startNs & 0xffff_ffffn)
    start[2 * row + 1] = Number(startNs >> 32n)
    putHex(traceHigh, row, key.TraceId)
    putHex(traceLow, row, key.TraceId.slice(16))
    putHex(spanId, row, key.SpanId)
    weight[row] = 1
    isDeleted[row] = 1
  })

  const stored: NativeColumn[] = [
    { name: 'Start', type: 'DateTime64(9)', words: start },
    ...Object.entries(text).map(([name, { texts, codes }]) => ({
      name,
      type: 'LowCardinality(String)' as const,
      texts,
      codes,
    })),
    { name: 'TraceId', type: 'String', ids: [traceHigh, traceLow] },
    { name: 'SpanId', type: 'String', ids: [spanId] },
    { name: 'DurationNs', type: 'UInt64', words: durationNs },
    { name: 'QueueWaitNs', type: 'UInt64', words: queueWaitNs },
    { name: 'IsError', type: 'UInt8', values: isError },
    { name: 'Weight', type: 'UInt32', values: weight },
    ...createComponentColumns(analysis, rowOf, rows),
    ...createNodeColumns(analysis, rowOf, rows),
    ...createFindingColumns(evidence, samples.count, order, rows),
    { name: 'Version', type: 'UInt64', words: repeated(version, rows) },
    { name: 'ModelVersion', type: 'UInt64', words: repeated(modelVersion, rows) },
    { name: 'IsDeleted', type: 'UInt8', values: isDeleted },
  ]
  const table = tableOf(counted, [
    ...stored,
    { name: 'Minute', type: 'UInt32', values: minutes },
    { name: 'StartNs', type: 'UInt64', words: start },
    { name: 'TraceHigh', type: 'UInt64', words: traceHigh },
    { name: 'TraceLow', type: 'UInt64', words: traceLow },
  ])
  const isEmpty = (column: NativeColumn) => 'ends' in column && (rows === 0 || column.ends[rows - 1] === 0)
  // Where all of a column's arrays are empty, as the table has them anyway, their ends would be most of the block.
  const written = stored.filter((column) => !isEmpty(column))
  return { rows, block: writeBlock(rows, written), stored: table, traceOf }

  /** Of KEYS, in that order. */
  function codesOf(...key: [string, string, string, string, string]): number[] {
    return KEYS.map((name, i) => codeOf(text[name], key[i]!))
  }
}

/** Columns of a row each, words of two; `minutes`: epoch seconds of the minute of each sample. */
type RowColumns = ReturnType<typeof createRowColumns>

function createRowColumns(rows: number, counted: number) {
  return {
    start: new Uint32Array(2 * rows),
    traceHigh: new Uint32Array(2 * rows),
    traceLow: new Uint32Array(2 * rows),
    spanId: new Uint32Array(2 * rows),
    durationNs: new Uint32Array(2 * rows),
    queueWaitNs: new Uint32Array(2 * rows),
    isError: new Uint32Array(rows),
    weight: new Uint32Array(rows),
    minutes: new Uint32Array(counted),
  }
}

/** Where samples are put: the codes of their texts, by kind, place of the key (see sample-order.ts) and shape. */
type Target = {
  text: Record<(typeof KEYS)[number] | 'ServiceVersion' | 'EntryKind', ReturnType<typeof codedTexts>>
  keyCodes: readonly Uint32Array[]
  codes: { kinds: readonly number[]; keys: readonly number[][]; versions: number[] }
  columns: RowColumns
  origins: Uint32Array
}

/**
 * Puts the samples of a trace into their rows. A function of its own: in the middle of a loop over all traces V8 would
 * compile it anew for each block.
 */
function putSamples(
  { text, keyCodes, codes, columns, origins }: Target,
  { spans, traces, samples }: Analysis,
  trace: number,
  rowOf: Uint32Array,
  placeOf: Uint32Array,
): void {
  const { start, traceHigh, traceLow, spanId, durationNs, queueWaitNs, isError, weight, minutes } = columns
  const { versions } = codes
  const traceSpan = traces.span[trace]!
  const end = traces.firstSample[trace + 1]!
  for (let s = traces.firstSample[trace]!; s < end; s++) {
    if (samples.counted[s] === 0) continue
    const row = rowOf[s]!
    const span = samples.span[s]!
    const keys = codes.keys[placeOf[s]!]!
    for (let i = 0; i < keyCodes.length; i++) keyCodes[i]![row] = keys[i]!
    const shape = spans.shape[span]!
    versions[shape] ??= codeOf(text.ServiceVersion, spans.dictionary.fields(shape).version)
    text.ServiceVersion.codes[row] = versions[shape]
    text.EntryKind.codes[row] = codes.kinds[samples.kind[s]!]!
    const low = origins[2 * trace]! + samples.startNs[s]!
    start[2 * row] = low
    start[2 * row + 1] = origins[2 * trace + 1]! + Math.floor(low / WORD)
    minutes[row] = minuteOf(start, row)
    traceHigh[2 * row] = spans.traceHigh[2 * traceSpan]!
    traceHigh[2 * row + 1] = spans.traceHigh[2 * traceSpan + 1]!
    traceLow[2 * row] = spans.traceLow[2 * traceSpan]!
    traceLow[2 * row + 1] = spans.traceLow[2 * traceSpan + 1]!
    spanId[2 * row] = spans.spanId[2 * span]!
    spanId[2 * row + 1] = spans.spanId[2 * span + 1]!
    putNumber(durationNs, row, samples.durationNs[s]!)
    putNumber(queueWaitNs, row, samples.queueWaitNs[s]!)
    isError[row] = spans.status[span] === STATUS_ERROR ? 1 : 0
    weight[row] = samples.weight[s]!
  }
}

/** The keys that are not those of a sample of the analysis, each once. */
function missingOf(
  gone: readonly SampleKey[],
  { spans, traces, samples }: Analysis,
  order: Uint32Array,
  traceOf: Uint32Array,
  keyOf: (sample: number) => Key,
): SampleKey[] {
  const names = new Set<string>()
  for (let row = 0; row < order.length; row++) {
    const s = order[row]!
    const trace = traceOf[row]!
    const { environment, namespace, service, operation, scope } = keyOf(s)
    const startNs = traces.origin[trace]! + BigInt(samples.startNs[s]!)
    const traceId = traceIdHex(spans, traces.span[trace]!)
    const id = idHex(spans.spanId, samples.span[s]!)
    names.add([environment, namespace, service, operation, scope, startNs, traceId, id].join('\n'))
  }
  return gone.filter((key) => {
    const { Environment, Namespace, Service, Operation, Scope, TraceId, SpanId } = key
    const parts = [Environment, Namespace, Service, Operation, Scope, BigInt(key.StartNs), TraceId, SpanId]
    const name = parts.join('\n')
    if (names.has(name)) return false
    names.add(name)
    return true
  })
}

/** Epoch seconds of the minute that a time (words of epoch ns) is in. */
function minuteOf(times: Uint32Array, row: number): number {
  const minute = 60 * Math.floor((times[2 * row + 1]! * WORD + times[2 * row]!) / 60e9)
  // The number is rounded; what is left of a time near it is exact.
  const left = sinceNs(times, row, minute)
  return left < 0 ? minute - 60 : left >= 60e9 ? minute + 60 : minute
}

/** The words of epoch ns, low first. */
function wordsOfTimes({ buffer, byteOffset, length }: BigUint64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, 2 * length)
}

function putHex(words: Uint32Array, i: number, hex: string): void {
  words[2 * i] = Number.parseInt(hex.slice(8, 16), 16)
  words[2 * i + 1] = Number.parseInt(hex.slice(0, 8), 16)
}

function repeated(value: number, count: number): Uint32Array {
  return new Uint32Array(new BigUint64Array(count).fill(BigInt(value)).buffer)
}
