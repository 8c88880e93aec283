import {
  type Assigner,
  createAssigner,
  GUESSES,
  guessSites,
  improve,
  isSame,
  likeliest,
} from './assignment.ts'
import type { EventPairs } from './event-pairs.ts'
import { createTimes, setFamily, type Times } from './event-times.ts'
import { withLikelyWaits } from './waited-for.ts'

/** Families that structure and assignment are improved with in turns. */
const CLIMBING = 80
/** Temperatures of the first rounds, log-likelihood. */
const HEAT = [8, 4, 2, 1]
/** Rounds at the most after those until nothing changes any more. */
const ROUNDS = 8

/** The child at each site (-1: none) by family, all in one list: `childAt[f]` is a part of `list`. */
type Assignment = { list: Int32Array; childAt: readonly Int32Array[] }

/** Hard EM over a share of the families from several first guesses; the best one then assigns all of them. */
export function assignAll(pairs: readonly EventPairs[], calls: readonly number[]): readonly Int32Array[] {
  const step = Math.max(1, pairs.length / CLIMBING)
  const some = Array.from(
    { length: Math.min(pairs.length, CLIMBING) },
    (_, i) => pairs[Math.floor(i * step)]!,
  )
  const climber = createClimber(some, calls)
  let best: Climb | undefined
  for (const guess of GUESSES) {
    const climb = climbFrom(climber, guess)
    if (best === undefined || climb.likelihood > best.likelihood) best = climb
  }
  const { assignment } = best!
  const kept = new Map(some.map((family, f) => [family, assignment.childAt[f]!]))
  const assigner = assignerOf(climber, assignment)
  const all = createAssignment(pairs.length, calls.length)
  for (let f = 0; f < pairs.length; f++) {
    const family = pairs[f]!
    all.childAt[f]!.set(kept.get(family) ?? likeliest(assigner, family, calls))
  }
  climbOnce(createClimber(pairs, calls), { assignment: all, likelihood: 0 }, 0)
  return all.childAt
}

/** From a first guess, until nothing changes any more. */
function climbFrom(climber: Climber, guess: number): Climb {
  const { pairs, calls } = climber
  const assignment = createAssignment(pairs.length, calls.length)
  for (let f = 0; f < pairs.length; f++) guessSites(pairs[f]!.family, calls, guess, assignment.childAt[f])
  const climb: Climb = { assignment, likelihood: 0 }
  for (const temperature of HEAT) takeTurn(climber, climb, temperature)
  for (let round = 0; round < ROUNDS; round++) if (!takeTurn(climber, climb, 0)) break
  return climb
}

function createAssignment(families: number, sites: number): Assignment {
  const list = new Int32Array(families * sites)
  const childAt = Array.from({ length: families }, (_, f) => list.subarray(f * sites, (f + 1) * sites))
  return { list, childAt }
}

type Climb = { assignment: Assignment; likelihood: number }

/** A turn that was taken, from one assignment to another. */
type Turn = {
  temperature: number
  before: Int32Array
  after: Int32Array
  likelihood: number
  changed: boolean
}

/** One turn; climbs that have met go the same way, so it may have been taken before. */
function takeTurn(climber: Climber, climb: Climb, temperature: number): boolean {
  const { turns } = climber
  const { list } = climb.assignment
  for (let i = 0; i < turns.length; i++) {
    const taken = turns[i]!
    if (taken.temperature !== temperature || !isSame(taken.before, list)) continue
    list.set(taken.after)
    climb.likelihood = taken.likelihood
    return taken.changed
  }
  const before = list.slice()
  const changed = climbOnce(climber, climb, temperature)
  turns.push({ temperature, before, after: list.slice(), likelihood: climb.likelihood, changed })
  return changed
}

/** Structure and assignment of the same families in turns. */
type Climber = {
  pairs: readonly EventPairs[]
  calls: readonly number[]
  times: Times
  /** The assignment that `times` are of; -2: none yet. */
  known: Int32Array
  turns: Turn[]
}

function createClimber(pairs: readonly EventPairs[], calls: readonly number[]): Climber {
  const times = createTimes(
    pairs.map(({ family }) => family),
    calls.length,
  )
  return { pairs, calls, times, known: new Int32Array(pairs.length * calls.length).fill(-2), turns: [] }
}

/** One turn of structure and assignment; whether the assignment changed. */
function climbOnce(climber: Climber, climb: Climb, temperature: number): boolean {
  const { pairs } = climber
  const { childAt } = climb.assignment
  const assigner = assignerOf(climber, climb.assignment)
  let changed = false
  climb.likelihood = 0
  for (let f = 0; f < pairs.length; f++) {
    if (improve(assigner, pairs[f]!, childAt[f]!, temperature)) changed = true
    climb.likelihood += assigner.sum
  }
  return changed
}

/** By the structure that an assignment shows. */
function assignerOf({ pairs, calls, times, known }: Climber, { list, childAt }: Assignment): Assigner {
  const sites = calls.length
  for (let f = 0; f < pairs.length; f++) {
    let moved = false
    for (let at = f * sites; at < (f + 1) * sites; at++) {
      if (known[at] !== list[at]) moved = true
      known[at] = list[at]!
    }
    if (moved) setFamily(times, f, pairs[f]!, childAt[f]!)
  }
  return createAssigner(withLikelyWaits(times, calls))
}
