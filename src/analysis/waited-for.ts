import { type Beside, type Fitted, fitBeside, fitShown, likelier, SHOWN } from './beside.ts'
import { type Choice, withoutCrossings } from './branches.ts'
import type { Times } from './event-times.ts'
import { eventHadEnded, explained, gapsAfter, hadEnded, readyTimes, type Sums } from './gaps.ts'
import { fitLaterPlace, type LaterPlace } from './later-place.ts'
import { bestLogDensity, logNormalOf } from './log-normal.ts'
import type { Event, Site, Structure } from './structure.ts'

/** A dependency may look disproved in this share of the families: some children are assigned to the wrong site. */
export const TOLERATED = 0.02
type ChooseWaits = (times: Times, j: number) => Choice

/** Every event with what it waited for, as `choose` says, and the distributions of gaps and lengths. */
export function withWaits(times: Times, calls: readonly number[], choose: ChooseWaits): Waits {
  const choices: Choice[] = []
  const certain: (readonly number[])[] = []
  for (let j = 0; j < times.width; j++) {
    const choice = choose(times, j)
    choices.push(choice)
    certain.push(certainOf(times, j, choice.waitsFor))
  }
  const kept = withoutCrossings(choices, certain, (j, k) => byChanceBefore(times, j, k))
  const events: Event[] = []
  for (let j = 0; j < times.width; j++) {
    events.push(eventOf(times, j, choices[j]!, { waitsFor: kept[j]!, certain: certain[j]! }))
  }
  return waitsOf(times, calls, events)
}

/** ... while assignments are uncertain. */
export function withLikelyWaits(times: Times, calls: readonly number[]): Waits {
  const events: Event[] = []
  for (let j = 0; j < times.width; j++) events.push(likelyEventOf(times, j))
  return waitsOf(times, calls, events)
}

type Waits = Pick<Structure, 'sites' | 'end'>

type Kept = Pick<Event, 'waitsFor' | 'certain'>

/** `certain`: of all that was chosen. */
function eventOf(times: Times, j: number, choice: Choice, { waitsFor: kept, certain }: Kept): Event {
  const isEnd = j === times.width - 1
  const later = isEnd ? undefined : fitLaterPlace(times, j, kept)
  if (later !== undefined) return laterEventOf(times, j, choice, kept, later)
  const isWhole = kept.length === choice.waitsFor.length
  const found = besideOwnWork(times, j, kept, {
    certain: isWhole ? certain : certainOf(times, j, kept),
    unsteady: choice.possible.filter((k) => !choice.waitsFor.includes(k)),
  })
  const { waitsFor, beside } = isEnd ? afterAll(times, j, choice.possible, found) : found
  const { n, sum, squares } = gapsAfter(times, j, waitsFor)
  return {
    waitsFor,
    possible: choice.possible,
    certain: isWhole && waitsFor === kept ? certain : certainOf(times, j, waitsFor),
    gap: logNormalOf(n, sum, squares),
    ...(beside === undefined ? {} : { beside }),
  }
}

/** Of two places: gaps that are long where a call is short look like own work beside it, so none is looked for. */
function laterEventOf(
  times: Times,
  j: number,
  { possible }: Choice,
  waitsFor: readonly number[],
  later: LaterPlace,
): Event {
  const { n, sum, squares } = gapsAfter(times, j, waitsFor)
  const gap = logNormalOf(n, sum, squares)
  return { waitsFor, possible, certain: certainOf(times, j, waitsFor), gap, later }
}

function likelyEventOf(times: Times, j: number): Event {
  const { waitsFor, gaps } = greedily(times, j)
  const gap = logNormalOf(gaps.n, gaps.sum, gaps.squares)
  return { waitsFor, possible: waitsFor, certain: waitsFor, gap }
}

/** `events`: of the sites, and the parent's end. */
function waitsOf(times: Times, calls: readonly number[], events: readonly Event[]): Waits {
  const { width, count, startLog, lengthLog } = times
  const sites: Site[] = []
  for (let j = 0; j < width - 1; j++) {
    let n = 0
    let sum = 0
    let squares = 0
    for (let at = j * count; at < (j + 1) * count; at++) {
      if (Number.isNaN(startLog[at]!)) continue
      const log = lengthLog[at]!
      n++
      sum += log
      squares += log * log
    }
    sites.push({ ...events[j]!, call: calls[j]!, length: logNormalOf(n, sum, squares), presence: n / count })
  }
  return { sites, end: events[width - 1]! }
}

type Waited = { waitsFor: readonly number[]; beside?: Beside | undefined }

/**
 * With own work beside the calls, if the times show it. Such work makes gaps look unsteady after what it outlasts, so ends
 * that were not chosen for that (`unsteady`) are tried once more: all of them together with work after a call that was
 * certainly waited for, and each with work since its start.
 */
function besideOwnWork(
  times: Times,
  j: number,
  waitsFor: readonly number[],
  { certain, unsteady }: { certain: readonly number[]; unsteady: readonly number[] },
): Waited {
  const fitted = fitBeside(times, j, waitsFor, certain, readyTimes(times, j, waitsFor))
  if (unsteady.length === 0) return { waitsFor, beside: fitted?.beside }
  const without = explained(gapsAfter(times, j, waitsFor)) + (fitted?.gain ?? 0)
  const all = withOthers(waitsFor, unsteady)
  const ready = readyTimes(times, j, all)
  const worth = without - explained(gapsAfter(times, j, all)) + MORE_TIMES
  let after: Fitted | undefined
  for (const since of certain) {
    after = likelier(after, fitShown(times, j, { since, after: true }, ready, { ...SHOWN, worth }))
  }
  if (after !== undefined) return { waitsFor: all, beside: after.beside }
  if (fitted !== undefined) return { waitsFor, beside: fitted.beside }
  for (const since of unsteady) {
    const more = withOthers(waitsFor, [since])
    const shown = { falling: ANYHOW, worth: without - explained(gapsAfter(times, j, more)) }
    const found = fitShown(times, j, { since }, readyTimes(times, j, more), shown)
    if (found !== undefined) return { waitsFor: more, beside: found.beside }
  }
  return { waitsFor }
}

/** What work has two numbers more for, of its times, must be likelier by one for each (Akaike). */
const MORE_TIMES = 2
const ANYHOW = Number.POSITIVE_INFINITY

function withOthers(some: readonly number[], others: readonly number[]): number[] {
  return [...some, ...others].sort((a, b) => a - b)
}

/**
 * A parent ends after all its calls, however steady own work beside them makes its end: those that it does not wait for
 * outlive it now and then.
 */
function afterAll(times: Times, j: number, possible: readonly number[], found: Waited): Waited {
  if (found.waitsFor.length === possible.length) return found
  const { beside } =
    found.beside === undefined
      ? besideOwnWork(times, j, possible, { certain: certainOf(times, j, possible), unsteady: NONE })
      : found
  return { waitsFor: possible, beside }
}

/** Of the families that have both: those in which event j came before the end of k, and while k was running. */
function disproved(times: Times, j: number, k: number) {
  const { width, count, starts, ends } = times
  let before = 0
  let during = 0
  let both = 0
  for (let f = 0; f < count; f++) {
    const start = starts[f * width + j]!
    const end = ends[f * width + k]!
    if (!(start >= 0) || !(end >= 0)) continue
    both++
    if (hadEnded(times, f, j, k)) continue
    before++
    if (!eventHadEnded(times, f, k, j)) during++
  }
  return { before, during, both }
}

/** Of the families that have both: in how many event j would come before the end of k if that had nothing to do with it. */
function byChanceBefore({ width, count, starts, ends }: Times, j: number, k: number): number {
  let before = 0
  for (let f = 0; f < count; f++) {
    // The call takes as long as it did in another family.
    const other = ((f + (count >> 1)) % count) * width + k
    if (starts[f * width + j]! < starts[f * width + k]! + (ends[other]! - starts[other]!)) before++
  }
  return before
}

/** Log-likelihood that one more predecessor must win, and that a counter-example costs. */
const WORTH = 4
const COUNTER_EXAMPLE = 8

/** While assignments are uncertain: adds the predecessor that explains the starts best, as long as one does. */
function greedily(times: Times, j: number): { waitsFor: number[]; gaps: Sums } {
  const { width, count, startLog, gapLog } = times
  const chosen: number[] = []
  /** Counter-examples by site; -1: too many, or nothing is known. */
  const against = new Int32Array(width - 1)
  for (let k = 0; k < width - 1; k++) against[k] = k === j ? -1 : counterExamples(times, j, k)
  /** Logarithms of the gaps after those chosen. */
  const logs = startLog.slice(j * count, (j + 1) * count)
  const gaps = gapsAfter(times, j, chosen)
  let best = explained(gaps)
  for (;;) {
    let next = -1
    let likelihood = best + WORTH
    for (let k = 0; k < width - 1; k++) {
      if (against[k]! < 0) continue
      const from = (j * (width - 1) + k) * count
      let n = 0
      let sum = 0
      let squares = 0
      for (let f = 0; f < count; f++) {
        const before = logs[f]!
        if (Number.isNaN(before)) continue
        const gap = gapLog[from + f]!
        const log = gap < before ? gap : before
        n++
        sum += log
        squares += log * log
      }
      const after = bestLogDensity(n, sum, squares) - COUNTER_EXAMPLE * against[k]!
      if (after > likelihood) {
        likelihood = after
        next = k
        gaps.sum = sum
        gaps.squares = squares
      }
    }
    if (next < 0) return { waitsFor: chosen, gaps }
    chosen.push(next)
    against[next] = -1
    best = likelihood
    const from = (j * (width - 1) + next) * count
    for (let f = 0; f < count; f++) if (gapLog[from + f]! < logs[f]!) logs[f] = gapLog[from + f]!
  }
}

/** Families in which event j came before the end of k; -1: more than a quarter of those that have both, or none has. */
function counterExamples({ width, count, ends, startLog, gapLog }: Times, j: number, k: number): number {
  const from = (j * (width - 1) + k) * count
  let before = 0
  let both = 0
  for (let f = 0; f < count; f++) {
    if (Number.isNaN(startLog[j * count + f]!) || !(ends[f * width + k]! >= 0)) continue
    both++
    if (gapLog[from + f] === Number.POSITIVE_INFINITY && ++before > count / 4) return -1
  }
  return both === 0 || before > both / 4 ? -1 : before
}

/**
 * Everything that was not disproved, as in one trace: of two calls that come in either order (loops, branches of the
 * program), but never run side by side, the later one waited for the earlier one.
 */
export function undisproved(times: Times, j: number): Choice {
  const kept: number[] = []
  for (let k = 0; k < times.width - 1; k++) {
    if (k !== j && isUndisproved(times, j, k, disproved(times, j, k))) kept.push(k)
  }
  return { waitsFor: kept, possible: kept }
}

type Disproved = ReturnType<typeof disproved>

function isUndisproved(times: Times, j: number, k: number, { before, during, both }: Disproved): boolean {
  if (both === 0 || during > TOLERATED * both) return false
  const after = both - before
  return before <= TOLERATED * both || (after > TOLERATED * both && excludeEachOther(times, j, k))
}

const NONE: readonly number[] = []

/** Of calls one after the other: whether each waited for all that had ended, and nothing went on beside them. */
export function isRuleForOne(times: Times): boolean {
  for (let j = 0; j < times.width; j++) {
    const waitsFor: number[] = []
    for (let k = 0; k < times.width - 1; k++) {
      if (k === j) continue
      const counts = disproved(times, j, k)
      if (isUndisproved(times, j, k, counts)) waitsFor.push(k)
      else if (counts.both > counts.before) return false
    }
    if (waitsFor.length === 0) continue
    if (fitBeside(times, j, waitsFor, NONE, readyTimes(times, j, waitsFor)) !== undefined) return false
  }
  return true
}

/** Overlaps that there would have to be by chance to tell anything, and the share of them that may be there. */
const TELLING = 8
const EXCLUDED = 0.2

/**
 * Whether calls that come in either order run side by side far less often than if their times had nothing to do with
 * each other: how often that would be is seen by comparing each with the other one of another family.
 */
function excludeEachOther(times: Times, j: number, k: number): boolean {
  const { width, count, starts, ends } = times
  const rows: number[] = []
  for (let f = 0; f < count; f++)
    if (starts[f * width + j]! >= 0 && starts[f * width + k]! >= 0) rows.push(f * width)
  let seen = 0
  let byChance = 0
  rows.forEach((row, i) => {
    const other = rows[(i + (rows.length >> 1)) % rows.length]!
    const overlaps = (from: number) =>
      starts[from + j]! < ends[row + k]! &&
      starts[row + k]! < (j === width - 1 ? Number.POSITIVE_INFINITY : ends[from + j]!)
    if (overlaps(row)) seen++
    if (overlaps(other)) byChance++
  })
  return byChance >= TELLING && seen <= EXCLUDED * byChance
}

/**
 * ... and what explains the starts well in spite of some counter-examples (children at the wrong site), but for
 * predecessors without which they are explained better (their gaps are steadier without them).
 */
export function conservatively(times: Times, j: number): Choice {
  const explaining = greedily(times, j).waitsFor
  const possible = [...new Set([...undisproved(times, j).waitsFor, ...explaining])].sort((a, b) => a - b)
  let kept = possible
  let best = explained(gapsAfter(times, j, kept))
  for (;;) {
    let dropped = -1
    for (const k of kept) {
      const after = explained(gapsAfter(times, j, kept, k))
      if (after > best + WORTH) {
        best = after
        dropped = k
      }
    }
    if (dropped < 0) return { waitsFor: kept, possible }
    kept = kept.filter((m) => m !== dropped)
  }
}

/** Log-likelihood that is lost without a dependency that counts as proven. */
const PROOF = 8

function certainOf(times: Times, j: number, waitsFor: readonly number[]): number[] {
  const all = explained(gapsAfter(times, j, waitsFor))
  return waitsFor.filter((k) => explained(gapsAfter(times, j, waitsFor, k)) < all - PROOF)
}
