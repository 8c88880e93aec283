import type { SpanColumns } from '../trace/columns.ts'
import { type AnalysisOptions, analyzeSpans, latenciesWith } from './analyze.ts'
import type { SampleGroup } from './bottlenecks.ts'
import { groupSamples } from './group-samples.ts'
import type { FactorOf } from './measure.ts'
import type { Analysis } from './result.ts'

/** Samples of an endpoint whose spans are at hand. */
export type Replayable = {
  group: SampleGroup
  /** Latency of each sample of the group, ns, re-scheduled (see analyze.ts). */
  latenciesWith(factorOf: FactorOf, inclusive?: boolean): Float64Array
}

/** By endpoint and scope, the samples of the traces in `spans`; `weightOf` a row of the analysis, 0: left out. */
export function replayablesOf(
  spans: SpanColumns,
  options: AnalysisOptions,
  weightOf?: (analysis: Analysis, row: number) => number,
): Replayable[] {
  const analysis = analyzeSpans(spans, options)
  const groups = groupSamples(analysis, weightOf && ((row) => weightOf(analysis, row)))
  return groups.map((group) => ({
    group,
    latenciesWith(factorOf, inclusive = false) {
      const latencies = latenciesWith(spans, factorOf, { ...options, inclusive })
      return Float64Array.from(group.rows, (row) => latencies[row]!)
    },
  }))
}
