import type { ServerGroup } from './observations.ts'

/** Observations (their places in the group's columns) of one named instance. */
export type OfInstance = { instance: number; at: Uint32Array }

/** By instance: observations; all 0 between uses. */
let counts = new Uint32Array(0)

/** The instances of a group in the order in which they appear; none where there is only one. */
export function byInstance({ instance }: ServerGroup, names: readonly string[]): OfInstance[] {
  if (counts.length < names.length) counts = new Uint32Array(2 * names.length)
  const seen: number[] = []
  for (let i = 0; i < instance.length; i++) if (counts[instance[i]!]!++ === 0) seen.push(instance[i]!)
  const isOne = seen.length < 2
  const all = isOne ? [] : seen.map((one) => ({ instance: one, at: new Uint32Array(counts[one]!) }))
  for (let place = 0; place < seen.length; place++) counts[seen[place]!] = 0
  if (isOne) return all
  const places = new Map(seen.map((one, place) => [one, place]))
  const next = new Uint32Array(seen.length)
  let last = -1
  let place = 0
  for (let i = 0; i < instance.length; i++) {
    if (instance[i] !== last) {
      last = instance[i]!
      place = places.get(last)!
    }
    all[place]!.at[next[place]!++] = i
  }
  return all.filter((of) => names[of.instance] !== '')
}
