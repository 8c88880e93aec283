import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { bottleneckOf } from '../../src/analysis/bottlenecks.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { quantileOf } from '../../src/analysis/quantile.ts'
import { createWorld, type FamilyOptions, runAgainEach, runWorld } from './program.ts'

/** The true percentiles come from as many other requests of the same world. */
export const OTHER_ENTRIES = 50_000
/** Components of a world that are looked at, those that save most: running all again would take most of the time. */
const COMPONENTS = 6
/** Their first request: none of those that are analyzed. */
const OTHERS_FROM = 1_000_000

export type Coverage = {
  /** Intervals that were given, and share of them that hold the true percentile. */
  count: number
  share: number
  /** ... of the components whose absence saves at least 5 %. */
  savingCount: number
  savingShare: number
  /** Mean width, of the observed percentile; and without the range that the evidence leaves open. */
  width: number
  samplingWidth: number
  /** Share of intervals that the range widened. */
  open: number
  worlds: number
}

/**
 * How often the 95 % intervals of "if infinitely fast" percentiles hold the percentile that the same world has over
 * many other requests, run with the component's own work gone.
 */
export function coverFamily(
  family: FamilyOptions,
  options: { worlds: number; seed: number; traces: number; entries?: number },
): Coverage {
  const { worlds, seed, traces, entries = OTHER_ENTRIES } = options
  let held = 0
  let count = 0
  let savingHeld = 0
  let savingCount = 0
  let width = 0
  let samplingWidth = 0
  let open = 0
  for (let w = 0; w < worlds; w++) {
    const world = createWorld(seed + w, family)
    const { columns } = runWorld(world, 0, traces)
    const analysis = analyzeSpans(columns, {
      model: learnDependencies(columns),
      range: true,
      serviceScope: false,
    })
    const group = groupSamples(analysis).find(({ endpoint }) => endpoint.service === world.service)
    if (group === undefined) throw new Error('the entry endpoint is missing')
    const components = bottleneckOf(group).components.slice(0, COMPONENTS)
    const narrow = bottleneckOf({
      ...group,
      components: group.components.map(({ range: _, ...part }) => part),
    })
    const [observed, ...truths] = runAgainEach(world, OTHERS_FROM, entries, [
      () => 1,
      ...components.map(
        ({ kind, name }) =>
          (c: string) =>
            c === `${kind} ${name}` ? 0 : 1,
      ),
    ]).map((latencies) => latencies.sort())
    components.forEach((component, place) => {
      const { kind, name } = component
      const other = narrow.components.find((c) => c.kind === kind && c.name === name)!
      for (const [q, interval, sampling] of [
        [0.5, component.p50Interval, other.p50Interval],
        [0.95, component.p95Interval, other.p95Interval],
        [0.99, component.p99Interval, other.p99Interval],
      ] as const) {
        if (interval === null || sampling === null) continue
        const before = quantileOf(observed!, q)
        const after = quantileOf(truths[place]!, q)
        const holds = interval[0] <= after && after <= interval[1]
        count++
        if (holds) held++
        if (before - after >= 0.05 * before) {
          savingCount++
          if (holds) savingHeld++
        }
        width += (interval[1] - interval[0]) / before
        samplingWidth += (sampling[1] - sampling[0]) / before
        if (interval[0] < sampling[0] || interval[1] > sampling[1]) open++
      }
    })
  }
  return {
    count,
    share: held / count,
    savingCount,
    savingShare: savingHeld / savingCount,
    width: width / count,
    samplingWidth: samplingWidth / count,
    open: open / count,
    worlds,
  }
}
