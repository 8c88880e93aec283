import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import { addNodes, type NodeColumns } from './call-stacks.ts'
import { addProduct, createSum } from './exact-sum.ts'
import { addToBin, binOf, createHistogram, type Histogram, histogramQuantile } from './histogram.ts'
import {
  COMPONENTS_KEPT,
  type ComponentRollup,
  compareTraceIds,
  componentIn,
  componentKey,
  createRollup,
  EXEMPLARS,
  type Exemplar,
  meanSavingNs,
  pickExemplars,
  type Rollup,
  type TraceIdWords,
} from './rollup.ts'

/** Samples as columns; what belongs to sample i ends at `...Ends[i]`. */
export type SampleTable = {
  /** Epoch ns as words, trace ids as words of their halves. */
  start: Uint32Array
  traceHigh: Uint32Array
  traceLow: Uint32Array
  durationNs: Float64Array
  weight: ArrayLike<number>
  isError: ArrayLike<number>
  componentEnds: ArrayLike<number>
  /** Places in `components`. */
  component: ArrayLike<number>
  criticalNs: Float64Array
  ifInstantNs: Float64Array
  /** By how much that could be earlier, and later; one a component of samples where any could be, none of others. */
  rangeEnds: ArrayLike<number>
  earlierNs: Float64Array
  laterNs: Float64Array
  /** One a component of an entry, none of a service-scope sample. */
  callEnds: ArrayLike<number>
  calls: ArrayLike<number>
  nodeEnds: ArrayLike<number>
  nodes: NodeColumns
  components: readonly Component[]
}

/** Buckets after its own that a sample's running time is told apart in: a day. */
const LATEST_BUCKET = 1440

/** Some rows of a table. */
export type SampleRows = { table: SampleTable; rows: readonly number[] }

/**
 * Adds up some samples, all started in the bucket of `seconds` from `bucketSeconds` on. One exemplar of each kind is kept
 * of a component.
 */
export function rollUpSamples(pieces: readonly SampleRows[], bucketSeconds: number, seconds: number): Rollup {
  const rollup = createRollup()
  const kept = componentsToKeep(pieces)
  const parts: ComponentRollup[] = []
  const placeIn = pieces.map(({ table }) => new Int32Array(table.components.length).fill(-1))
  makeRoom(rollup, parts, pieces, placeIn, kept)
  pieces.forEach(({ table, rows }, p) => {
    for (const row of rows) {
      addSample(rollup, parts, table, row, placeIn[p]!, kept !== undefined)
      addOverlap(rollup, table, row, bucketSeconds, seconds)
    }
  })
  addExemplars(rollup, parts, pieces, placeIn, bucketSeconds)
  return rollup
}

/** Where in `parts` each component of a table is; of those that no sample has, -1. */
type Places = Int32Array

/** Those that are not kept are service (other). */
function placeComponent(
  component: Component,
  rollup: Rollup,
  parts: ComponentRollup[],
  kept: ReadonlySet<string> | undefined,
): number {
  const known = rollup.components.size
  const isKept = kept === undefined || kept.has(componentKey(component))
  const part = componentIn(rollup, isKept ? component : OTHER_COMPONENT)
  return rollup.components.size > known ? parts.push(part) - 1 : parts.indexOf(part)
}

/**
 * Finds the components, and gives histograms room for just the bins that are needed, all in one array: growing them, or one each, would take most
 * of the time.
 */
function makeRoom(
  rollup: Rollup,
  parts: ComponentRollup[],
  pieces: readonly SampleRows[],
  placeIn: readonly Places[],
  kept: ReadonlySet<string> | undefined,
): void {
  let [allShortest, allLongest] = [Number.POSITIVE_INFINITY, 0]
  const shortest: number[] = []
  const longest: number[] = []
  const least: number[] = []
  pieces.forEach(({ table, rows }, p) => {
    const places = placeIn[p]!
    for (const row of rows) {
      const durationNs = table.durationNs[row]!
      if (durationNs < allShortest) allShortest = durationNs
      if (durationNs > allLongest) allLongest = durationNs
      const to = table.componentEnds[row]!
      for (let i = beginOf(table.componentEnds, row); i < to; i++) {
        const component = table.component[i]!
        let place = places[component]!
        if (place < 0) {
          place = placeComponent(table.components[component]!, rollup, parts, kept)
          places[component] = place
        }
        const ifInstantNs = table.ifInstantNs[i]!
        if (place === least.length) {
          shortest.push(durationNs)
          longest.push(durationNs)
          least.push(ifInstantNs)
          continue
        }
        if (durationNs < shortest[place]!) shortest[place] = durationNs
        if (durationNs > longest[place]!) longest[place] = durationNs
        if (ifInstantNs < least[place]!) least[place] = ifInstantNs
      }
    }
  })
  rollup.observed = createHistogram(binOf(allShortest), binOf(allLongest))
  const bins = (of: readonly number[]) => of.map((ns) => binOf(ns))
  const [first, last, firstShifted] = [bins(shortest), bins(longest), bins(least)]
  let room = 0
  for (let place = 0; place < parts.length; place++) {
    room += 2 * last[place]! + 2 - first[place]! - firstShifted[place]!
  }
  const counts = new Float64Array(room)
  let used = 0
  const take = (first: number, last: number) => {
    used += last - first + 1
    return { first, counts: counts.subarray(used - (last - first + 1), used) }
  }
  parts.forEach((part, place) => {
    part.observed = take(first[place]!, last[place]!)
    part.shift = take(firstShifted[place]!, last[place]!)
  })
}

function addSample(
  rollup: Rollup,
  parts: readonly ComponentRollup[],
  table: SampleTable,
  row: number,
  places: Places,
  capped: boolean,
): void {
  const durationNs = table.durationNs[row]!
  const weight = table.weight[row]!
  const bin = binOf(durationNs)
  rollup.samples++
  rollup.weight += weight
  rollup.weightSquares += weight * weight
  if (table.isError[row] === 1) rollup.errors += weight
  addProduct(rollup.durationNs, durationNs, weight)
  rollup.durationSquares += weight * (durationNs / 1e9) ** 2
  addToBin(rollup.observed, bin, weight)

  const from = beginOf(table.componentEnds, row)
  const to = table.componentEnds[row]!
  const callsFrom = beginOf(table.callEnds, row)
  const hasCalls = table.callEnds[row]! > callsFrom
  const rangesFrom = beginOf(table.rangeEnds, row)
  const hasRanges = table.rangeEnds[row]! > rangesFrom
  const other = capped ? componentIn(rollup, OTHER_COMPONENT) : undefined
  let otherNs = 0
  let otherCalls = 0
  for (let i = from; i < to; i++) {
    const part = parts[places[table.component[i]!]!]!
    const calls = hasCalls ? table.calls[callsFrom + i - from]! : 0
    // Those beyond the kept are added up a sample.
    if (part === other) {
      otherNs += table.criticalNs[i]!
      otherCalls += calls
      continue
    }
    const ifInstantNs = table.ifInstantNs[i]!
    addToComponent(part, durationNs, table.criticalNs[i]!, ifInstantNs, calls, weight, bin)
    if (!hasRanges) continue
    const range = rangesFrom + i - from
    move(part.earlier, ifInstantNs, ifInstantNs - table.earlierNs[range]!, weight)
    move(part.later, ifInstantNs, ifInstantNs + table.laterNs[range]!, weight)
  }
  if (otherNs > 0) {
    addToComponent(other!, durationNs, otherNs, durationNs - otherNs, otherCalls, weight, bin)
  }
  addNodes(rollup.stacks, table.nodes, beginOf(table.nodeEnds, row), table.nodeEnds[row]!, weight)
}

/** Where what belongs to a row begins. */
function beginOf(ends: ArrayLike<number>, row: number): number {
  return row === 0 ? 0 : ends[row - 1]!
}

function addToComponent(
  part: ComponentRollup,
  durationNs: number,
  criticalNs: number,
  ifInstantNs: number,
  calls: number,
  weight: number,
  bin: number,
): void {
  part.present += weight
  addProduct(part.presentNs, durationNs, weight)
  addProduct(part.ifInstantNs, ifInstantNs, weight)
  addProduct(part.criticalNs, criticalNs, weight)
  part.criticalSquares += weight * (criticalNs / 1e9) ** 2
  part.calls += calls * weight
  addToBin(part.observed, bin, weight)
  const instant = binOf(ifInstantNs)
  if (instant === bin) return
  addToBin(part.shift, bin, -weight)
  addToBin(part.shift, instant, weight)
}

/** Adds the move of a sample from one duration to another. */
function move(histogram: Histogram, fromNs: number, toNs: number, weight: number): void {
  const from = binOf(fromNs)
  const to = binOf(toNs)
  if (from === to) return
  addToBin(histogram, from, -weight)
  addToBin(histogram, to, weight)
}

/** Keys of the components with the most critical time; undefined: all. */
function componentsToKeep(pieces: readonly SampleRows[]): Set<string> | undefined {
  const most = pieces.reduce((sum, { table }) => sum + table.components.length, 0)
  if (most <= COMPONENTS_KEPT) return undefined
  const totals = new Map<string, number>()
  for (const { table, rows } of pieces) {
    const totalNs = new Float64Array(table.components.length)
    for (const row of rows) {
      const to = table.componentEnds[row]!
      for (let i = beginOf(table.componentEnds, row); i < to; i++) {
        totalNs[table.component[i]!]! += table.criticalNs[i]! * table.weight[row]!
      }
    }
    totalNs.forEach((ns, component) => {
      if (ns === 0) return
      const key = componentKey(table.components[component]!)
      totals.set(key, (totals.get(key) ?? 0) + ns)
    })
  }
  if (totals.size <= COMPONENTS_KEPT) return undefined
  const order = [...totals].sort(([a, nsA], [b, nsB]) => nsB - nsA || (a < b ? -1 : 1))
  return new Set(order.slice(0, COMPONENTS_KEPT).map(([key]) => key))
}

function addOverlap(
  rollup: Rollup,
  table: SampleTable,
  row: number,
  bucketSeconds: number,
  seconds: number,
): void {
  const lengthNs = seconds * 1e9
  let at = sinceNs(table.start, row, bucketSeconds)
  let leftNs = table.durationNs[row]!
  for (let later = 0; leftNs > 0; later++) {
    const hereNs = later === LATEST_BUCKET ? leftNs : Math.min(leftNs, lengthNs - at)
    while (rollup.overlapNs.length <= later) rollup.overlapNs.push(createSum())
    addProduct(rollup.overlapNs[later]!, hereNs, table.weight[row]!)
    leftNs -= hereNs
    at = 0
  }
}

/** The worst and the typical traces, of the endpoint and of each component. */
function addExemplars(
  rollup: Rollup,
  parts: readonly ComponentRollup[],
  pieces: readonly SampleRows[],
  placeIn: readonly Places[],
  bucketSeconds: number,
): void {
  const mine = createPicker(histogramQuantile(rollup.observed, rollup.weight, 0.5), EXEMPLARS, bucketSeconds)
  const usualNs = Float64Array.from(parts, meanSavingNs)
  const worst = createFirsts(parts.length)
  const typical = createFirsts(parts.length)
  pieces.forEach(({ table, rows }, p) => {
    const places = placeIn[p]!
    for (const row of rows) {
      const durationNs = table.durationNs[row]!
      mine.offer(table, row, durationNs)
      const to = table.componentEnds[row]!
      for (let i = beginOf(table.componentEnds, row); i < to; i++) {
        const place = places[table.component[i]!]!
        const ns = durationNs - table.ifInstantNs[i]!
        if (ns >= worst.rank[place]!) offerTo(worst, place, table, row, ns, ns)
        const rank = -Math.abs(ns - usualNs[place]!)
        if (rank >= typical.rank[place]!) offerTo(typical, place, table, row, ns, rank)
      }
    }
  })
  rollup.exemplars = mine.picked()
  parts.forEach((part, place) => {
    part.exemplars = [
      exemplarOf(firstAt(worst, place), true, bucketSeconds),
      exemplarOf(firstAt(typical, place), false, bucketSeconds),
    ]
  })
}

/** Of each component, the sample that goes first by rank, then by trace id. */
type Firsts = { rank: Float64Array; ns: Float64Array; row: Uint32Array; table: SampleTable[] }

function createFirsts(count: number): Firsts {
  const rank = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
  return { rank, ns: new Float64Array(count), row: new Uint32Array(count), table: [] }
}

function firstAt({ rank, ns, row, table }: Firsts, place: number): Candidate {
  return { table: table[place]!, row: row[place]!, ns: ns[place]!, rank: rank[place]! }
}

/** Rank is not below that of the first so far. */
function offerTo(
  firsts: Firsts,
  place: number,
  table: SampleTable,
  row: number,
  ns: number,
  rank: number,
): void {
  if (rank === firsts.rank[place]) {
    const candidate = { table, row, ns, rank }
    if (compareIds(candidate, firstAt(firsts, place)) >= 0) return
  }
  firsts.rank[place] = rank
  firsts.ns[place] = ns
  firsts.row[place] = row
  firsts.table[place] = table
}

/** A time, since some seconds that are not far from it. The words of the difference are exact, those of epoch ns are not. */
export function sinceNs(times: Uint32Array, row: number, seconds: number): number {
  const high = Math.floor((seconds * 1e9) / 2 ** 32)
  const low = seconds * 1e9 - high * 2 ** 32
  return (times[2 * row + 1]! - high) * 2 ** 32 + (times[2 * row]! - low)
}

function exemplarOf({ table, row, ns }: Candidate, worst: boolean, bucketSeconds: number): Exemplar {
  return {
    worst,
    id: traceIdAt(table, row),
    ns,
    seconds: bucketSeconds + Math.floor(sinceNs(table.start, row, bucketSeconds) / 1e9),
  }
}

/** A sample that may become an exemplar; higher ranks go first. */
type Candidate = { table: SampleTable; row: number; ns: number; rank: number }

/** Keeps a few candidates, so that not every sample's id is made a number of. */
function createPicker(typicalNs: number, count: number, bucketSeconds: number) {
  const worst: Candidate[] = []
  const typical: Candidate[] = []
  const offerTo = (kept: Candidate[], table: SampleTable, row: number, ns: number, rank: number) => {
    if (kept.length === count && rank < kept[count - 1]!.rank) return
    const candidate = { table, row, ns, rank }
    let at = kept.length
    while (
      at > 0 &&
      (rank > kept[at - 1]!.rank || (rank === kept[at - 1]!.rank && compareIds(candidate, kept[at - 1]!) < 0))
    )
      at--
    kept.splice(at, 0, candidate)
    if (kept.length > count) kept.pop()
  }
  return {
    offer(table: SampleTable, row: number, ns: number) {
      offerTo(worst, table, row, ns, ns)
      offerTo(typical, table, row, ns, -Math.abs(ns - typicalNs))
    },
    // A trace may have several samples.
    picked: () =>
      pickExemplars(
        [
          ...worst.map((of) => exemplarOf(of, true, bucketSeconds)),
          ...typical.map((of) => exemplarOf(of, false, bucketSeconds)),
        ],
        typicalNs,
        count,
      ),
  }
}

function compareIds(a: Candidate, b: Candidate): number {
  return compareTraceIds(traceIdAt(a.table, a.row), traceIdAt(b.table, b.row))
}

function traceIdAt({ traceHigh, traceLow }: SampleTable, row: number): TraceIdWords {
  return [traceHigh[2 * row + 1]!, traceHigh[2 * row]!, traceLow[2 * row + 1]!, traceLow[2 * row]!]
}
