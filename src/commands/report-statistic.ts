import type { Distribution, Intervals } from '../analysis/ranked.ts'
import type { Target } from '../analysis/target.ts'
import { duration } from '../trace/figure-text.ts'

/** What the report tells of a distribution. */
export type Shown = 'p50' | 'p95' | 'p99' | 'mean'

const SHOWN: readonly Shown[] = ['p50', 'p95', 'p99', 'mean']

/** What the target is about, where the report can tell it; else the p95. */
export function shownFor(target: Target | undefined): Shown {
  return SHOWN.find((shown) => shown === target?.statistic) ?? 'p95'
}

export function shownNs(distribution: Distribution, shown: Shown): number {
  return distribution[`${shown}Ns`]
}

/** `p95 800 ms -> 120 ms` */
export function changeText(before: Distribution, after: Distribution, shown: Shown): string {
  return `${shown} ${duration(shownNs(before, shown))} -> ${duration(shownNs(after, shown))}`
}

/** Its 95 % confidence interval, null where that takes `needMore` more samples. */
export function shownInterval(intervals: Intervals, shown: Shown) {
  return { interval: intervals[`${shown}Interval`], needMore: intervals.needMore?.[shown] ?? 0 }
}
