import { rankOf } from '../analysis/quantile.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import type { RequestLog } from './request-log.ts'

/** What slow-instance and uneven-load look for: times the siblings' p95, times the fair share, requests of an instance. */
export type UnlikeLimits = { ratio: number; share: number; requests: number }

/** By slot (an endpoint on an instance): its endpoint, and requests; by shape: its slot. */
type Slots = { endpoint: number[]; count: number[]; ofShape: Int32Array }

/** Lengths are counted in bins, four a power of two. */
const BINS = 4 * 30
/** ns; lengths of 2^31 of these and more are in the last bin. */
const UNIT_NS = 2 ** 13

/**
 * Endpoints of which an instance may be unlike its siblings, by the requests logged: none is missed that has so many
 * times their p95, or of the fair share, for what a bin leaves open is counted as if it were so.
 */
export function unlikeEndpoints(log: RequestLog, dictionary: Dictionary, limits: UnlikeLimits): Set<number> {
  const slots = slotsOf(log, dictionary)
  const byEndpoint = new Map<number, number[]>()
  slots.endpoint.forEach((endpoint, slot) => {
    const known = byEndpoint.get(endpoint)
    if (known === undefined) byEndpoint.set(endpoint, [slot])
    else known.push(slot)
  })
  const unlike = new Set<number>()
  const compared = new Uint8Array(slots.count.length)
  for (const [endpoint, own] of byEndpoint) {
    if (own.length < 2) continue
    const total = own.reduce((sum, slot) => sum + slots.count[slot]!, 0)
    const enough = own.filter((slot) => slots.count[slot]! >= limits.requests)
    if (own.some((slot) => slots.count[slot]! * own.length >= limits.share * total)) unlike.add(endpoint)
    else if (enough.length > 1) for (const slot of enough) compared[slot] = 1
  }
  if (!compared.includes(1)) return unlike
  const p95s = p95BinsOf(log, slots, compared)
  for (const [endpoint, own] of byEndpoint) {
    const bins = own.filter((slot) => compared[slot] === 1).map((slot) => p95s[slot]!)
    if (bins.length === 0) continue
    const [low, high] = [Math.min(...bins), Math.max(...bins)]
    if (high === BINS - 1 || leastIn(high + 1) > limits.ratio * leastIn(low)) unlike.add(endpoint)
  }
  return unlike
}

function slotsOf({ requests }: RequestLog, dictionary: Dictionary): Slots {
  const slots: Slots = { endpoint: [], count: [], ofShape: new Int32Array(requests.length).fill(-1) }
  const byKey = new Map<number, number>()
  for (let shape = 0; shape < requests.length; shape++) {
    if (requests[shape] === 0) continue
    const endpoint = dictionary.endpoint(shape)
    const key = endpoint * 2 ** 26 + dictionary.shapeInstance[shape]!
    let slot = byKey.get(key)
    if (slot === undefined) {
      slot = slots.endpoint.push(endpoint) - 1
      slots.count.push(0)
      byKey.set(key, slot)
    }
    slots.count[slot]! += requests[shape]!
    slots.ofShape[shape] = slot
  }
  return slots
}

/** By slot that is compared: the bin of its p95. */
function p95BinsOf({ count, shape, lengthNs }: RequestLog, slots: Slots, compared: Uint8Array): Int32Array {
  const places = new Int32Array(compared.length).fill(-1)
  let used = 0
  for (let slot = 0; slot < compared.length; slot++) if (compared[slot] === 1) places[slot] = used++
  const bins = new Uint32Array(used * BINS)
  for (let i = 0; i < count; i++) {
    const place = places[slots.ofShape[shape[i]!]!]!
    if (place >= 0) bins[place * BINS + binOf(lengthNs[i]!)]!++
  }
  return places.map((place, slot) => {
    if (place < 0) return -1
    let left = rankOf(slots.count[slot]!, 0.95)
    let bin = 0
    for (; (left -= bins[place * BINS + bin]!) > 0; bin++);
    return bin
  })
}

function binOf(lengthNs: number): number {
  const units = Math.min(2 ** 31 - 1, Math.floor(lengthNs / UNIT_NS))
  if (units < 4) return units
  const power = 31 - Math.clz32(units)
  // The two bits after the leading one.
  return 4 * (power - 1) + ((units >> (power - 2)) & 3)
}

/** Where a bin begins. */
function leastIn(bin: number): number {
  return UNIT_NS * (bin < 4 ? bin : 2 ** ((bin >> 2) - 1) * (4 + (bin & 3)))
}
