import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import { addNodes, type NodeColumns } from './call-stacks.ts'
import { addProduct, createSum } from './exact-sum.ts'
import { addToBin, binOf, createHistogram, histogramQuantile } from './histogram.ts'
import {
  COMPONENTS_KEPT,
  type ComponentRollup,
  componentIn,
  componentKey,
  createRollup,
  EXEMPLARS,
  type Exemplar,
  meanSavingNs,
  pickExemplars,
  type Rollup,
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
  const partsOf = pieces.map(({ table }) => partsIn(rollup, table, kept))
  makeRoom(rollup, pieces, partsOf)
  pieces.forEach(({ table, rows }, p) => {
    for (const row of rows) {
      addSample(rollup, table, row, partsOf[p]!, kept !== undefined)
      addOverlap(rollup, table, row, bucketSeconds, seconds)
    }
  })
  addExemplars(rollup, pieces, partsOf)
  return rollup
}

type PartOf = (component: number) => ComponentRollup

/** A table's components in the rollup; those that are not kept are service (other). */
function partsIn(rollup: Rollup, table: SampleTable, kept: ReadonlySet<string> | undefined): PartOf {
  const parts: (ComponentRollup | undefined)[] = []
  return (component) => {
    let part = parts[component]
    if (part === undefined) {
      const of = table.components[component]!
      part = componentIn(rollup, kept === undefined || kept.has(componentKey(of)) ? of : OTHER_COMPONENT)
      parts[component] = part
    }
    return part
  }
}

/** Durations, ns, that a histogram has to have room for. */
type Room = { least: number; shortest: number; longest: number }

/** Gives histograms room for just the bins that are needed: growing them would take most of the time. */
function makeRoom(rollup: Rollup, pieces: readonly SampleRows[], partsOf: readonly PartOf[]): void {
  const all = createRoom()
  const rooms = new Map<ComponentRollup, Room>()
  pieces.forEach(({ table, rows }, p) => {
    for (const row of rows) {
      const durationNs = table.durationNs[row]!
      widen(all, durationNs, durationNs)
      const [from, to] = rowBounds(table.componentEnds, row)
      for (let i = from; i < to; i++) {
        const part = partsOf[p]!(table.component[i]!)
        let room = rooms.get(part)
        if (room === undefined) {
          room = createRoom()
          rooms.set(part, room)
        }
        widen(room, durationNs, table.ifInstantNs[i]!)
      }
    }
  })
  rollup.observed = createHistogram(binOf(all.shortest), binOf(all.longest))
  for (const [part, { least, shortest, longest }] of rooms) {
    const last = binOf(longest)
    part.observed = createHistogram(binOf(shortest), last)
    // Of what is not shortened beyond a bin there is no shift.
    const first = binOf(least)
    if (first < last) part.shift = createHistogram(first, last)
  }
}

const createRoom = (): Room => ({
  least: Number.POSITIVE_INFINITY,
  shortest: Number.POSITIVE_INFINITY,
  longest: 0,
})

function widen(room: Room, durationNs: number, ifInstantNs: number): void {
  if (durationNs < room.shortest) room.shortest = durationNs
  if (durationNs > room.longest) room.longest = durationNs
  if (ifInstantNs < room.least) room.least = ifInstantNs
}

function addSample(rollup: Rollup, table: SampleTable, row: number, partOf: PartOf, capped: boolean): void {
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

  const [from, to] = rowBounds(table.componentEnds, row)
  const [callsFrom, callsTo] = rowBounds(table.callEnds, row)
  const other = capped ? componentIn(rollup, OTHER_COMPONENT) : undefined
  let otherNs = 0
  let otherCalls = 0
  for (let i = from; i < to; i++) {
    const part = partOf(table.component[i]!)
    const calls = callsTo > callsFrom ? table.calls[callsFrom + i - from]! : 0
    // Those beyond the kept are added up a sample.
    if (part === other) {
      otherNs += table.criticalNs[i]!
      otherCalls += calls
    } else addToComponent(part, durationNs, table.criticalNs[i]!, table.ifInstantNs[i]!, calls, weight, bin)
  }
  if (otherNs > 0) {
    addToComponent(other!, durationNs, otherNs, durationNs - otherNs, otherCalls, weight, bin)
  }
  addNodes(rollup.stacks, table.nodes, ...rowBounds(table.nodeEnds, row), weight)
}

function rowBounds(ends: ArrayLike<number>, row: number): [from: number, to: number] {
  return [row === 0 ? 0 : ends[row - 1]!, ends[row]!]
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

/** Keys of the components with the most critical time; undefined: all. */
function componentsToKeep(pieces: readonly SampleRows[]): Set<string> | undefined {
  const most = pieces.reduce((sum, { table }) => sum + table.components.length, 0)
  if (most <= COMPONENTS_KEPT) return undefined
  const totals = new Map<string, number>()
  for (const { table, rows } of pieces) {
    const totalNs = new Float64Array(table.components.length)
    for (const row of rows) {
      const [from, to] = rowBounds(table.componentEnds, row)
      for (let i = from; i < to; i++) {
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
  const start = (BigInt(table.start[2 * row + 1]!) << 32n) | BigInt(table.start[2 * row]!)
  let at = Number(start - BigInt(bucketSeconds) * 1_000_000_000n)
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
function addExemplars(rollup: Rollup, pieces: readonly SampleRows[], partsOf: readonly PartOf[]): void {
  const mine = createPicker(histogramQuantile(rollup.observed, rollup.weight, 0.5), EXEMPLARS)
  const places = new Map<ComponentRollup, number>()
  const usual: number[] = []
  for (const part of rollup.components.values()) {
    places.set(part, usual.length)
    usual.push(meanSavingNs(part))
  }
  const worst: (Candidate | undefined)[] = []
  const typical: (Candidate | undefined)[] = []
  pieces.forEach(({ table, rows }, p) => {
    const partOf = partsOf[p]!
    for (const row of rows) {
      const durationNs = table.durationNs[row]!
      mine.offer(table, row, durationNs)
      const [from, to] = rowBounds(table.componentEnds, row)
      for (let i = from; i < to; i++) {
        const place = places.get(partOf(table.component[i]!))!
        const ns = durationNs - table.ifInstantNs[i]!
        offerOne(worst, place, table, row, ns, ns)
        offerOne(typical, place, table, row, ns, -Math.abs(ns - usual[place]!))
      }
    }
  })
  rollup.exemplars = mine.picked()
  for (const [part, place] of places) {
    part.exemplars = [exemplarOf(worst[place]!, true), exemplarOf(typical[place]!, false)]
  }
}

/** Keeps the first by rank, then by trace id. */
function offerOne(
  kept: (Candidate | undefined)[],
  place: number,
  table: SampleTable,
  row: number,
  ns: number,
  rank: number,
): void {
  const best = kept[place]
  if (best !== undefined && rank < best.rank) return
  const candidate = { table, row, ns, rank }
  if (best === undefined || rank > best.rank || compareIds(candidate, best) < 0) kept[place] = candidate
}

function exemplarOf({ table, row, ns }: Candidate, worst: boolean): Exemplar {
  return {
    worst,
    high: wordsAt(table.traceHigh, row),
    low: wordsAt(table.traceLow, row),
    ns,
    seconds: Number(wordsAt(table.start, row) / 1_000_000_000n),
  }
}

/** A sample that may become an exemplar; higher ranks go first. */
type Candidate = { table: SampleTable; row: number; ns: number; rank: number }

/** Keeps a few candidates, so that not every sample's id is made a number of. */
function createPicker(typicalNs: number, count: number) {
  const worst: Candidate[] = []
  const typical: Candidate[] = []
  const offerTo = (kept: Candidate[], table: SampleTable, row: number, ns: number, rank: number) => {
    if (kept.length === count && rank < kept[count - 1]!.rank) return
    kept.push({ table, row, ns, rank })
    kept.sort((a, b) => b.rank - a.rank || compareIds(a, b))
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
        [...worst.map((of) => exemplarOf(of, true)), ...typical.map((of) => exemplarOf(of, false))],
        typicalNs,
        count,
      ),
  }
}

function compareIds(a: Candidate, b: Candidate): number {
  for (const half of ['traceHigh', 'traceLow'] as const) {
    for (const word of [1, 0]) {
      const difference = a.table[half][2 * a.row + word]! - b.table[half][2 * b.row + word]!
      if (difference !== 0) return difference
    }
  }
  return 0
}

function wordsAt(words: Uint32Array, row: number): bigint {
  return (BigInt(words[2 * row + 1]!) << 32n) | BigInt(words[2 * row]!)
}
