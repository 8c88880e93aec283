import { expect, it } from 'vitest'
import { addProduct, createSum } from '../../src/analysis/exact-sum.ts'
import { checkLittle, levelsOf, loadWindows } from '../../src/analysis/load-levels.ts'
import { createRollup, type Rollup } from '../../src/analysis/rollup.ts'

const SECONDS = 60
const WINDOW_NS = SECONDS * 1e9

/** A rollup a window, as of requests that each start at a time and take a time, both in windows. */
function rollupsOf(requests: readonly { start: number; windows: number }[]): Map<number, Rollup> {
  const rollups = new Map<number, Rollup>()
  for (const { start, windows } of requests) {
    const first = Math.floor(start)
    const rollup = rollups.get(first * SECONDS) ?? createRollup()
    rollups.set(first * SECONDS, rollup)
    rollup.weight++
    addProduct(rollup.durationNs, windows * WINDOW_NS, 1)
    for (let at = first; at < start + windows; at++) {
      const ran = Math.min(at + 1, start + windows) - Math.max(at, start)
      rollup.overlapNs[at - first] ??= createSum()
      addProduct(rollup.overlapNs[at - first]!, ran * WINDOW_NS, 1)
    }
  }
  return rollups
}

const range = (from: number, to: number) => ({
  seconds: SECONDS,
  fromSeconds: from * SECONDS,
  toSeconds: to * SECONDS,
})

it("Little's law holds where long requests are rare: windows in which they only run count", () => {
  // One in ten windows, each for four and a half.
  const requests = Array.from({ length: 20 }, (_, i) => ({ start: 10 * i + 0.25, windows: 4.5 }))
  const windows = loadWindows(rollupsOf(requests), range(0, 200))
  expect(windows.map(({ fromSeconds }) => fromSeconds / SECONDS).slice(0, 7)).toEqual([0, 1, 2, 3, 4, 10, 11])
  expect(windows.slice(0, 5).map(({ concurrency }) => concurrency)).toEqual([0.75, 1, 1, 1, 0.75])
  const { concurrency, throughputTimesLatency } = checkLittle(windows)
  expect(concurrency).toBeCloseTo(throughputTimesLatency, 9)
  // Nothing started in the others: no load level is theirs.
  expect([...levelsOf(windows).keys()].sort((a, b) => a - b)).toEqual(
    requests.map(({ start }) => Math.floor(start) * SECONDS),
  )
})

it('what started before the range still runs in it; what runs on after it does not add windows', () => {
  const requests = [
    { start: 8.5, windows: 2.5 },
    { start: 11, windows: 1 },
    { start: 11.5, windows: 5 },
  ]
  const windows = loadWindows(rollupsOf(requests), range(10, 13))
  expect(windows.map(({ concurrency, throughput }) => [concurrency, throughput * SECONDS])).toEqual([
    [1, 0],
    [1.5, 2],
    [1, 0],
  ])
})

it('where the load is the same all the time, levels say nothing about early and late', () => {
  const constant = (from: number) => ({
    fromSeconds: from * SECONDS,
    concurrency: 1,
    throughput: 2,
    meanNs: 1,
  })
  for (const first of [0, 29_000_000]) {
    const levels = levelsOf(Array.from({ length: 300 }, (_, i) => constant(first + i)))
    for (const [level, windows] of [150, 120, 30].entries()) {
      const mine = [...levels].filter(([, of]) => of === level).map(([from]) => from / SECONDS - first)
      expect(mine).toHaveLength(windows)
      // A third of the time has about a third of each.
      const late = mine.filter((at) => at >= 200).length / windows
      expect(Math.abs(late - 1 / 3)).toBeLessThan(0.1)
    }
  }
})
