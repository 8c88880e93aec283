import type { Scope } from '../analysis/bottlenecks.ts'
import { type Analysis, SERVICE } from '../analysis/result.ts'
import type { Endpoint } from '../trace/dictionary.ts'

/** The row of samples that are not counted. */
export const NO_ROW = 2 ** 32 - 1

type Key = Endpoint & { scope: Scope }
const PARTS = ['environment', 'namespace', 'service', 'operation', 'scope'] as const

/**
 * The counted samples as `samples` sorts them: by endpoint and scope, then by start (those of the same nanosecond in no
 * order). `nameOf` is asked sample by sample, in the order of the analysis. O(n) where starts lie scattered.
 *
 * @returns sample numbers in that order; the trace of each; where each sample stands in it (NO_ROW: it is not counted);
 *   the endpoint that a sample is stored under, and a number for it
 */
export function orderSamples(
  { traces, samples }: Analysis,
  dictionary: { endpoints: readonly Endpoint[] },
  nameOf: (endpoint: number) => string,
): {
  order: Uint32Array
  traceOf: Uint32Array
  rowOf: Uint32Array
  placeOf(sample: number): number
  keyOf(sample: number): Key
} {
  const keys: Key[] = []
  const placeOf = (sample: number) =>
    2 * samples.endpoint[sample]! + (samples.kind[sample] === SERVICE ? 1 : 0)
  const keyOf = (sample: number) => keys[placeOf(sample)]!
  const counted: number[] = []
  const trace = new Uint32Array(samples.count)
  /** Since the first trace's origin: exact, unless they are months apart. */
  const startNs = new Float64Array(samples.count)
  const [firstOrigin] = traces.origin
  for (let t = 0; t < traces.count; t++) {
    const originNs = Number(traces.origin[t]! - firstOrigin!)
    for (let s = traces.firstSample[t]!; s < traces.firstSample[t + 1]!; s++) {
      if (samples.counted[s] === 0) continue
      counted.push(s)
      trace[s] = t
      startNs[s] = originNs + samples.startNs[s]!
      const operation = nameOf(samples.endpoint[s]!)
      keys[placeOf(s)] ??= {
        ...dictionary.endpoints[samples.endpoint[s]!]!,
        operation,
        scope: samples.kind[s] === SERVICE ? 'service' : 'trace',
      }
    }
  }
  const ranks = rankKeys(keys)
  const order = sortByRank(byStart(counted, startNs), (s) => ranks[placeOf(s)]!, keys.length)
  const rowOf = new Uint32Array(samples.count).fill(NO_ROW)
  const traceOf = new Uint32Array(order.length)
  for (let row = 0; row < order.length; row++) {
    rowOf[order[row]!] = row
    traceOf[row] = trace[order[row]!]!
  }
  return { order, traceOf, rowOf, placeOf, keyOf }
}

/** Where the arrays of each row end: those of a sample have `lengthOf` values, those of a row without sample none. */
export function endsOfRows(
  rows: number,
  rowOf: Uint32Array,
  samples: number,
  lengthOf: (sample: number) => number,
): Uint32Array {
  const ends = new Uint32Array(rows)
  for (let s = 0; s < samples; s++) if (rowOf[s] !== NO_ROW) ends[rowOf[s]!] = lengthOf(s)
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
function byStart(counted: readonly number[], startNs: Float64Array): Uint32Array {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (const s of counted) {
    if (startNs[s]! < least) least = startNs[s]!
    if (startNs[s]! > most) most = startNs[s]!
  }
  const perNs = most > least ? (counted.length - 1) / (most - least) : 0
  const order = sortByRank(counted, (s) => Math.floor((startNs[s]! - least) * perNs), counted.length)
  // Where all of a long time lies in few stretches (a clock that is off), insertion would cost its square.
  if (longestStretch(order, startNs, least, perNs) > 1000) {
    return order.sort((a, b) => startNs[a]! - startNs[b]!)
  }
  for (let at = 1; at < order.length; at++) {
    const s = order[at]!
    let into = at - 1
    for (; into >= 0 && startNs[order[into]!]! > startNs[s]!; into--) order[into + 1] = order[into]!
    order[into + 1] = s
  }
  return order
}

function longestStretch(order: Uint32Array, startNs: Float64Array, least: number, perNs: number): number {
  let longest = 0
  let length = 0
  let last = -1
  for (const s of order) {
    const stretch = Math.floor((startNs[s]! - least) * perNs)
    length = stretch === last ? length + 1 : 1
    last = stretch
    if (length > longest) longest = length
  }
  return longest
}

/** A counting sort that keeps the order of what has the same rank. */
function sortByRank(
  samples: ArrayLike<number>,
  rankOf: (sample: number) => number,
  ranks: number,
): Uint32Array {
  const next = new Uint32Array(ranks + 1)
  for (let i = 0; i < samples.length; i++) next[rankOf(samples[i]!) + 1]!++
  for (let rank = 0; rank < ranks; rank++) next[rank + 1]! += next[rank]!
  const sorted = new Uint32Array(samples.length)
  for (let i = 0; i < samples.length; i++) sorted[next[rankOf(samples[i]!)]!++] = samples[i]!
  return sorted
}
