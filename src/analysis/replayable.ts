import type { SpanColumns } from '../trace/columns.ts'
import { type AnalysisOptions, analyzeSpans, latenciesWith, type ReplayOptions } from './analyze.ts'
import type { SampleGroup } from './bottlenecks.ts'
import { groupSamples } from './group-samples.ts'
import { joinGroups } from './join-groups.ts'
import type { FactorOf } from './measure.ts'
import { componentsIn, type PresentComponent } from './present.ts'
import { type Predicted, rangeOf, rank, weightedMean } from './ranked.ts'
import type { Analysis } from './result.ts'
import { componentKey } from './rollup.ts'

export type Way = Pick<ReplayOptions, 'inclusive' | 'reading'>

/** Samples of an endpoint whose spans are at hand. */
export type Replayable = {
  group: SampleGroup
  /** Latency of each sample of the group, ns, re-scheduled (see analyze.ts). */
  latenciesWith(factorOf: FactorOf, way?: Way): Float64Array
  /** All components of its samples, those on no critical path too (see present.ts). */
  components(): PresentComponent[]
  /** Whether a learned model may leave open what was waited for. */
  learned: boolean
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
    learned: options.model !== undefined,
    latenciesWith(factorOf, way) {
      const latencies = latenciesWith(spans, factorOf, { ...options, ...way })
      return Float64Array.from(group.rows, (row) => latencies[row]!)
    },
    components: () =>
      componentsIn(
        spans,
        [...group.rows].map((row) => analysis.samples.span[row]!),
        options.model,
      ),
  }))
}

/** Several as one, of one endpoint. */
export function joinReplayables(parts: readonly Replayable[]): Replayable {
  if (parts.length === 1) return parts[0]!
  return {
    group: joinGroups(parts.map(({ group }) => group)),
    learned: parts.some(({ learned }) => learned),
    latenciesWith(factorOf, way) {
      const all = parts.map((part) => part.latenciesWith(factorOf, way))
      const joined = new Float64Array(all.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const latencies of all) {
        joined.set(latencies, at)
        at += latencies.length
      }
      return joined
    },
    components() {
      const all = new Map<string, PresentComponent>()
      for (const { component, spansNs } of parts.flatMap((part) => part.components())) {
        const known = all.get(componentKey(component))?.spansNs ?? 0
        all.set(componentKey(component), { component, spansNs: known + spansNs })
      }
      return [...all.values()]
    },
  }
}

/** The latencies that replaying gives, and between which the evidence leaves them, where it leaves any open. */
export function predict(
  replayable: Replayable,
  factorOf: FactorOf,
  inclusive = false,
  likely = replayable.latenciesWith(factorOf, { inclusive }),
): Predicted {
  const { weights } = replayable.group
  const point = { ranked: rank(likely, weights), meanNs: weightedMean(likely, weights) }
  if (!replayable.learned) return point
  const ends = (['most', 'least'] as const).map((reading) =>
    replayable.latenciesWith(factorOf, { inclusive, reading }),
  )
  const earliest = likely.map((ns, i) => Math.min(ns, ends[0]![i]!, ends[1]![i]!))
  const latest = likely.map((ns, i) => Math.max(ns, ends[0]![i]!, ends[1]![i]!))
  if (earliest.every((ns, i) => ns === latest[i])) return point
  return { ...point, ...rangeOf(earliest, latest, weights) }
}
