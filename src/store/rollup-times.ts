import type { Stretch } from '../analysis/steps.ts'

/** Stretches of a step that a condition names one by one; where there are more, it lists buckets. */
const STRETCHES_NAMED = 8

/** Runs of buckets that touch as one, by step and time. */
export function mergeStretches(stretches: readonly Stretch[]): Stretch[] {
  const merged: Stretch[] = []
  for (const stretch of [...stretches].sort((a, b) => a.step - b.step || a.fromSeconds - b.fromSeconds)) {
    const last = merged.at(-1)
    if (last?.step === stretch.step && stretch.fromSeconds <= last.toSeconds) {
      last.toSeconds = Math.max(last.toSeconds, stretch.toSeconds)
    } else merged.push({ ...stretch })
  }
  return merged
}

/** The condition, over `Step` and `Bucket`, for the buckets of some stretches. */
export function timesOf(stretches: readonly Stretch[]): string {
  const merged = mergeStretches(stretches)
  const steps = [...new Set(merged.map(({ step }) => step))]
  return `(${steps.map((step) => stepTimes(merged.filter((of) => of.step === step))).join(' OR ')})`
}

function stepTimes(stretches: readonly Stretch[]): string {
  const { step } = stretches[0]!
  const [first, last] = [stretches[0]!, stretches.at(-1)!]
  if (stretches.length <= STRETCHES_NAMED) {
    const within = stretches.map(({ fromSeconds, toSeconds }) => `(${bounds(fromSeconds, toSeconds)})`)
    return `(Step = ${step} AND (${within.join(' OR ')}))`
  }
  const buckets = stretches.flatMap((stretch) => bucketsOf(stretch))
  // Bounds for the index, then each by itself.
  return `(Step = ${step} AND ${bounds(first.fromSeconds, last.toSeconds)} AND toUInt32(Bucket) IN (${buckets.join(', ')}))`
}

function bounds(fromSeconds: number, toSeconds: number): string {
  return `Bucket >= toDateTime(${fromSeconds}, 'UTC') AND Bucket < toDateTime(${toSeconds}, 'UTC')`
}

export function bucketsOf({ step, fromSeconds, toSeconds }: Stretch): number[] {
  return Array.from({ length: (toSeconds - fromSeconds) / step }, (_, i) => fromSeconds + i * step)
}
