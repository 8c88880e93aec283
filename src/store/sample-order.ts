import type { Scope } from '../analysis/bottlenecks.ts'
import { type Analysis, SERVICE } from '../analysis/result.ts'
import type { Endpoint } from '../trace/dictionary.ts'

/** The row of samples that are not counted. */
export const NO_ROW = 2 ** 32 - 1

export type Key = Endpoint & { scope: Scope }
const PARTS = ['environment', 'namespace', 'service', 'operation', 'scope'] as const

/**
 * The counted samples as `samples` sorts them: by endpoint and scope, then by start (those of the same nanosecond in no
 * order). `nameOf` is asked sample by sample, in the order of the analysis. O(n) where starts lie scattered.
 *
 * @returns sample numbers in that order; the trace of each; by sample, its row in that order (NO_ROW: it is not counted),
 *   and the place of its key in `keys`, what samples are stored under
 */
export function orderSamples(
  { traces, samples }: Analysis,
  dictionary: { endpoints: readonly Endpoint[] },
  nameOf: (endpoint: number) => Pick<Endpoint, 'service' | 'operation'>,
): {
  order: Uint32Array
  traceOf: Uint32Array
  rowOf: Uint32Array
  placeOf: Uint32Array
  keys: readonly Key[]
} {
  const keys: Key[] = []
  const placeOf = new Uint32Array(samples.count)
  const counted = new Uint32Array(samples.count)
  let count = 0
  const trace = new Uint32Array(samples.count)
  /** Since the first trace's origin: exact, unless they are months apart. */
  const startNs = new Float64Array(samples.count)
  const [firstOrigin] = traces.origin
  for (let t = 0; t < traces.count; t++) {
    const originNs = Number(traces.origin[t]! - firstOrigin!)
    for (let s = traces.firstSample[t]!; s < traces.firstSample[t + 1]!; s++) {
      if (samples.counted[s] === 0) continue
      counted[count++] = s
      trace[s] = t
      startNs[s] = originNs + samples.startNs[s]!
      const isService = samples.kind[s] === SERVICE
      const place = 2 * samples.endpoint[s]! + (isService ? 1 : 0)
      placeOf[s] = place
      const { service, operation } = nameOf(samples.endpoint[s]!)
      keys[place] ??= {
        ...dictionary.endpoints[samples.endpoint[s]!]!,
        service,
        operation,
        scope: isService ? 'service' : 'trace',
      }
    }
  }
  const ranks = rankKeys(keys)
  const rankOf = new Uint32Array(samples.count)
  for (let i = 0; i < count; i++) rankOf[counted[i]!] = ranks[placeOf[counted[i]!]!]!
  const order = sortByRank(byStart(counted.subarray(0, count), startNs), rankOf, keys.length)
  const rowOf = new Uint32Array(samples.count).fill(NO_ROW)
  const traceOf = new Uint32Array(count)
  for (let row = 0; row < count; row++) {
    rowOf[order[row]!] = row
    traceOf[row] = trace[order[row]!]!
  }
  return { order, traceOf, rowOf, placeOf, keys }
}

/** Where the arrays of each row end; `lengths`: of each sample's. Those of rows without sample have none. */
export function endsOfRows(rows: number, rowOf: Uint32Array, lengths: Uint32Array): Uint32Array {
  const ends = new Uint32Array(rows)
  for (let s = 0; s < rowOf.length; s++) if (rowOf[s] !== NO_ROW) ends[rowOf[s]!] = lengths[s]!
  for (let row = 1; row < rows; row++) ends[row]! += ends[row - 1]!
  return ends
}

/** Places of keys in their order; the same for the same key. */
function rankKeys(keys: readonly Key[]): number[] {
  const places = [...keys.keys()].filter((place) => keys[place] !== undefined)
  places.sort((a, b) => compare(keys[a]!, keys[b]!))
  const ranks: number[] = new Array<number>(keys.length).fill(0)
  let rank = 0
  places.forEach((place, i) => {
    if (i > 0 && compare(keys[places[i - 1]!]!, keys[place]!) !== 0) rank++
    ranks[place] = rank
  })
  return ranks
}

function compare(a: Key, b: Key): number {
  for (const part of PARTS) if (a[part] !== b[part]) return a[part] < b[part] ? -1 : 1
  return 0
}

/** Deals samples out to as many stretches of time as there are samples, and sorts the few in each by insertion. */
function byStart(counted: Uint32Array, startNs: Float64Array): Uint32Array {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < counted.length; i++) {
    const ns = startNs[counted[i]!]!
    if (ns < least) least = ns
    if (ns > most) most = ns
  }
  const perNs = most > least ? (counted.length - 1) / (most - least) : 0
  const stretchOf = new Uint32Array(startNs.length)
  for (let i = 0; i < counted.length; i++) {
    const s = counted[i]!
    stretchOf[s] = Math.floor((startNs[s]! - least) * perNs)
  }
  const order = sortByRank(counted, stretchOf, counted.length)
  // Where all of a long time lies in few stretches (a clock that is off), insertion would cost its square.
  if (longestStretch(order, stretchOf) > 1000) return order.sort((a, b) => startNs[a]! - startNs[b]!)
  for (let at = 1; at < order.length; at++) {
    const s = order[at]!
    let into = at - 1
    for (; into >= 0 && startNs[order[into]!]! > startNs[s]!; into--) order[into + 1] = order[into]!
    order[into + 1] = s
  }
  return order
}

function longestStretch(order: Uint32Array, stretchOf: Uint32Array): number {
  let longest = 0
  let length = 0
  for (let i = 0; i < order.length; i++) {
    length = i > 0 && stretchOf[order[i]!] === stretchOf[order[i - 1]!] ? length + 1 : 1
    if (length > longest) longest = length
  }
  return longest
}

/** A counting sort that keeps the order of what has the same rank; `rankOf`: by sample. */
function sortByRank(samples: Uint32Array, rankOf: Uint32Array, ranks: number): Uint32Array {
  const next = new Uint32Array(ranks + 1)
  for (let i = 0; i < samples.length; i++) next[rankOf[samples[i]!]! + 1]!++
  for (let rank = 0; rank < ranks; rank++) next[rank + 1]! += next[rank]!
  const sorted = new Uint32Array(samples.length)
  for (let i = 0; i < samples.length; i++) sorted[next[rankOf[samples[i]!]!]!++] = samples[i]!
  return sorted
}
