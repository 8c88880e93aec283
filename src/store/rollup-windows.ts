import { addRollup, createRollup, type Rollup } from '../analysis/rollup.ts'
import { coverRange, type Stretch, stepWithin } from '../analysis/steps.ts'
import type { RollupParts } from './rollup-rows.ts'
import { answerFromSums, bytesOf, readEndpointRollups } from './rollup-sums.ts'
import { type RangeRollups, type RollupFilter, readSteps } from './rollups.ts'
import type { Store } from './store.ts'

/** Rows that are read at the most where a range is cut into buckets. */
const MOST_ROWS = 8000

/** A range cut into buckets of equal length, snapped outward to them. */
export type Windows = RangeRollups & { seconds: number }

/**
 * Cuts a range into no more than `most` buckets, fewer where many endpoints are asked for; `wanted` seconds, or longer
 * where no step so short is kept.
 */
export async function cutRange(
  store: Store,
  range: { fromMs: number; toMs: number },
  filter: RollupFilter,
  most: number,
  wanted?: number,
): Promise<Windows> {
  const there = await readSteps(store, store.retention, Date.now())
  let seconds = stepWithin(range.fromMs, range.toMs, there, most)
  if (wanted !== undefined) seconds = Math.max(wanted, stepWithin(range.fromMs, range.toMs, there, Infinity))
  else {
    const cover = coverRange(range.fromMs, range.toMs, there)
    const endpoints = (await readEndpointRollups(store, cover, filter, {})).length
    seconds = Math.max(
      seconds,
      stepWithin(range.fromMs, range.toMs, there, Math.max(1, MOST_ROWS / Math.max(1, endpoints))),
    )
  }
  const windowMs = 1000 * seconds
  const fromMs = Math.floor(range.fromMs / windowMs) * windowMs
  const toMs = Math.ceil(range.toMs / windowMs) * windowMs
  return { cover: coverRange(fromMs, toMs, there, seconds), filter, seconds }
}

/** What `make` makes of each window's rollup, all endpoints together, ascending; windows without traffic are left out. */
export async function answerWindows<T>(
  store: Store,
  { cover, filter, seconds }: Windows,
  parts: RollupParts,
  answer: { name: string; make(fromSeconds: number, rollup: Rollup): T; bytesOf(answer: T): number },
): Promise<T[]> {
  const windows = [...cutStretches(cover.stretches, seconds)].sort(([a], [b]) => a - b)
  const { answers } = await answerFromSums(
    store,
    cover,
    windows.map(([, stretches]) => stretches),
    { filter, parts, by: 'all', windowSeconds: seconds },
    {
      name: `windows ${answer.name}`,
      make: ([sum], _, place) =>
        sum === undefined ? undefined : answer.make(windows[place]![0], sum.rollup),
      bytesOf: (made) => (made === undefined ? 0 : answer.bytesOf(made)),
    },
  )
  return answers.filter((made) => made !== undefined)
}

/** Windows that are added up and remembered together. */
const WINDOWS_TOGETHER = 24

/** The rollup of some windows (by the seconds they begin at) of each class, all endpoints together. */
export async function readClasses(
  store: Store,
  { cover, filter, seconds }: Windows,
  parts: RollupParts,
  classOf: ReadonlyMap<number, number>,
  classes: number,
): Promise<Rollup[]> {
  const groups = new Map<string, { of: number; stretches: Stretch[] }>()
  for (const [from, stretches] of cutStretches(cover.stretches, seconds)) {
    const of = classOf.get(from)
    if (of === undefined) continue
    const name = `${of} ${Math.floor(from / (WINDOWS_TOGETHER * seconds))}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, { of, stretches })
    else group.stretches.push(...stretches)
  }
  const all = [...groups.values()]
  const { answers } = await answerFromSums(
    store,
    cover,
    all.map(({ stretches }) => stretches),
    { filter, parts, by: 'all' },
    {
      name: 'windows',
      make: ([sum]) => sum?.rollup,
      bytesOf: (rollup) => (rollup === undefined ? 0 : bytesOf(rollup)),
    },
  )
  const rollups = Array.from({ length: classes }, createRollup)
  answers.forEach((rollup, place) => {
    if (rollup !== undefined) addRollup(rollups[all[place]!.of]!, rollup)
  })
  return rollups
}

/** The stretches of each window, by the seconds it begins at. */
function cutStretches(stretches: readonly Stretch[], seconds: number): Map<number, Stretch[]> {
  const windows = new Map<number, Stretch[]>()
  for (const { step, fromSeconds, toSeconds } of stretches) {
    for (let at = fromSeconds; at < toSeconds; at += step) {
      const from = Math.floor(at / seconds) * seconds
      const window = windows.get(from)
      const last = window?.at(-1)
      if (last?.step === step && last.toSeconds === at) last.toSeconds += step
      else {
        const stretch = { step, fromSeconds: at, toSeconds: at + step }
        if (window === undefined) windows.set(from, [stretch])
        else window.push(stretch)
      }
    }
  }
  return windows
}
