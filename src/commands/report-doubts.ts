import type { Bottleneck, BottleneckComponent } from '../analysis/bottlenecks.ts'
import { componentLabel, duration, fitted } from './report-text.ts'

/** As many columns as the report has. */
const WIDTH = 80
/** Components named in a tie. */
const NAMED = 3

/** Lines under an endpoint's table: the pair that suffices, how sure the figures are, how the samples were chosen. */
export function doubtLines(bottleneck: Bottleneck, about: BottleneckComponent | undefined): string[] {
  return [
    ...pairLines(bottleneck),
    ...intervalLines(about),
    ...tieLines(bottleneck),
    ...samplingLines(bottleneck),
  ]
}

function pairLines({ pair, pairFigures, observed }: Bottleneck): string[] {
  if (pair === undefined || pairFigures === undefined) return []
  const { p95Ns } = pairFigures.ifInstant
  const [first, second] = pair.map((component) => componentLabel(component))
  const half = Math.floor((WIDTH - 15) / 2)
  return [
    `  pair: ${cut(first!, half)} and ${cut(second!, half)}:`,
    `        without both p95 ${duration(observed.p95Ns)} -> ${duration(p95Ns)}`,
  ]
}

function intervalLines(about: BottleneckComponent | undefined): string[] {
  if (about === undefined) return []
  const { p95Interval, needMore, structuralRange } = about
  if (p95Interval === null) {
    const count = needMore?.p95 ?? 0
    return [`        how sure: ${count} more request${count === 1 ? '' : 's'} would bound that p95`]
  }
  const interval = `        how sure (95 %): ${duration(p95Interval[0])} to ${duration(p95Interval[1])}`
  if (structuralRange === undefined) return [interval]
  return [`${interval},`, '        what waits for what left open in part']
}

function tieLines({ tie = [] }: Bottleneck): string[] {
  if (tie.length === 0) return []
  const names = tie.slice(0, NAMED).map((component) => cut(componentLabel(component), WIDTH - 10))
  const more = tie.length > NAMED ? [`and ${tie.length - NAMED} more`] : []
  return ['  tie: cannot be told from what leads:', ...[...names, ...more].map((name) => `        ${name}`)]
}

function samplingLines({ sampling, entries }: Bottleneck): string[] {
  if (sampling === undefined) return []
  const { represents, effectiveSamples, biases } = sampling
  const count = (n: number) => Math.round(n).toLocaleString('en')
  return [
    ...(represents === entries
      ? []
      : [`  sampled: ${count(entries)} samples stand for ${count(represents)} requests`]),
    ...(biases.includes('unequal-weights')
      ? [`  biased: kept with unequal probability; they say as much as ${count(effectiveSamples)} equal ones`]
      : []),
    ...(biases.includes('only-errors')
      ? ['  biased? every sample ended in an error: were the others dropped?']
      : []),
  ]
}

function cut(text: string, width: number): string {
  return fitted(text, width).trimEnd()
}
