import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { quantileOf } from '../../src/analysis/quantile.ts'
import type { Analysis } from '../../src/analysis/result.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { runCapacity } from './capacity.ts'
import { createLandscape, type LandscapeOptions, runLandscape } from './landscape.ts'
import {
  createWorld,
  type FactorOf,
  type FamilyOptions,
  type Observed,
  runAgain,
  runWorld,
} from './program.ts'

export const QUANTILES = [0.5, 0.95, 0.99]
/** Components that really save at least this share are scored. */
const WORTH = 0.05

/** Errors |predicted - true| / observed, over worlds, components and quantiles. */
export type Score = {
  mean: number
  p95: number
  count: number
  /** Worlds whose leader saves more at p95 than the runner-up by the p95 error, and those where it was named. */
  clear: number
  named: number
}

/** Of a world: by how much the component that truly saves most at p95 leads, and whether it was the one predicted. */
type Lead = { by: number; named: boolean }

export type Method = {
  name: string
  analyze: (columns: SpanColumns) => Analysis
  /** From a sample's latency, critical time and prediction. */
  predict: (durationNs: number, criticalNs: number, ifInstantNs: number) => number
}

export const SINGLE: Method = {
  name: 'single-trace rules',
  analyze: (columns) => analyzeSpans(columns),
  predict: (_d, _c, instant) => instant,
}
export const LEARNED: Method = {
  name: 'learned over 300 traces',
  analyze: (columns) => analyzeSpans(columns, { model: learnDependencies(columns) }),
  predict: (_d, _c, instant) => instant,
}
export const SUBTRACT: Method = {
  name: 'critical time subtracted',
  analyze: (columns) => analyzeSpans(columns),
  predict: (d, critical) => d - critical,
}

/** Requests that can be observed, and run again. */
export type Simulation = {
  seed: number
  /** Of the entry's endpoint. */
  service: string
  observe(count: number): Observed
  again(count: number, factorOf: FactorOf): Float64Array
}

/** By seed. */
export type Simulate = (seed: number) => Simulation

export function programs(family: FamilyOptions): Simulate {
  return (seed) => {
    const world = createWorld(seed, family)
    return {
      seed,
      service: world.service,
      observe: (count) => runWorld(world, 0, count),
      again: (count, factorOf) => runAgain(world, 0, count, factorOf),
    }
  }
}

export function landscapes(options: LandscapeOptions): Simulate {
  return (seed) => {
    const landscape = createLandscape(seed, options)
    return {
      seed,
      service: landscape.entry.service,
      observe: (count) => runLandscape(landscape, count),
      again: (count, factorOf) => runLandscape(landscape, count, factorOf, false).latenciesNs,
    }
  }
}

export const capacity: Simulate = (seed) => ({
  seed,
  service: 'front',
  observe: (count) => runCapacity(seed, count),
  again: (count, factorOf) => runCapacity(seed, count, factorOf).latenciesNs,
})

export function scoreFamily(
  simulate: Simulate,
  methods: readonly Method[],
  worlds: number,
  seed: number,
  traces = 300,
  report?: (line: string) => void,
): Score[] {
  const errors = methods.map((): number[] => [])
  const leads = methods.map((): Lead[] => [])
  for (let w = 0; w < worlds; w++) {
    const world = simulate(seed + w)
    const { columns, latenciesNs } = world.observe(traces)
    const observed = latenciesNs.slice().sort()
    const truths = new Map<string, Float64Array>()
    methods.forEach((method, m) => {
      const group = groupSamples(method.analyze(columns)).find(
        (g) => g.scope === 'trace' && g.endpoint.service === world.service,
      )
      if (group === undefined) throw new Error('the entry endpoint is missing')
      const savings: { true: number; predicted: number }[] = []
      for (const part of group.components) {
        const name = `${part.component.kind} ${part.component.name}`
        let truth = truths.get(name)
        if (truth === undefined) {
          truth = world.again(traces, (c) => (c === name ? 0 : 1)).sort()
          truths.set(name, truth)
        }
        const predicted = group.durationsNs.slice()
        part.sample.forEach((sample, i) => {
          predicted[sample] = method.predict(predicted[sample]!, part.criticalNs[i]!, part.ifInstantNs[i]!)
        })
        predicted.sort()
        const p95 = quantileOf(observed, 0.95)
        savings.push({
          true: (p95 - quantileOf(truth, 0.95)) / p95,
          predicted: (p95 - quantileOf(predicted, 0.95)) / p95,
        })
        for (const q of QUANTILES) {
          const before = quantileOf(observed, q)
          const after = quantileOf(truth, q)
          if (before - after < WORTH * before) continue
          const error = Math.abs(quantileOf(predicted, q) - after) / before
          errors[m]!.push(error)
          if (error > 0.05)
            report?.(`seed ${seed + w} ${method.name} ${name} p${q * 100}: ${(100 * error).toFixed(1)} %`)
        }
      }
      savings.sort((a, b) => b.true - a.true)
      const most = Math.max(...savings.map((saving) => saving.predicted))
      leads[m]!.push({
        by: savings[0]!.true - (savings[1]?.true ?? 0),
        named: savings[0]!.predicted === most,
      })
    })
  }
  return errors.map((list, m) => {
    const sorted = Float64Array.from(list).sort()
    const mean = list.reduce((a, b) => a + b, 0) / Math.max(1, list.length)
    const p95 = quantileOf(sorted, 0.95)
    const clear = leads[m]!.filter((lead) => lead.by > p95)
    return {
      mean,
      p95,
      count: list.length,
      clear: clear.length,
      named: clear.filter((lead) => lead.named).length,
    }
  })
}
