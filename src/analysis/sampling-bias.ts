import type { Ranked } from './ranked.ts'

/** Fewer samples prove nothing about how they were chosen. */
export const ENOUGH = 20

/**
 * `only-errors`: every sample ended in an error, as if nothing else had been kept. `unequal-weights`: samples stand for
 * different numbers of requests (tail sampling, thresholds that changed): counted by weight, but they say less.
 */
export type SamplingBias = 'only-errors' | 'unequal-weights'

export type Sampling = {
  /** Requests that the samples stand for. */
  represents: number
  /** How many samples of equal weight say as much about the p95. */
  effectiveSamples: number
  biases: SamplingBias[]
}

/** How the samples of an endpoint were chosen; undefined: each stands for itself, and nothing looks odd. */
export function samplingOf(
  observed: Ranked,
  weights: Float64Array | undefined,
  failed: number,
): Sampling | undefined {
  const count = observed.values.length
  const biases: SamplingBias[] = []
  if (count >= ENOUGH && failed === count) biases.push('only-errors')
  if (weights?.some((weight) => weight !== weights[0])) biases.push('unequal-weights')
  if (weights === undefined && biases.length === 0) return undefined
  return {
    represents: observed.cumulative?.at(-1) ?? count,
    effectiveSamples: Math.round(observed.samplesAt(0.95)),
    biases,
  }
}
