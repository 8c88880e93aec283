import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'
import { readAhead } from '../trace/read-ahead.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { borrowTree, returnTree, type TraceTree } from '../trace/tree.ts'
import { type Assembled, assembleTrace } from './assemble.ts'
import { callsOf } from './calls.ts'
import { offsetsOf } from './clocks.ts'
import { createPathWalk, type PathWalk } from './critical-path.ts'
import {
  type Applied,
  applyModel,
  clearReadings,
  createReadings,
  type Dependencies,
  type Readings,
} from './dependencies.ts'
import { createFamilyReader } from './family.ts'
import { createFactorMeasure, createMeasure, type FactorOf, type Measure } from './measure.ts'
import { createMatcher, isKnown, type Model } from './model.ts'
import { borrowReplayTable, returnReplayTable } from './replay.ts'
import type { Analysis } from './result.ts'
import { closeResult, createResultBuilder, type ResultBuilder } from './result-builder.ts'
import { createSampling, sampleTrace } from './sample.ts'
import { type AnalysisTimings, createLaps } from './timings.ts'

export type AnalysisOptions = {
  /** Dependencies learned over many traces; without them the rules for one trace hold. */
  model?: Model | undefined
  /** Whether `earliestNs` and `latestNs` of components are filled, as far as the model leaves dependencies open. */
  range?: boolean
  /** Where the time went is added here. */
  timings?: AnalysisTimings
  /** Whether SERVER spans that are no entries are samples too; true if not given. */
  serviceScope?: boolean
  /** Whether critical time is told by call stack as well (`Analysis.nodes`); false if not given. */
  callTrees?: boolean
  observer?: TraceObserver | undefined
  /** The batch by traces, where that is at hand (`groupByTrace`). */
  groups?: TraceGroups
  /** An earlier analysis of which nothing is needed any more: its memory is used again. */
  before?: Analysis | undefined
}

/** Looks on while a batch is analyzed. */
export type TraceObserver = {
  /** `rows`: by trace. */
  begin(tree: TraceTree, rows: TraceGroups): void
  /** A trace whose entries are settled and charged, before its samples are. `trace` is its place in the result. */
  assembled(
    tree: TraceTree,
    trace: number,
    assembled: Assembled,
    dependencies: Dependencies | undefined,
  ): void
  /** The rows of that trace are in the result. */
  sampled(result: ResultBuilder, trace: number): void
  /** The result is complete but for its closing offsets; single traces may be had once more. */
  finished(result: ResultBuilder, again: Again): void
}
/** Assembles one trace of the batch once more. */
export type Again = (
  trace: number,
  look: (tree: TraceTree, assembled: Assembled, dependencies: Dependencies | undefined) => void,
) => void

export type ReplayOptions = AnalysisOptions & {
  reading?: 'likely' | 'most' | 'least'
  inclusive?: boolean
}

/**
 * Assembles every trace of the batch, and computes the critical path and the infinitely-fast-component test of each
 * of its samples, by the rules for one trace on its own. O(n log n) in the spans of a trace, linear in traces; the
 * result does not depend on the order of the rows.
 */
export function analyzeSpans(spans: SpanColumns, options: AnalysisOptions = {}): Analysis {
  const table = borrowReplayTable()
  const analysis = analyzeBy(spans, options, (tree, result, readings, walk) =>
    createMeasure(tree, result, readings, table, walk),
  )
  returnReplayTable(table)
  return analysis
}

/**
 * Latency (ns, whole) of every sample with each component's own work `factorOf(component)` times as long (0: infinitely
 * fast, 0.5: twice as fast, 1 or undefined: as it is, 2: twice as slow). Samples stand in the order of `analyzeSpans`.
 * `inclusive`: what such a component calls within an entry, directly or not, and `factorOf` says nothing about, takes
 * its factor as well. `reading` `most` and `least`: with everything waited for that may have been, and only what is
 * proven; the two ends of what the model leaves open.
 */
export function latenciesWith(
  spans: SpanColumns,
  factorOf: FactorOf,
  options: ReplayOptions = {},
): Float64Array {
  const { reading = 'likely', inclusive = false } = options
  const measured = { ...options, range: reading !== 'likely' }
  const { samples, components } = analyzeBy(spans, measured, (tree, result, readings) =>
    createFactorMeasure(tree, result, readings?.[reading], factorOf, inclusive),
  )
  return components.ifInstantNs.slice(0, samples.count)
}

function analyzeBy(
  spans: SpanColumns,
  options: AnalysisOptions,
  createMeasureOf: (
    tree: TraceTree,
    result: ResultBuilder,
    readings: Readings | undefined,
    walk: PathWalk,
  ) => Measure,
): Analysis {
  const lap = createLaps(options.timings)
  const groups = options.groups ?? groupByTrace(spans)
  const { serviceScope = true, callTrees = false } = options
  const range = options.range === true
  const result = createResultBuilder(spans, groups.count, { range, serviceScope, callTrees }, options.before)
  const tree = borrowTree(spans)
  const { model } = options
  const applied = model === undefined ? undefined : applicationOf(model, tree, range)
  const readings = applied?.readings
  const clocks = model === undefined ? undefined : offsetsOf(model.clocks, spans.dictionary)
  const walk = createPathWalk()
  const sampling = createSampling(tree, result, {
    measure: createMeasureOf(tree, result, readings, walk),
    walk,
    applied,
    lap,
    serviceScope,
    callTrees,
  })
  const { traces, repairs } = result
  const { observer } = options
  const origins = new Uint32Array(traces.origin.buffer)
  observer?.begin(tree, groups)

  const ahead = { row: 0, words: 0 }
  for (let trace = 0; trace < groups.count; trace++) {
    const from = groups.first[trace]!
    const to = groups.first[trace + 1]!
    readAhead(ahead, spans, to)
    result.share = from / spans.count
    const at = traces.count++
    traces.span[at] = groups.rows[from]!
    traces.firstSample[at] = result.samples.count
    traces.firstRepair[at] = repairs.count
    const assembled = assembleTrace(tree, groups.rows, from, to, repairs, clocks)
    const { entries, orderFrom, millisecondClock } = assembled
    origins[2 * at] = tree.originLow
    origins[2 * at + 1] = tree.originHigh
    traces.spanCount[at] = tree.count
    if (applied !== undefined) {
      clearReadings(applied.readings, tree)
      applyModel(applied, tree, 0, orderFrom.at(-1)!, millisecondClock)
    }
    lap('assembleMs')
    observer?.assembled(tree, trace, assembled, readings?.likely)
    lap('findingsMs')
    if (entries.length > 0) sampleTrace(sampling, entries, orderFrom, millisecondClock)
    lap('whatIfMs')
    observer?.sampled(result, trace)
  }
  observer?.finished(result, (trace, look) => {
    const log = createRepairLog()
    const from = groups.first[trace]!
    const to = groups.first[trace + 1]!
    const assembled = assembleTrace(tree, groups.rows, from, to, log, clocks)
    if (applied !== undefined) {
      clearReadings(applied.readings, tree)
      applyModel(applied, tree, 0, assembled.orderFrom.at(-1)!, assembled.millisecondClock)
    }
    look(tree, assembled, readings?.likely)
  })
  lap('findingsMs')
  returnTree(tree)
  return closeResult(result)
}

/** Undefined: the model knows no dependencies. */
function applicationOf(model: Model, tree: TraceTree, range: boolean): Applied | undefined {
  if (model.structures.size === 0) return undefined
  const matcher = createMatcher(model)
  const calls = callsOf(tree.spans.dictionary)
  const reader = createFamilyReader(tree, calls, (context) => isKnown(matcher, context))
  return { matcher, reader, readings: createReadings(range) }
}
