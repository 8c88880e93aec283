import { STATUS_ERROR } from '../trace/span.ts'
import { type Analysis, SERVICE } from './result.ts'
import { ENOUGH } from './sampling-bias.ts'

/** How many entries there are, of them in endpoints of which only errors were kept, and what was kept of the slow only. */
export type Kept = {
  entries: number
  onlyErrors: number
  /** All of them, or none. */
  onlySlow: number
  /** Latency that nothing is faster than, ns; 0: there is no such one. */
  floorNs: number
  /** Endpoints with only errors. */
  where: { name: string; value: number }[]
}

/** Collects what tells a policy that keeps only errors, or only slow traces. */
export type KeptTraces = { add(analysis: Analysis): void; tell(): Kept }

type Endpoint = { name: string; entries: number; failed: number; weighted: boolean; durationsNs: number[] }

/** Latencies kept of an endpoint. */
const MOST = 2000
/** So many endpoints, and half of all, must begin at one latency, within the share, to tell a policy from chance. */
const LEAST_ENDPOINTS = 3
const ALIKE = 0.05
/** At least this share of an endpoint's entries lies so close above the floor: it cuts through them. */
const EDGE = 0.1
const AT_EDGE = 0.03
/** By how much the usual latencies of the endpoints must differ: what takes different times has no common least one. */
const DIFFERENT = 1.5
/** What is faster is never a threshold, ns. */
const LEAST_FLOOR_NS = 1e6

export function createKeptTraces(): KeptTraces {
  const endpoints = new Map<string, Endpoint>()
  return {
    add({ samples, spans }) {
      for (let s = 0; s < samples.count; s++) {
        if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
        const { service, operation } = spans.dictionary.endpoints[samples.endpoint[s]!]!
        const name = `${service} ${operation}`
        let endpoint = endpoints.get(name)
        if (endpoint === undefined) {
          endpoint = { name, entries: 0, failed: 0, weighted: false, durationsNs: [] }
          endpoints.set(name, endpoint)
        }
        endpoint.entries++
        if (samples.weight[s]! > 1) endpoint.weighted = true
        if (spans.status[samples.span[s]!] === STATUS_ERROR) endpoint.failed++
        else if (endpoint.durationsNs.length < MOST) endpoint.durationsNs.push(samples.durationNs[s]!)
      }
    },
    tell() {
      const all = [...endpoints.values()]
      const entriesOf = (some: readonly Endpoint[]) => some.reduce((sum, { entries }) => sum + entries, 0)
      const errors = all.filter(({ entries, failed }) => entries >= ENOUGH && failed === entries)
      const entries = entriesOf(all)
      const floorNs = floorOf(all)
      return {
        entries,
        onlyErrors: entriesOf(errors),
        onlySlow: floorNs > 0 ? entries : 0,
        floorNs,
        where: errors
          .map(({ name, entries }) => ({ name, value: entries }))
          .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1)),
      }
    },
  }
}

/** The latency at which endpoints with enough successful entries are cut off, 0 if there is none. */
function floorOf(endpoints: readonly Endpoint[]): number {
  // What stands for others says so by its weight.
  const known = endpoints
    .filter(({ durationsNs, weighted }) => !weighted && durationsNs.length >= ENOUGH)
    .map(({ durationsNs }) => durationsNs.toSorted((a, b) => a - b))
  if (known.length < LEAST_ENDPOINTS) return 0
  const floorNs = Math.min(...known.map((sorted) => sorted[0]!))
  const cut = known.filter(
    (sorted) =>
      sorted[0]! <= (1 + ALIKE) * floorNs &&
      sorted.filter((ns) => ns <= (1 + EDGE) * floorNs).length >= AT_EDGE * sorted.length,
  )
  const medians = cut.map((sorted) => sorted[sorted.length >> 1]!)
  return floorNs >= LEAST_FLOOR_NS &&
    cut.length >= Math.max(LEAST_ENDPOINTS, known.length / 2) &&
    Math.max(...medians) >= DIFFERENT * Math.min(...medians)
    ? floorNs
    : 0
}
