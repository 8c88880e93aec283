import { compareComponents, OTHER_COMPONENT } from '../trace/component.ts'
import type { TraceTree } from '../trace/tree.ts'
import type { Readings } from './dependencies.ts'
import { createReplayTable, type ReplayTable, replayAll } from './replay.ts'
import type { Cells } from './replay-cells.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** This many components of a sample are replayed: those with the most critical time. */
export const REPLAYED_COMPONENTS = 64

/** Told of each sample in turn, before its components are appended. */
export type SampleSink = { addSample(sink: SampleSink, span: number): void }

/** What measuring roots takes. Functions of it are no closures: those would be compiled anew for each batch. */
export type Measurer = {
  tree: TraceTree
  result: ResultBuilder
  readings: Readings | undefined
  table: ReplayTable
  /** Those of the two ends of what the evidence allows. */
  ends: readonly ReplayTable[]
  /** Per span: 1: a sample of the root at hand. */
  keep: Uint8Array
  /** These samples. */
  samples: readonly number[]
}

export function newMeasurer(
  tree: TraceTree,
  result: ResultBuilder,
  readings: Readings | undefined,
  table: ReplayTable,
): Measurer {
  table.blocks.waits.dependencies = readings?.likely
  const ends = [readings?.most, readings?.least].filter((reading) => reading !== undefined)
  return {
    tree,
    result,
    readings,
    table,
    ends: ends.map((reading) => createReplayTable(reading)),
    keep: new Uint8Array(0),
    samples: [],
  }
}

/** A component of a sample, before it is appended. */
export type Row = {
  component: number
  criticalNs: number
  ifInstantNs: number
  earliestNs: number
  latestNs: number
  bound: boolean
}

/**
 * Replays the components of places [first, last), as columns from 0 on; `placeOf`: by span. False: given up, there
 * would be more than `mostCells` at a time.
 */
export function replayColumns(
  measurer: Measurer,
  from: number,
  to: number,
  placeOf: Int32Array,
  first: number,
  last: number,
  mostCells: number,
): boolean {
  const { tree, table, ends, readings } = measurer
  setPlaces(measurer, table, placeOf, first, last)
  if (readings === undefined || !readings.differ || readings.differIn[tree.order[from]!] === 0) {
    return replayAll(tree, table, undefined, from, to, mostCells)
  }
  for (const end of ends) setPlaces(measurer, end, placeOf, first, last)
  return replayAll(tree, table, { tables: ends, differIn: readings.differIn }, from, to, mostCells)
}

function setPlaces(
  { keep, samples }: Measurer,
  { blocks }: ReplayTable,
  placeOf: Int32Array,
  first: number,
  last: number,
): void {
  blocks.placeOf = placeOf
  blocks.firstPlace = first
  blocks.places = last - first
  blocks.keep = keep
  blocks.samples = samples
}

/** What replaying left in a cell of a span. */
export function rowAt(
  { tree, table, ends, readings }: Measurer,
  span: number,
  cell: number,
  component: number,
): Row {
  const { cells } = table.blocks
  const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
  const ifInstantNs = durationNs - cells.saved[cell]!
  const row = {
    component,
    criticalNs: cells.critical[cell]!,
    ifInstantNs,
    earliestNs: ifInstantNs,
    latestNs: ifInstantNs,
    bound: false,
  }
  if (readings !== undefined && hasRange(readings, span)) {
    for (const end of ends) {
      const otherNs =
        durationNs - savedBy(end.blocks.cells, span, cells.column[cell]!, cell - cells.first[span]!)
      row.earliestNs = Math.min(row.earliestNs, otherNs)
      row.latestNs = Math.max(row.latestNs, otherNs)
    }
  }
  return row
}

/** Whether the evidence leaves anything open in a span or below it. */
export function hasRange({ differ, differIn }: Readings, span: number): boolean {
  return differ && differIn[span] === 1
}

/**
 * What a reading of the dependencies saves of a span; nothing, where the component is off the path. Cells of readings are
 * mostly in the same order: the one at place `i` is looked at first.
 */
export function savedBy({ first, last, column, saved }: Cells, span: number, k: number, i: number): number {
  const from = first[span]!
  const to = last[span]!
  if (from + i < to && column[from + i] === k) return saved[from + i]!
  for (let cell = from; cell < to; cell++) if (column[cell] === k) return saved[cell]!
  return 0
}

/** Not replayed: critical time is the most that could be saved. */
export function boundRow(component: number, criticalNs: number, durationNs: number): Row {
  const ifInstantNs = durationNs - criticalNs
  return { component, criticalNs, ifInstantNs, earliestNs: ifInstantNs, latestNs: durationNs, bound: true }
}

/** Of components that are not replayed and no entry's. */
export function otherRow({ tree }: Measurer, criticalNs: number, durationNs: number): Row {
  return boundRow(tree.spans.dictionary.component(OTHER_COMPONENT), criticalNs, durationNs)
}

export function addRow({ result }: Measurer, row: Row): void {
  const { components } = result
  makeRoom(result, components, components.count + 1, components.component.length)
  const at = components.count++
  components.component[at] = row.component
  components.criticalNs[at] = row.criticalNs
  components.ifInstantNs[at] = row.ifInstantNs
  components.bound[at] = row.bound ? 1 : 0
  if (components.earliestNs.length === 0) return
  components.earliestNs[at] = row.earliestNs
  components.latestNs[at] = row.latestNs
}

/** Those with the most critical time (ties: kind, then name), at most REPLAYED_COMPONENTS. */
export function mostCritical(
  { tree }: Measurer,
  met: readonly number[],
  criticalNs: Float64Array,
  componentOf: ArrayLike<number>,
): number[] {
  const { components } = tree.spans.dictionary
  const isBefore = (a: number, b: number) =>
    criticalNs[a] !== criticalNs[b]
      ? criticalNs[a]! > criticalNs[b]!
      : compareComponents(components[componentOf[a]!]!, components[componentOf[b]!]!) < 0
  const kept: number[] = []
  for (const place of met) {
    if (kept.length === REPLAYED_COMPONENTS && !isBefore(place, kept.at(-1)!)) continue
    let at = kept.length
    while (at > 0 && isBefore(place, kept[at - 1]!)) at--
    kept.splice(at, 0, place)
    if (kept.length > REPLAYED_COMPONENTS) kept.pop()
  }
  return kept
}
