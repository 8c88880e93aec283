import { addRollup, createRollup, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import type { Cover, Stretch } from '../analysis/steps.ts'
import { createTurn } from '../turn.ts'
import { type Changes, changesOf } from './rollup-changes.ts'
import { answerGroups, type Question } from './rollup-memory.ts'
import { type Frames, isNothing, type RollupParts } from './rollup-rows.ts'
import { endpointName, namedTogether, type RollupFilter, visitRollups } from './rollups.ts'
import type { Store } from './store.ts'

export type EndpointRollup = { key: RollupKey; rollup: Rollup }

/** What is added up of some rollups. */
export type Sums = {
  filter: RollupFilter
  parts: RollupParts
  /** A sum an endpoint and scope (all versions together, `key.version` is ''), or one of all (of the key of any). */
  by: 'endpoint' | 'all'
  /** Overlap with later buckets is told by windows of so many seconds; 0: by the buckets themselves. */
  windowSeconds?: number
}

/** By endpointName, or by '' where all are added up. */
type Added = Map<string, EndpointRollup>

/**
 * What `make` makes of the sums of each group of buckets of a cover, remembered until one of its buckets changes. A group
 * is added up from parts that change about as often, which are remembered as well.
 */
export async function answerFromSums<T>(
  store: Store,
  cover: Pick<Cover, 'stretches' | 'revision' | 'recentFrom'>,
  groups: readonly (readonly Stretch[])[],
  sums: Sums,
  answer: {
    name: string
    make(sums: readonly EndpointRollup[], frames: Frames, place: number): T
    bytesOf(answer: T): number
  },
): Promise<{ answers: T[]; frames: Frames }> {
  const { revision, recentFrom } = cover
  const changes = await changesOf(store, cover)
  const question: Question<T> = {
    name: `${answer.name}\n${JSON.stringify(sums)}`,
    bytesOf: answer.bytesOf,
    async read(places, frames) {
      const added = await addGroups(
        store,
        { revision, recentFrom },
        places.map((place) => groups[place]!),
        sums,
        changes,
      )
      return places.map((place, i) => answer.make([...added[i]!.values()], frames, place))
    },
  }
  return answerGroups(store, revision, groups, question, changes)
}

/**
 * A range's rollup of every endpoint and scope, all versions together (`key.version` is ''). Without any parts rollups
 * are empty: only which endpoints there are is read.
 */
export async function readEndpointRollups(
  store: Store,
  cover: Pick<Cover, 'stretches' | 'revision' | 'recentFrom'>,
  filter: RollupFilter,
  parts: RollupParts,
): Promise<readonly EndpointRollup[]> {
  const slices = namedTogether(filter.endpoints ?? [])
  if (slices.length > 1) {
    const all: EndpointRollup[] = []
    for (const endpoints of slices) {
      all.push(...(await readEndpointRollups(store, cover, { ...filter, endpoints }, parts)))
    }
    return all
  }
  const sums: Sums = { filter, parts, by: 'endpoint' }
  const { answers } = await answerFromSums(store, cover, [cover.stretches], sums, {
    name: 'rollups',
    make: (of) => of,
    bytesOf: bytesOfAll,
  })
  return answers[0]!
}

/** Of all endpoints together; the frames its stacks name. */
export async function readSum(
  store: Store,
  cover: Pick<Cover, 'stretches' | 'revision' | 'recentFrom'>,
  filter: RollupFilter,
  parts: RollupParts,
): Promise<{ rollup: Rollup; frames: Frames }> {
  const sums: Sums = { filter, parts, by: 'all' }
  const { answers, frames } = await answerFromSums(store, cover, [cover.stretches], sums, {
    name: 'sum',
    make: ([sum]) => sum?.rollup ?? createRollup(),
    bytesOf,
  })
  return { rollup: answers[0]!, frames }
}

/** Parts at the end of a group, its last minutes, that are written again and again; the sum of those before is remembered. */
const PARTS_LIVE = 3

/** The sums of each group; those of a single part are remembered by whoever asked. */
async function addGroups(
  store: Store,
  of: Pick<Cover, 'revision' | 'recentFrom'>,
  groups: readonly (readonly Stretch[])[],
  sums: Sums,
  changes: Changes,
): Promise<Added[]> {
  const units = groups.map(unitsOf)
  const live = units.map((of) => of.splice(of.length > PARTS_LIVE + 1 ? -PARTS_LIVE : 0))
  const settled = units.filter((of) => of.length > 0)
  const question: Question<Added> = {
    name: `settled\n${JSON.stringify(sums)}`,
    async read(places) {
      const parts = await readParts(
        store,
        of,
        places.map((place) => settled[place]!),
        sums,
        changes,
      )
      const added: Added[] = []
      for (const part of parts) added.push(await addedUp(part))
      return added
    },
    bytesOf: (added) => bytesOfAll([...added.values()]),
  }
  const [heads, tails] = await Promise.all([
    answerGroups(
      store,
      of.revision,
      settled.map((of) => of.flat()),
      question,
      changes,
    ),
    readParts(store, of, live, sums, changes),
  ])
  let at = 0
  const all: Added[] = []
  for (const [place, tail] of tails.entries()) {
    all.push(await addedUp(units[place]!.length > 0 ? [heads.answers[at++]!, ...tail] : tail))
  }
  return all
}

/** What each part of some groups adds up to; one that is a group is not remembered. */
async function readParts(
  store: Store,
  { revision, recentFrom }: Pick<Cover, 'revision' | 'recentFrom'>,
  groups: readonly (readonly (readonly Stretch[])[])[],
  sums: Sums,
  changes: Changes,
): Promise<Added[][]> {
  const all = groups.flatMap((of) => of.map((unit) => ({ unit, alone: of.length === 1 })))
  const question: Question<Added> = {
    name: `part\n${JSON.stringify(sums)}`,
    read: (places, frames) =>
      readUnits(
        store,
        recentFrom,
        places.map((place) => all[place]!.unit),
        sums,
        frames,
      ),
    bytesOf: (added) => bytesOfAll([...added.values()]),
    isPassing: (place) => all[place]!.alone,
  }
  const { answers } = await answerGroups(
    store,
    revision,
    all.map(({ unit }) => unit),
    question,
    changes,
  )
  let at = 0
  return groups.map((of) => {
    at += of.length
    return answers.slice(at - of.length, at)
  })
}

/** Parts of a group that change about as often: its days, hours, ten minutes, and each minute. */
function unitsOf(stretches: readonly Stretch[]): Stretch[][] {
  const units: Stretch[][] = []
  for (const [from, to] of [
    [86_400, Number.POSITIVE_INFINITY],
    [3600, 86_400],
    [600, 3600],
  ] as const) {
    const unit = stretches.filter(({ step }) => step >= from && step < to)
    if (unit.length > 0) units.push(unit)
  }
  for (const { step, fromSeconds, toSeconds } of stretches) {
    if (step >= 600) continue
    for (let at = fromSeconds; at < toSeconds; at += step) {
      units.push([{ step, fromSeconds: at, toSeconds: at + step }])
    }
  }
  return units
}

/** New sums, or the only one: what is remembered stays as it is. */
async function addedUp(parts: readonly Added[]): Promise<Added> {
  if (parts.length === 1) return parts[0]!
  const sums: Added = new Map()
  const turn = createTurn()
  for (const part of parts) {
    for (const [name, { key, rollup }] of part) {
      if (turn.isOver()) await turn.pass()
      let sum = sums.get(name)
      if (sum === undefined) {
        sum = { key, rollup: rollup === NOTHING ? NOTHING : createRollup() }
        sums.set(name, sum)
      }
      if (rollup !== NOTHING) addRollup(sum.rollup, rollup)
    }
  }
  return sums
}

/** The rollup of every endpoint where only which there are is asked for: of thousands they are hundreds of megabytes. */
const NOTHING = createRollup()

/** Reads units that have no bucket in common, in one query. */
async function readUnits(
  store: Store,
  recentFrom: number | undefined,
  units: readonly (readonly Stretch[])[],
  { filter, parts, by, windowSeconds = 0 }: Sums,
  frames: Frames,
): Promise<Added[]> {
  const added = units.map((): Added => new Map())
  const unitOf = placesOf(units)
  await visitRollups(
    store,
    { stretches: units.flat(), recentFrom },
    filter,
    parts,
    frames,
    ({ step, bucket, key }, addTo) => {
      const sums = added[unitOf(step, bucket)]!
      const name = by === 'all' ? '' : endpointName(key)
      let sum = sums.get(name)
      if (sum === undefined) {
        sum = { key: { ...key, version: '' }, rollup: isNothing(parts) ? NOTHING : createRollup() }
        sums.set(name, sum)
      }
      const seconds = Math.max(step, windowSeconds)
      addTo(sum.rollup, { at: (bucket % seconds) / step, of: seconds / step })
    },
  )
  return added
}

/** Which unit a bucket belongs to. */
function placesOf(units: readonly (readonly Stretch[])[]): (step: number, bucket: number) => number {
  const places = new Map<string, number>()
  const runs: (Stretch & { place: number })[] = []
  units.forEach((stretches, place) => {
    for (const stretch of stretches) {
      if (stretch.toSeconds - stretch.fromSeconds === stretch.step)
        places.set(`${stretch.step} ${stretch.fromSeconds}`, place)
      else runs.push({ ...stretch, place })
    }
  })
  return (step, bucket) => {
    const place = places.get(`${step} ${bucket}`)
    if (place !== undefined) return place
    return runs.find((run) => run.step === step && bucket >= run.fromSeconds && bucket < run.toSeconds)!.place
  }
}

const bytesOfAll = (sums: readonly EndpointRollup[]) =>
  sums.reduce((bytes, { rollup }) => bytes + bytesOf(rollup), 0)

/** About what a rollup takes. */
export function bytesOf({ observed, components, stacks, exemplars }: Rollup): number {
  let bytes = 500 + 8 * observed.counts.length + 80 * (stacks.parent.length + exemplars.length)
  for (const part of components.values()) {
    const histograms = [part.observed, part.shift, part.earlier, part.later]
    bytes += 500 + 80 * part.exemplars.length
    for (const { counts } of histograms) bytes += 8 * counts.length
  }
  return bytes
}
