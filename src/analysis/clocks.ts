import type { Dictionary } from '../trace/dictionary.ts'
import { type ClockOffsets, isRemote } from '../trace/settle.ts'
import { CLIENT } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { addNumber, createNumberTable, type NumberTable, placeOfNumber } from './number-table.ts'

/**
 * How far the clocks of two service instances are apart. A call bounds it from both sides: the callee cannot have begun
 * before it was called, nor ended after the caller had its answer (Cristian's bounds). The offset that most calls allow
 * is taken, the middle where there are several, and none where no offset is allowed as well.
 */
export type ClockPair = {
  /** Names of the instances, in ascending order. */
  readonly from: string
  readonly to: string
  /** What the second one's clock shows beyond the first one's. */
  readonly offsetNs: number
}

/** So many calls must be seen before they override the rule for one trace. */
const LEAST_CALLS = 10
/** Calls kept per pair; newer ones replace older ones. */
const MOST_CALLS = 512
/**
 * Calls kept in all (24 MB), and pairs: instances come and go for as long as the service runs. A pair that was not met
 * for longest loses its calls, and keeps its offset until it is one too many.
 */
const MOST_CLOCKS = { calls: 1_000_000, pairs: 20_000 }
/** Agreeing clocks may be contradicted by this share of the calls: jitter, and calls that were not waited for. */
const TOLERATED = 0.02

/** Of calls: the second clock is ahead by at least `low` and at most `high`, ns. A CLIENT's bounds are tight. */
type Bounds = { tight: boolean; low: number[]; high: number[]; rank: number[]; olderCount: number }

export type ClockLearner = {
  /** By names of the instances. */
  bounds: Map<string, PairBounds>
  /** Of a batch's dictionary, by pair of instance numbers; undefined: one instance under two numbers. */
  met: NumberTable
  known: (Direction | undefined)[]
  batch: number
  most: { calls: number; pairs: number }
}

/** `earlier`: what holds until there is enough to learn it anew. */
export function createClockLearner(earlier: readonly ClockPair[] = [], most = MOST_CLOCKS): ClockLearner {
  const bounds = new Map<string, PairBounds>()
  for (const { from, to, offsetNs } of earlier) bounds.set(`${from}\t${to}`, createPair(offsetNs))
  return { bounds, met: createNumberTable(), known: [], batch: 0, most }
}

/** Calls of a linked trace, of which nothing was moved yet; `rank`: the same whatever the order of the batch. */
export function addClocks(clocks: ClockLearner, tree: TraceTree, rank: number): void {
  const { met, known } = clocks
  const { parent, entry, start, end, shape, kind, failed } = tree
  const { shapeInstance } = tree.spans.dictionary
  for (let c = 0; c < tree.count; c++) {
    const p = parent[c]!
    if (p < 0 || entry[c] !== NOT_ENTRY || !isRemote(tree, p, c) || failed[p] === 1) continue
    if (shapeInstance[shape[p]!] === shapeInstance[shape[c]!]) continue
    const high = start[c]! - start[p]!
    const low = end[c]! - end[p]!
    // A callee that took longer than the call was not waited for: it bounds nothing.
    if (low > high) continue
    const pair = shapeInstance[shape[p]!]! * 2 ** 26 + shapeInstance[shape[c]!]!
    const place = placeOfNumber(met, pair)
    const direction =
      place >= 0 ? known[place] : meet(clocks, tree.spans.dictionary, pair, shape[p]!, shape[c]!)
    if (direction === undefined) continue
    const { ascending } = direction
    const list = kind[p] === CLIENT ? direction.bounds.tight : direction.bounds.loose
    list.low.push(ascending ? low : -high)
    list.high.push(ascending ? high : -low)
    list.rank.push(rank)
  }
}

/** A pair of instances that was not met in this batch before. */
function meet(
  { bounds, met, known, batch }: ClockLearner,
  dictionary: Dictionary,
  pair: number,
  callerShape: number,
  calleeShape: number,
): Direction | undefined {
  const caller = instanceName(dictionary, callerShape)
  const callee = instanceName(dictionary, calleeShape)
  let direction: Direction | undefined
  if (caller !== callee) {
    const ascending = caller < callee
    const key = ascending ? `${caller}\t${callee}` : `${callee}\t${caller}`
    let both = bounds.get(key)
    if (both === undefined) {
      both = createPair(undefined)
      bounds.set(key, both)
    }
    both.lastBatch = batch
    direction = { bounds: both, ascending }
  }
  known[addNumber(met, pair)] = direction
  return direction
}

/** Of each pair's calls the newest are kept: later batches before earlier ones, in a batch higher ranks. */
export function endBatch(clocks: ClockLearner): void {
  for (const pair of new Set(clocks.known.map((direction) => direction?.bounds))) {
    if (pair === undefined) continue
    keepNewest(pair.loose)
    keepNewest(pair.tight)
    const best = pair.tight.low.length >= LEAST_CALLS ? pair.tight : pair.loose
    if (best.low.length >= LEAST_CALLS) pair.offsetNs = offsetOf(best)
  }
  evict(clocks)
  clocks.batch++
  clocks.met = createNumberTable()
  clocks.known = []
}

function evict({ bounds, most }: ClockLearner): void {
  let calls = 0
  for (const { loose, tight } of bounds.values()) calls += loose.low.length + tight.low.length
  if (calls <= most.calls && bounds.size <= most.pairs) return
  const byAge = [...bounds].sort(([a, x], [b, y]) => x.lastBatch - y.lastBatch || compare(a, b))
  for (const [key, pair] of byAge) {
    if (calls <= most.calls && bounds.size <= most.pairs) return
    calls -= pair.loose.low.length + pair.tight.low.length
    if (bounds.size > most.pairs) bounds.delete(key)
    else bounds.set(key, { ...createPair(pair.offsetNs), lastBatch: pair.lastBatch })
  }
}

/** Those whose offset is known, ascending. */
export function clockPairs({ bounds }: ClockLearner): ClockPair[] {
  const pairs: ClockPair[] = []
  for (const [key, { offsetNs }] of [...bounds].sort(([a], [b]) => compare(a, b))) {
    if (offsetNs === undefined) continue
    const [from, to] = key.split('\t') as [string, string]
    pairs.push({ from, to, offsetNs })
  }
  return pairs
}

/** What is known anew takes the place of what was; of more pairs than are remembered those are left that are known anew. */
export function mergeClocks(
  before: readonly ClockPair[],
  now: readonly ClockPair[],
  most = MOST_CLOCKS.pairs,
): ClockPair[] {
  const byNames = new Map(now.map((pair) => [`${pair.from}\t${pair.to}`, pair]))
  for (const pair of before) {
    const key = `${pair.from}\t${pair.to}`
    if (byNames.size < most && !byNames.has(key)) byNames.set(key, pair)
  }
  return [...byNames].sort(([a], [b]) => compare(a, b)).map(([, pair]) => pair)
}

type PairBounds = { loose: Bounds; tight: Bounds; offsetNs: number | undefined; lastBatch: number }
/** Calls from one instance to another; `ascending`: so are their names. */
type Direction = { bounds: PairBounds; ascending: boolean }

function createPair(offsetNs: number | undefined): PairBounds {
  return { loose: createBounds(false), tight: createBounds(true), offsetNs, lastBatch: -1 }
}

function createBounds(tight: boolean): Bounds {
  return { tight, low: [], high: [], rank: [], olderCount: 0 }
}

/** A rank and a place among the calls are packed into one exact number. */
const PACKED = 2 ** 26

function keepNewest(bounds: Bounds): void {
  const { low, high, rank, olderCount } = bounds
  // Calls of earlier batches stand in order already, before those of this one; those of one trace stay as they came.
  const added = new Float64Array(rank.length - olderCount)
  for (let i = 0; i < added.length; i++) added[i] = rank[olderCount + i]! * PACKED + i
  added.sort()
  const kept: number[] = []
  for (let i = Math.max(0, rank.length - MOST_CALLS); i < rank.length; i++) {
    kept.push(i < olderCount ? i : olderCount + (added[i - olderCount]! % PACKED))
  }
  bounds.low = kept.map((call) => low[call]!)
  bounds.high = kept.map((call) => high[call]!)
  bounds.rank = kept.map((call) => rank[call]!)
  bounds.olderCount = kept.length
}

/** What most calls allow: a sweep over the ends of their bounds. Whole ns. */
function offsetOf({ tight, low, high }: Bounds): number {
  const n = low.length
  let agree = 0
  for (let i = 0; i < n; i++) if (low[i]! <= 0 && high[i]! >= 0) agree++
  if (agree >= (1 - TOLERATED) * n) return 0
  const lows = Float64Array.from(low).sort()
  const highs = Float64Array.from(high).sort()
  let open = 0
  let most = 0
  let best = 0
  for (let l = 0, h = 0; l < n; ) {
    if (lows[l]! <= highs[h]!) {
      open++
      l++
      if (open > most) {
        most = open
        // Between tight bounds the middle; between loose ones no more than is needed.
        best = tight
          ? (lows[l - 1]! + highs[h]!) / 2
          : lows[l - 1]! > 0
            ? lows[l - 1]!
            : Math.min(0, highs[h]!)
      }
    } else {
      open--
      h++
    }
  }
  return agree >= most - TOLERATED * n ? 0 : Math.round(best)
}

const names = new WeakMap<Dictionary, string[]>()

/** `service instance`, as JSON. */
function instanceName(dictionary: Dictionary, shape: number): string {
  let known = names.get(dictionary)
  if (known === undefined) {
    known = []
    names.set(dictionary, known)
  }
  const id = dictionary.shapeInstance[shape]!
  const name = known[id]
  if (name !== undefined) return name
  const { service, instance } = dictionary.fields(shape)
  known[id] = JSON.stringify([service, instance])
  return known[id]
}

/** The offsets of clock pairs by the instance numbers of a dictionary. */
export function offsetsOf(pairs: readonly ClockPair[], dictionary: Dictionary): ClockOffsets | undefined {
  if (pairs.length === 0) return undefined
  const byName = new Map<string, Map<string, number>>()
  for (const { from, to, offsetNs } of pairs) {
    for (const [a, b, ns] of [
      [from, to, offsetNs],
      [to, from, -offsetNs],
    ] as const) {
      const known = byName.get(a)
      if (known === undefined) byName.set(a, new Map([[b, ns]]))
      else known.set(b, ns)
    }
  }
  const met = createNumberTable()
  /** By place in `met`. */
  const known: (number | undefined)[] = []
  const off: boolean[] = []
  return {
    offsetNs(parentShape, childShape) {
      const { shapeInstance } = dictionary
      const pair = shapeInstance[parentShape]! * 2 ** 26 + shapeInstance[childShape]!
      const at = placeOfNumber(met, pair)
      if (at >= 0) return known[at]
      const ns = byName.get(instanceName(dictionary, parentShape))?.get(instanceName(dictionary, childShape))
      known[addNumber(met, pair)] = ns
      return ns
    },
    isOff(parentShape) {
      const instance = dictionary.shapeInstance[parentShape]!
      off[instance] ??= [...(byName.get(instanceName(dictionary, parentShape))?.values() ?? [])].some(
        (ns) => ns !== 0,
      )
      return off[instance]
    },
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
