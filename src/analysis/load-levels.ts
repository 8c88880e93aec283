import { sumValue } from './exact-sum.ts'
import type { Rollup } from './rollup.ts'
import { STEPS } from './steps.ts'

const SHORTEST_SECONDS = STEPS[0]!.seconds

/** How loaded an endpoint (or service) was in one stretch of time. */
export type LoadWindow = {
  fromSeconds: number
  /** Requests running on average: time-weighted overlap. */
  concurrency: number
  /** Started a second. */
  throughput: number
  meanNs: number
}

/**
 * Windows of `seconds` from `fromSeconds` to `toSeconds` in which something started or ran, ascending, from rollups that
 * say how long their samples ran in which window; those of earlier windows count for what they still ran. Concurrency
 * counts what ran in a window, whenever it started; throughput and latency are of what started in it.
 */
export function loadWindows(
  rollups: ReadonlyMap<number, Rollup>,
  { seconds, fromSeconds, toSeconds }: { seconds: number; fromSeconds: number; toSeconds: number },
): LoadWindow[] {
  const runNs = new Map<number, number>()
  for (const [from, { overlapNs }] of rollups) {
    overlapNs.forEach((sum, later) => {
      const at = from + later * seconds
      runNs.set(at, (runNs.get(at) ?? 0) + sumValue(sum))
    })
  }
  return [...new Set([...rollups.keys(), ...runNs.keys()])]
    .filter((at) => at >= fromSeconds && at < toSeconds)
    .sort((a, b) => a - b)
    .map((at) => {
      const rollup = rollups.get(at)
      const weight = rollup?.weight ?? 0
      return {
        fromSeconds: at,
        concurrency: (runNs.get(at) ?? 0) / (seconds * 1e9),
        throughput: weight / seconds,
        meanNs: rollup === undefined || weight === 0 ? 0 : sumValue(rollup.durationNs) / weight,
      }
    })
}

/**
 * Little's law: the number running is throughput times latency. Measured as overlap on one side, from starts and
 * durations on the other; they differ by what runs over the range's ends, and where windows are short against latency.
 */
export type LittleCheck = {
  /** Means over the windows. */
  concurrency: number
  throughputTimesLatency: number
  /** The largest relative difference in a window with traffic, and the share of windows within 10 %. */
  worst: number
  agreeing: number
}

const AGREEMENT = 0.1

export function checkLittle(windows: readonly LoadWindow[]): LittleCheck {
  let concurrency = 0
  let product = 0
  let worst = 0
  let agreeing = 0
  for (const window of windows) {
    const expected = (window.throughput * window.meanNs) / 1e9
    const difference = Math.abs(window.concurrency - expected) / Math.max(window.concurrency, expected, 1e-12)
    concurrency += window.concurrency
    product += expected
    worst = Math.max(worst, difference)
    if (difference <= AGREEMENT) agreeing++
  }
  const count = Math.max(1, windows.length)
  return {
    concurrency: concurrency / count,
    throughputTimesLatency: product / count,
    worst,
    agreeing: agreeing / count,
  }
}

/** Shares of the windows, by throughput: what arrives does not depend on how slow the answer is. */
export const LEVELS = [
  { name: 'quiet half', from: 0, to: 0.5 },
  { name: 'busy', from: 0.5, to: 0.9 },
  { name: 'busiest tenth', from: 0.9, to: 1 },
] as const

/**
 * Windows of one throughput are in an order that has nothing to do with time: what became slow late would count as slow
 * under load. Multiples of the golden ratio, in 2^32nds, are spread evenly (Knuth, The Art of Computer Programming, 6.4).
 */
const spread = (fromSeconds: number) => Math.imul(fromSeconds / SHORTEST_SECONDS, 0x9e3779b1) >>> 0

/**
 * Which windows in which something started, by start, are of which level (its place in LEVELS); of fewer than ten all
 * are of the last.
 */
export function levelsOf(windows: readonly LoadWindow[]): Map<number, number> {
  const order = windows
    .filter(({ throughput }) => throughput > 0)
    .sort((a, b) => a.throughput - b.throughput || spread(a.fromSeconds) - spread(b.fromSeconds))
  return new Map(
    order.map(({ fromSeconds }, place) => {
      const level =
        order.length < 10 ? -1 : LEVELS.findIndex(({ to }) => place < Math.round(to * order.length))
      return [fromSeconds, level < 0 ? LEVELS.length - 1 : level]
    }),
  )
}
