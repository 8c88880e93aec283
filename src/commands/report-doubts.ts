import type { Bottleneck, BottleneckComponent } from '../analysis/bottlenecks.ts'
import type { Intervals } from '../analysis/ranked.ts'
import { duration } from '../trace/figure-text.ts'
import { changeText, type Shown, shownInterval } from './report-statistic.ts'
import { componentLabel, fitted } from './report-text.ts'
import { WIDTH } from './wrap.ts'

/** Components named in a tie. */
const NAMED = 3

/** Lines under an endpoint's table: the pair that suffices, how sure the figures are, how the samples were chosen. */
export function doubtLines(
  bottleneck: Bottleneck,
  about: BottleneckComponent | undefined,
  shown: Shown,
): string[] {
  return [
    ...pairLines(bottleneck, shown),
    ...(about === undefined ? [] : intervalLines(about, shown)),
    ...tieLines(bottleneck),
    ...samplingLines(bottleneck),
  ]
}

function pairLines({ pair, pairFigures, observed }: Bottleneck, shown: Shown): string[] {
  if (pair === undefined || pairFigures === undefined) return []
  const [first, second] = pair.map((component) => componentLabel(component))
  const half = Math.floor((WIDTH - 15) / 2)
  return [
    `  pair: ${cut(first!, half)} and ${cut(second!, half)}:`,
    `        without both ${changeText(observed, pairFigures.ifInstant, shown)}`,
    ...intervalLines(pairFigures, shown),
  ]
}

/** How sure what is left is, of a component or a pair. */
function intervalLines(about: Intervals, shown: Shown): string[] {
  const { interval, needMore } = shownInterval(about, shown)
  if (interval === null) {
    return [
      `        how sure: ${needMore} more request${needMore === 1 ? '' : 's'} would bound that ${shown}`,
    ]
  }
  const [least, most] = interval
  const sure = `        how sure (95 %): ${duration(least)} to ${duration(most)}`
  if (about.structuralRange === undefined) return [sure]
  return [`${sure},`, '        what waits for what left open in part']
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
      ? [`  biased: kept with unequal probability, as good as ${count(effectiveSamples)} equal ones`]
      : []),
    ...(biases.includes('only-errors')
      ? ['  biased? every sample ended in an error: were the others dropped?']
      : []),
  ]
}

function cut(text: string, width: number): string {
  return fitted(text, width).trimEnd()
}
