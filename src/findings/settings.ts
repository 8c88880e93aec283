import type { Limits } from './pattern.ts'
import { PATTERNS } from './patterns.ts'

/** Values of all thresholds, by pattern. */
export type FindingLimits = ReadonlyMap<string, Limits>

/** `n-plus-one.calls=10, slow-query.lengthMs=200` */
const OVERRIDE = /^\s*([a-z-]+)\.([A-Za-z0-9]+)\s*=\s*(\d+(?:\.\d+)?)\s*$/

/** Reads overrides of thresholds, separated by commas. @throws RangeError that names what there is */
export function parseOverrides(text: string): Record<string, number> {
  const overrides: Record<string, number> = {}
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const match = OVERRIDE.exec(part)
    if (match === null) {
      throw new RangeError(`not a threshold: ${JSON.stringify(part.trim())}; expected n-plus-one.calls=10`)
    }
    const [, id = '', name = '', value = ''] = match
    const pattern = PATTERNS.find((p) => p.id === id)
    if (pattern === undefined) {
      throw new RangeError(`no pattern ${id}; there are ${PATTERNS.map((p) => p.id).join(', ')}`)
    }
    if (!Object.hasOwn(pattern.thresholds, name)) {
      throw new RangeError(
        `${id} has no threshold ${name}; it has ${Object.keys(pattern.thresholds).join(', ')}`,
      )
    }
    overrides[`${id}.${name}`] = Number(value)
  }
  return overrides
}

/** All thresholds, with some of them overridden. */
export function limitsOf(overrides: Readonly<Record<string, number>>): FindingLimits {
  return new Map(
    PATTERNS.map(({ id, thresholds }) => [
      id,
      Object.fromEntries(
        Object.entries(thresholds).map(([name, { value }]) => [name, overrides[`${id}.${name}`] ?? value]),
      ),
    ]),
  )
}
