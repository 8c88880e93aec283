import type { Times } from './event-times.ts'
import { bestLogDensity } from './log-normal.ts'
import { toleranceNs } from './structure.ts'

/** Whether site k had ended by event j in family f, but for what clocks get wrong. */
export function hadEnded({ width, count, gapLog }: Times, f: number, j: number, k: number): boolean {
  return gapLog[(j * (width - 1) + k) * count + f]! < Number.POSITIVE_INFINITY
}

/** ... whether event j had, by the start of site k. */
export function eventHadEnded(times: Times, f: number, k: number, j: number): boolean {
  const { width, starts, ends, wholeMs } = times
  if (j < width - 1) return hadEnded(times, f, k, j)
  const start = starts[f * width + k]!
  const end = ends[f * width + j]!
  if (end <= start) return true
  const shorterNs = Math.min(end - starts[f * width + j]!, ends[f * width + k]! - start)
  return end - start <= toleranceNs(wholeMs[f]!, shorterNs)
}

/** Per family, the last end of those waited for that have ended by event j; 0: the parent's start. */
export function readyTimes(times: Times, j: number, waitsFor: readonly number[]): Float64Array {
  const { width, count, starts, ends } = times
  const ready = new Float64Array(count)
  for (let f = 0; f < count; f++) {
    const start = starts[f * width + j]!
    for (const k of waitsFor) {
      const end = ends[f * width + k]!
      if (end > ready[f]! && hadEnded(times, f, j, k)) ready[f] = Math.min(end, start)
    }
  }
  return ready
}

export type Sums = { n: number; sum: number; squares: number }

/** Of the logarithms of the gaps after those waited for (but for `left`). */
export function gapsAfter(times: Times, j: number, waitsFor: readonly number[], left = -1): Sums {
  const { width, count, startLog, gapLog } = times
  const row = j * (width - 1)
  let n = 0
  let sum = 0
  let squares = 0
  for (let f = 0; f < count; f++) {
    let log = startLog[j * count + f]!
    if (Number.isNaN(log)) continue
    for (let i = 0; i < waitsFor.length; i++) {
      const k = waitsFor[i]!
      if (k === left) continue
      const gap = gapLog[(row + k) * count + f]!
      if (gap < log) log = gap
    }
    n++
    sum += log
    squares += log * log
  }
  return { n, sum, squares }
}

/** How well starts are explained by gaps of one distribution, log-likelihood. */
export function explained({ n, sum, squares }: Sums): number {
  return bestLogDensity(n, sum, squares)
}
