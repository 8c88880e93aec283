import { createHash } from 'node:crypto'
import type { Beside } from './beside.ts'
import type { ClockPair } from './clocks.ts'
import { type FamilyReader, familyOf, type KnownFamily } from './family.ts'
import type { LaterPlace } from './later-place.ts'
import type { LogNormal } from './log-normal.ts'
import { addNumber, createNumberTable, type NumberTable, placeOfNumber } from './number-table.ts'
import { type Event, type Places, placesOf, type Site, type Structure } from './structure.ts'

/**
 * What was learned over many traces. Immutable; numbers in it are hashes of text (calls.ts), so it means the same over
 * any dictionary. The same content has the same version, so results that record it can be recomputed.
 */
export type Model = {
  /** 16 hex digits: a hash of everything else. */
  readonly version: string
  /** By signature (a parent in its context, and how often it made each call). */
  readonly structures: ReadonlyMap<number, Structure>
  readonly clocks: readonly ClockPair[]
}

/** The shape of the stored form; another one is refused. */
const FORMAT = 1

/** A model of what was learned. */
export function createModel(
  structures: ReadonlyMap<number, Structure>,
  clocks: readonly ClockPair[] = [],
): Model {
  const learned = { structures: new Map([...structures].sort(([a], [b]) => a - b)), clocks: [...clocks] }
  const version = createHash('sha256')
    .update(JSON.stringify(contentOf(learned), withSortedKeys))
    .digest('hex')
    .slice(0, 16)
  return { version, ...learned }
}

function withSortedKeys(_key: string, value: unknown): unknown {
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
}

/** Nothing learned: the rules for one trace. */
export const NO_MODEL: Model = createModel(new Map())

/** What a family is compared with; `same`: a structure of its own signature. */
export type Match = { places: Places; same: boolean }

/** Finds structures for families: of their signature, else of the one most like it in the same context. */
export type Matcher = {
  model: Model
  contexts: NumberTable
  /** By place in `contexts`. */
  alike: Structure[][]
  signatures: NumberTable
  /** By place in `signatures`. */
  known: (Match | undefined)[]
}

export function createMatcher(model: Model): Matcher {
  const contexts = createNumberTable()
  const alike: Structure[][] = []
  for (const structure of model.structures.values()) {
    const known = (alike[addNumber(contexts, structure.context)] ??= [])
    if (known.length < MOST_COMPARED) known.push(structure)
  }
  return { model, contexts, alike, signatures: createNumberTable(), known: [] }
}

/** Whether anything was learned of parents in a context. */
export function isKnown({ contexts }: Matcher, context: number): boolean {
  return placeOfNumber(contexts, context) >= 0
}

/** Of a parent with that signature; its family is read where the signature was not met before. */
export function matchOf(
  { model, contexts, alike, signatures, known }: Matcher,
  signature: number,
  parent: number,
  reader: FamilyReader,
): Match | undefined {
  const met = placeOfNumber(signatures, signature)
  if (met >= 0) return known[met]
  const own = model.structures.get(signature)
  const family = familyOf(reader, parent, signature)
  const structure = own ?? mostAlike(alike[placeOfNumber(contexts, family.context)] ?? [], family)
  const match = structure === undefined ? undefined : { places: placesOf(structure), same: structure === own }
  if (signatures.size < MOST_REMEMBERED) known[addNumber(signatures, signature)] = match
  return match
}

/** Structures of a context that a rare signature is compared with. */
const MOST_COMPARED = 64
const MOST_REMEMBERED = 100_000

/** Of structures that make most of the family's calls, the one with the fewest others. */
function mostAlike(structures: readonly Structure[], { calls }: KnownFamily): Structure | undefined {
  let best: Structure | undefined
  let fewest = calls.length / 2
  for (const structure of structures) {
    const left = new Map<number, number>()
    for (let i = 0; i < calls.length; i++) left.set(calls[i]!, (left.get(calls[i]!) ?? 0) + 1)
    let shared = 0
    for (const { call } of structure.sites) {
      const times = left.get(call) ?? 0
      if (times === 0) continue
      left.set(call, times - 1)
      shared++
    }
    // What a structure lacks obeys the rules for one trace; what it has beyond was left out this time.
    const different = calls.length - shared + (structure.sites.length - shared) / 2
    if (different < fewest) {
      fewest = different
      best = structure
    }
  }
  return best
}

function contentOf({ structures, clocks }: Omit<Model, 'version'>) {
  return { format: FORMAT, structures: [...structures], clocks }
}

/** One JSON text; `modelFromJson` gives the same model back. */
export function modelToJson(model: Model): string {
  return JSON.stringify({ version: model.version, ...contentOf(model) })
}

/** Throws a RangeError where the text is no model, of another format, or not what its version says. */
export function modelFromJson(text: string): Model {
  let stored: unknown
  try {
    stored = JSON.parse(text)
  } catch (cause) {
    throw new RangeError('model: no JSON', { cause })
  }
  if (!isRecord(stored) || stored.format !== FORMAT || !isList(stored.structures) || !isList(stored.clocks)) {
    throw new RangeError(`model: expected format ${FORMAT}`)
  }
  const structures = new Map<number, Structure>()
  for (const pair of stored.structures) {
    if (!isList(pair) || !isNumber(pair[0])) throw new RangeError('model: expected [signature, structure]')
    structures.set(pair[0], structureFrom(pair[1]))
  }
  const model = createModel(structures, stored.clocks.map(clockFrom))
  if (model.version !== stored.version)
    throw new RangeError(`model: content is not version ${String(stored.version)}`)
  return model
}

type Json = Record<string, unknown>

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function numberOf(from: Json, name: string): number {
  const value = from[name]
  if (!isNumber(value)) throw new RangeError(`model: ${name}: expected a number`)
  return value
}

function recordOf(from: unknown, name: string): Json {
  if (!isRecord(from)) throw new RangeError(`model: ${name}: expected an object`)
  return from
}

function clockFrom(value: unknown): ClockPair {
  const { from, to, ...numbers } = recordOf(value, 'clock')
  if (typeof from !== 'string' || typeof to !== 'string')
    throw new RangeError('model: clock: expected two names')
  return { from, to, offsetNs: numberOf(numbers, 'offsetNs') }
}

function structureFrom(value: unknown): Structure {
  const stored = recordOf(value, 'structure')
  if (!Array.isArray(stored.sites)) throw new RangeError('model: sites: expected a list')
  const count = stored.sites.length
  const sites = stored.sites.map((site): Site => {
    const from = recordOf(site, 'site')
    return {
      ...eventFrom(from, count),
      call: numberOf(from, 'call'),
      length: logNormalFrom(from.length),
      presence: numberOf(from, 'presence'),
    }
  })
  return {
    context: numberOf(stored, 'context'),
    families: numberOf(stored, 'families'),
    usual: numberOf(stored, 'usual'),
    typical: numberOf(stored, 'typical'),
    sites,
    end: eventFrom(recordOf(stored.end, 'end'), count),
  }
}

function eventFrom(from: Json, sites: number): Event {
  const event = {
    waitsFor: sitesFrom(from.waitsFor, sites),
    possible: sitesFrom(from.possible, sites),
    certain: sitesFrom(from.certain, sites),
    gap: logNormalFrom(from.gap),
  }
  return {
    ...event,
    ...(from.beside === undefined ? {} : { beside: besideFrom(recordOf(from.beside, 'beside'), sites) }),
    ...(from.later === undefined ? {} : { later: laterFrom(recordOf(from.later, 'later'), sites) }),
  }
}

function laterFrom(from: Json, sites: number): LaterPlace {
  return {
    waitsFor: sitesFrom(from.waitsFor, sites),
    share: numberOf(from, 'share'),
    gap: logNormalFrom(from.gap),
  }
}

function besideFrom(from: Json, sites: number): Beside {
  const since = numberOf(from, 'since')
  const isAfter = from.after === true
  const first = isAfter ? 0 : -1 // work after a call is after some call
  if (!Number.isInteger(since) || since < first || since >= sites)
    throw new RangeError('model: since: no such site')
  const times = { work: logNormalFrom(from.work), gap: logNormalFrom(from.gap) }
  return isAfter ? { since, after: true, ...times } : { since, ...times }
}

function sitesFrom(value: unknown, sites: number): number[] {
  if (!Array.isArray(value)) throw new RangeError('model: expected a list of sites')
  return value.map((site) => {
    if (!Number.isInteger(site) || site < 0 || site >= sites) throw new RangeError('model: no such site')
    return site as number
  })
}

function logNormalFrom(value: unknown): LogNormal {
  const from = recordOf(value, 'times')
  return { mean: numberOf(from, 'mean'), sigma: numberOf(from, 'sigma') }
}
