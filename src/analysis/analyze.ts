import { chargeSpans } from '../trace/charge.ts'
import { hasMillisecondClock } from '../trace/clock.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { Component } from '../trace/component.ts'
import { groupByTrace } from '../trace/group.ts'
import { linkSpans } from '../trace/identity.ts'
import { loadSpans } from '../trace/load.ts'
import { settle } from '../trace/settle.ts'
import { createTree, growTree, type TraceTree } from '../trace/tree.ts'
import { createFactorMeasurer, createMeasurer, type Measure } from './measure.ts'
import type { Analysis } from './result.ts'
import { closeResult, createResultBuilder, makeRoom, type ResultBuilder } from './result-builder.ts'
import { createSampler } from './sample.ts'
import { type AnalysisTimings, createLaps } from './timings.ts'

export type AnalysisOptions = {
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
export function latenciesWith(spans: SpanColumns, factorOf: (component: Component) => number): Float64Array {
  const { samples, components } = analyzeBy(spans, {}, (tree, result) =>
    createFactorMeasurer(tree, result, factorOf),
  )
  return components.ifInstantNs.slice(0, samples.count)
}

function analyzeBy(
  spans: SpanColumns,
  options: AnalysisOptions,
  createMeasure: (tree: TraceTree, result: ResultBuilder) => Measure,
): Analysis {
  const lap = createLaps(options.timings)
  const groups = groupByTrace(spans)
  const result = createResultBuilder(spans, groups.count)
  const tree = createTree(spans)
  const sampler = createSampler(tree, result, createMeasure(tree, result), lap, options.serviceScope ?? true)
  const { traces, repairs } = result

  for (let trace = 0; trace < groups.count; trace++) {
    const from = groups.first[trace]!
    const to = groups.first[trace + 1]!
    makeRoom(traces, traces.span)
    const at = traces.count++
    traces.span[at] = groups.rows[from]!
    traces.firstSample[at] = result.samples.count
    traces.firstRepair[at] = repairs.count

    growTree(tree, to - from)
    loadSpans(tree, groups.rows, from, to, repairs)
    traces.origin[at] = tree.origin
    traces.spanCount[at] = tree.count
    if (tree.count === 0) continue
    linkSpans(tree, repairs)
    traces.spanCount[at] = tree.count

    const millisecondClock = hasMillisecondClock(tree)
    const entries: number[] = []
    const orderFrom: number[] = []
    for (let i = 0; i < tree.count; i++) {
      if (tree.parent[i]! >= 0) continue
      entries.push(i)
      tree.shift[i] = 0
    }
    // Outer entries first: they move what hangs below them. Inner ones join the list as they are met.
    let end = 0
    for (let e = 0; e < entries.length; e++) {
      orderFrom.push(end)
      end = settle(tree, entries[e]!, end, millisecondClock, repairs, (entry) => entries.push(entry))
      chargeSpans(tree, orderFrom[e]!, end)
    }
    orderFrom.push(end)
    lap('assembleMs')
    sampler.sampleTrace(entries, orderFrom, millisecondClock)
    lap('whatIfMs')
  }
  return closeResult(result)
}
