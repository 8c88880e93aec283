import { createHash } from 'node:crypto'
import type { Beside } from './beside.ts'
import type { LogNormal } from './log-normal.ts'
import type { Event, Site, Structure } from './structure.ts'

/**
 * What was learned over many traces. Immutable; numbers in it are hashes of text (calls.ts), so it means the same over
 * any dictionary. The same content has the same version, so results that record it can be recomputed.
 */
export type Model = {
  /** 16 hex digits: a hash of everything else. */
  readonly version: string
  /** By signature (a parent in its context, and how often it made each call). */
  readonly structures: ReadonlyMap<number, Structure>
}

/** The shape of the stored form; another one is refused. */
const FORMAT = 1

/** A model of what was learned. */
export function createModel(structures: ReadonlyMap<number, Structure>): Model {
  const content = contentOf(structures)
  const version = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16)
  return {
    version,
    structures: new Map(content.structures.map(([signature]) => [signature, structures.get(signature)!])),
  }
}

/** Nothing learned: the rules for one trace. */
export const NO_MODEL: Model = createModel(new Map())

export function structureFor(model: Model, family: { signature: number }): Structure | undefined {
  return model.structures.get(family.signature)
}

type Content = { format: number; structures: [signature: number, structure: Structure][] }

function contentOf(structures: ReadonlyMap<number, Structure>): Content {
  return { format: FORMAT, structures: [...structures].sort(([a], [b]) => a - b) }
}

/** One JSON text; `modelFromJson` gives the same model back. */
export function modelToJson(model: Model): string {
  return JSON.stringify({ version: model.version, ...contentOf(model.structures) })
}

/** Throws a RangeError where the text is no model, of another format, or not what its version says. */
export function modelFromJson(text: string): Model {
  let stored: unknown
  try {
    stored = JSON.parse(text)
  } catch (cause) {
    throw new RangeError('model: no JSON', { cause })
  }
  if (!isRecord(stored) || stored.format !== FORMAT || !Array.isArray(stored.structures)) {
    throw new RangeError(`model: expected format ${FORMAT}`)
  }
  const structures = new Map<number, Structure>()
  for (const pair of stored.structures) {
    if (!Array.isArray(pair) || !isNumber(pair[0]))
      throw new RangeError('model: expected [signature, structure]')
    structures.set(pair[0], structureFrom(pair[1]))
  }
  const model = createModel(structures)
  if (model.version !== stored.version)
    throw new RangeError(`model: content is not version ${String(stored.version)}`)
  return model
}

type Json = Record<string, unknown>

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
  return { families: numberOf(stored, 'families'), sites, end: eventFrom(recordOf(stored.end, 'end'), count) }
}

function eventFrom(from: Json, sites: number): Event {
  const event = {
    waitsFor: sitesFrom(from.waitsFor, sites),
    possible: sitesFrom(from.possible, sites),
    certain: sitesFrom(from.certain, sites),
    gap: logNormalFrom(from.gap),
  }
  return from.beside === undefined
    ? event
    : { ...event, beside: besideFrom(recordOf(from.beside, 'beside'), sites) }
}

function besideFrom(from: Json, sites: number): Beside {
  const since = numberOf(from, 'since')
  if (since < -1 || since >= sites) throw new RangeError('model: since: no such site')
  return { since, work: logNormalFrom(from.work), gap: logNormalFrom(from.gap) }
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
