/** Buckets that samples are added up in: of so many seconds, aligned to the epoch, each built from the one before. */
export type Step = {
  seconds: number
  /** Which setting it is kept by. */
  kept: 'results' | 'weeks' | 'rollups'
}

/** Minutes -> hours -> days, with steps between them so that any range is covered by few buckets. */
export const STEPS: readonly Step[] = [
  { seconds: 60, kept: 'results' },
  { seconds: 600, kept: 'results' },
  { seconds: 3600, kept: 'weeks' },
  { seconds: 6 * 3600, kept: 'weeks' },
  { seconds: 86_400, kept: 'rollups' },
  { seconds: 4 * 86_400, kept: 'rollups' },
]

/** Steps of hours are kept this long (or as long as all, if that is less). */
const WEEKS_DAYS = 35

export type Retention = { days: number; rollupDays: number }

/** Days for which a step's buckets can be relied on. */
export function keptDays({ kept }: Step, { days, rollupDays }: Retention): number {
  if (kept === 'results') return days
  return Math.max(days, kept === 'weeks' ? Math.min(WEEKS_DAYS, rollupDays) : rollupDays)
}

/** A run of buckets of one step: [fromSeconds, toSeconds). */
export type Stretch = { step: number; fromSeconds: number; toSeconds: number }

export type Cover = {
  /** Ascending, touching. */
  stretches: Stretch[]
  /** The range snapped outward to the steps kept. */
  fromSeconds: number
  toSeconds: number
  /** The shortest step used, seconds. */
  stepSeconds: number
  /** Of the longer steps' buckets, where it is known: they are the same while it is. */
  revision?: string | undefined
  /** Minutes and ten minutes from this epoch second on are in recent_rollups as well. */
  recentFrom?: number | undefined
}

/** What there is: epoch seconds from which STEPS[i] is kept, and up to which it has been built (the first: anywhere). */
export type StepsThere = {
  keptFrom: readonly number[]
  builtTo: readonly number[]
  revision?: string | undefined
  recentFrom?: number | undefined
}

/** Place of the shortest step that is there at a time, epoch seconds. */
function shortestAt(seconds: number, keptFrom: readonly number[]): number {
  // The bucket in which keeping begins is there as a whole: buckets go later than they could.
  const place = STEPS.findIndex(
    (step, i) => seconds >= Math.floor(keptFrom[i]! / step.seconds) * step.seconds,
  )
  return place < 0 ? STEPS.length - 1 : place
}

/** The shortest step, seconds, that is there all over the range and cuts it into no more than `most` buckets. */
export function stepWithin(fromMs: number, toMs: number, { keptFrom }: StepsThere, most: number): number {
  const shortest = shortestAt(Math.floor(fromMs / 1000), keptFrom)
  const fitting = STEPS.findIndex(
    ({ seconds }, i) => i >= shortest && (toMs - fromMs) / 1000 / seconds <= most,
  )
  return STEPS[fitting < 0 ? STEPS.length - 1 : fitting]!.seconds
}

/**
 * The fewest buckets that are the range: long ones within, shorter ones at its ends, none longer than `longest`;
 * snapped outward to the shortest step that is kept there.
 */
export function coverRange(
  fromMs: number,
  toMs: number,
  { keptFrom, builtTo, revision, recentFrom }: StepsThere,
  longest = Number.POSITIVE_INFINITY,
): Cover {
  const stepAt = (seconds: number) => shortestAt(seconds, keptFrom)
  const from = Math.floor(fromMs / 1000)
  const to = Math.max(from + 1, Math.ceil(toMs / 1000))
  const { seconds: atStart } = STEPS[stepAt(from)]!
  const { seconds: atEnd } = STEPS[stepAt(to - 1)]!
  const fromSeconds = Math.floor(from / atStart) * atStart
  const toSeconds = Math.ceil(to / atEnd) * atEnd
  const stretches: Stretch[] = []
  let at = fromSeconds
  while (at < toSeconds) {
    let chosen = stepAt(at)
    for (let i = STEPS.length - 1; i > chosen; i--) {
      const { seconds } = STEPS[i]!
      const end = at + seconds
      if (seconds <= longest && at % seconds === 0 && end <= toSeconds && end <= builtTo[i]!) chosen = i
    }
    const { seconds } = STEPS[chosen]!
    const last = stretches.at(-1)
    if (last?.step === seconds) last.toSeconds += seconds
    else stretches.push({ step: seconds, fromSeconds: at, toSeconds: at + seconds })
    at += seconds
  }
  return {
    stretches,
    fromSeconds,
    toSeconds: at,
    stepSeconds: Math.min(...stretches.map(({ step }) => step)),
    ...(revision === undefined ? {} : { revision }),
    ...(recentFrom === undefined ? {} : { recentFrom }),
  }
}
