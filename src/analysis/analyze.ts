import type { SpanColumns } from '../trace/columns.ts'
import type { Component } from '../trace/component.ts'
import { groupByTrace } from '../trace/group.ts'
import { createTree, type TraceTree } from '../trace/tree.ts'
import { assembleTrace } from './assemble.ts'
import { applyModel, createDependencies, type Dependencies, type Model } from './dependencies.ts'
import { createFactorMeasurer, createMeasurer, type Measure } from './measure.ts'
import type { Analysis } from './result.ts'
import { closeResult, createResultBuilder, makeRoom, type ResultBuilder } from './result-builder.ts'
import { createSampler } from './sample.ts'
import { type AnalysisTimings, createLaps } from './timings.ts'

export type AnalysisOptions = {
  /** Dependencies learned over many traces; without them the rules for one trace hold. */
  model?: Model | undefined
  /** Where the time went is added here. */
  timings?: AnalysisTimings
  /** Whether SERVER spans that are no entries are samples too; true if not given. */
  serviceScope?: boolean
}

/**
 * Assembles every trace of the batch, and computes the critical path and the infinitely-fast-component test of each
 * of its samples, by the rules for one trace on its own. O(n log n) in the spans of a trace, linear in traces; the
 * result does not depend on the order of the rows.
 */
export function analyzeSpans(spans: SpanColumns, options: AnalysisOptions = {}): Analysis {
  return analyzeBy(spans, options, createMeasurer)
}

/**
 * Latency (ns, whole) of every sample with each component's own work `factorOf(component)` times as long (0: infinitely
 * fast, 0.5: twice as fast, 1: as it is, 2: twice as slow). Samples stand in the order of `analyzeSpans`.
 */
export function latenciesWith(
  spans: SpanColumns,
  factorOf: (component: Component) => number,
  options: AnalysisOptions = {},
): Float64Array {
  const { samples, components } = analyzeBy(spans, options, (tree, result, dependencies) =>
    createFactorMeasurer(tree, result, dependencies, factorOf),
  )
  return components.ifInstantNs.slice(0, samples.count)
}

function analyzeBy(
  spans: SpanColumns,
  options: AnalysisOptions,
  createMeasure: (tree: TraceTree, result: ResultBuilder, dependencies: Dependencies | undefined) => Measure,
): Analysis {
  const lap = createLaps(options.timings)
  const groups = groupByTrace(spans)
  const result = createResultBuilder(spans, groups.count)
  const tree = createTree(spans)
  const { model } = options
  const dependencies = model === undefined ? undefined : createDependencies()
  const settled = (from: number, to: number) => {
    if (model !== undefined && dependencies !== undefined) applyModel(model, tree, dependencies, from, to)
  }
  const sampler = createSampler(tree, result, {
    measure: createMeasure(tree, result, dependencies),
    dependencies,
    settledAgain: settled,
    lap,
    serviceScope: options.serviceScope ?? true,
  })
  const { traces, repairs } = result

  for (let trace = 0; trace < groups.count; trace++) {
    const from = groups.first[trace]!
    const to = groups.first[trace + 1]!
    makeRoom(traces, traces.span)
    const at = traces.count++
    traces.span[at] = groups.rows[from]!
    traces.firstSample[at] = result.samples.count
    traces.firstRepair[at] = repairs.count
    const { entries, orderFrom, millisecondClock } = assembleTrace(tree, groups.rows, from, to, repairs)
    traces.origin[at] = tree.origin
    traces.spanCount[at] = tree.count
    if (dependencies !== undefined) dependencies.list.length = 0
    settled(0, orderFrom.at(-1)!)
    lap('assembleMs')
    if (entries.length > 0) sampler.sampleTrace(entries, orderFrom, millisecondClock)
    lap('whatIfMs')
  }
  return closeResult(result)
}
