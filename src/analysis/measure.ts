import type { Component } from '../trace/component.ts'
import type { TraceTree } from '../trace/tree.ts'
import { growColumns } from './block-table.ts'
import type { PathWalk } from './critical-path.ts'
import type { Dependencies, Readings } from './dependencies.ts'
import { createMany, hasMany, type Many, measureMany, TABLE_CELLS } from './measure-many.ts'
import {
  addRow,
  boundRow,
  hasRange,
  type Measurer,
  mostCritical,
  newMeasurer,
  otherRow,
  REPLAYED_COMPONENTS,
  replayColumns,
  rowAt,
  type SampleSink,
  savedBy,
} from './measured-rows.ts'
import type { ReplayTable } from './replay.ts'
import { createFactorTable, type FactorTable, growFactorTable, replayFactors } from './replay-factors.ts'
import { FEW_SPANS, fewWithout, listFew } from './replay-few.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** What measures roots, by every component or by factors. Functions of it are no closures (see measured-rows.ts). */
export type Measure = ComponentMeasure | FactorMeasure

/**
 * Measures samples of one settled root (the root, and SERVER spans below it): tells `sink` of each in turn and
 * appends its components with critical time. `order[from..to)` are the spans of the root. Of the sample that is
 * `entry` (-1: none) every component is kept, of others those beyond REPLAYED_COMPONENTS are added up.
 */
export function measureRoot(
  by: Measure,
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  sink: SampleSink,
): void {
  if (by.factorOf !== undefined) measureByFactors(by, samples, entry, from, to, sink)
  else measureComponents(by, samples, entry, from, to, sink)
}

/** How many times as long a component's own work takes; undefined: nothing is said about it. */
export type FactorOf = (component: Component) => number | undefined

type FactorMeasure = {
  tree: TraceTree
  result: ResultBuilder
  table: FactorTable
  factorOf: FactorOf
  inclusive: boolean
  /** By component; NaN: as it is. */
  factors: number[]
}

/**
 * Measures by what one re-schedule gives: every component's own work `factorOf(component)` times as long, undefined: as
 * it is, or with `inclusive` as what called it.
 */
export function createFactorMeasure(
  tree: TraceTree,
  result: ResultBuilder,
  dependencies: Dependencies | undefined,
  factorOf: FactorOf,
  inclusive: boolean,
): Measure {
  return { tree, result, table: createFactorTable(dependencies), factorOf, inclusive, factors: [] }
}

function measureByFactors(
  { tree, result, table, factorOf, inclusive, factors }: FactorMeasure,
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  sink: SampleSink,
): void {
  const { components } = result
  const { dictionary } = tree.spans
  growFactorTable(table, tree.capacity)
  const { factor } = table
  for (let at = from; at < to; at++) {
    const span = tree.order[at]!
    const component = tree.component[span]!
    const own = (factors[component] ??= factorOf(dictionary.components[component]!) ?? Number.NaN)
    if (!Number.isNaN(own)) factor[span] = own
    // What is settled again (entry -1) hangs below spans whose factors its entry's turn has left.
    else factor[span] = inclusive && (at > from || entry < 0) ? factor[tree.parent[span]!]! : 1
  }
  replayFactors(tree, table, from, to)
  for (const span of samples) {
    sink.addSample(sink, span)
    makeRoom(result, components, components.count + 1, components.component.length)
    // One row a sample: the latency re-scheduled, of no component in particular.
    components.ifInstantNs[components.count++] = Math.round(table.length[span]!)
  }
}

type ComponentMeasure = { factorOf: undefined; measurer: Measurer; many: Many; walk: PathWalk }

export function createMeasure(
  tree: TraceTree,
  result: ResultBuilder,
  readings: Readings | undefined,
  table: ReplayTable,
  walk: PathWalk,
): Measure {
  return {
    factorOf: undefined,
    measurer: newMeasurer(tree, result, readings, table),
    many: createMany(),
    walk,
  }
}

function measureComponents(
  { measurer, many, walk }: ComponentMeasure,
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  sink: SampleSink,
): void {
  if (samples.length > 1 || entry < 0) {
    measure(measurer, many, samples, entry, from, to, sink)
    return
  }
  // The walk of its path, which comes with the sample, may be all that is needed.
  sink.addSample(sink, entry)
  if (walk.sequential || (measurer.tree.count <= FEW_SPANS && measurer.readings === undefined)) {
    if (addPath(measurer, walk, entry, from, to)) return
  }
  measure(measurer, many, samples, entry, from, to, NO_SINK)
}

const NO_ENDS: readonly ReplayTable[] = []
const NO_SINK: SampleSink = { addSample() {} }

/**
 * Appends the components of a path on which nothing ran beside anything else: without one of them an entry, whose spans are
 * `order[from..to)`, is shorter by its time on the path. Or of any path in a trace of few spans. False: there are more than are replayed.
 */
function addPath(
  { tree, result, table }: Measurer,
  walk: PathWalk,
  entry: number,
  from: number,
  to: number,
): boolean {
  const { blocks } = table
  blocks.places = tree.spans.dictionary.components.length
  growColumns(blocks)
  const { met, critical } = blocks.sums
  const { component, cutStart, cutEnd } = tree
  const { count: pieces, piece, startNs } = walk
  let endNs = cutEnd[entry]!
  let count = 0
  for (let i = 0; i < pieces; i++) {
    const k = component[piece[i]!]!
    const beginNs = startNs[i]!
    const before = critical[k]!
    if (before === 0) met[count++] = k
    critical[k] = before + (endNs - beginNs)
    endNs = beginNs
  }
  const few = count <= REPLAYED_COMPONENTS
  const { components } = result
  makeRoom(result, components, components.count + count, components.component.length)
  const { component: place, criticalNs, ifInstantNs, earliestNs, latestNs } = components
  const range = earliestNs.length > 0
  const durationNs = cutEnd[entry]! - cutStart[entry]!
  const { sequential } = walk
  const branchingTo = sequential ? from : listFew(tree, from, to)
  let at = components.count
  for (let i = 0; i < count; i++) {
    const k = met[i]!
    const ns = critical[k]!
    critical[k] = 0
    place[at] = k
    criticalNs[at] = ns
    ifInstantNs[at] = sequential ? durationNs - ns : fewWithout(tree, from, branchingTo, k)
    if (range) earliestNs[at] = latestNs[at] = ifInstantNs[at]!
    at++
  }
  if (few) components.count = at
  return few
}

function measure(
  measurer: Measurer,
  many: Many,
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  sink: SampleSink,
): void {
  const { tree, readings, ends } = measurer
  if (measurer.keep.length < tree.capacity) measurer.keep = new Uint8Array(tree.capacity)
  const { keep } = measurer
  measurer.samples = samples
  for (const span of samples) keep[span] = 1
  // A column a component, as long as that is not too much.
  const { length } = tree.spans.dictionary.components
  if (
    hasMany(measurer, many, from, to) ||
    !replayColumns(measurer, from, to, tree.component, 0, length, TABLE_CELLS)
  ) {
    measureMany(measurer, many, samples, entry, from, to, sink)
  } else {
    const { cells } = measurer.table.blocks
    for (const span of samples) {
      sink.addSample(sink, span)
      const from = cells.first[span]!
      const to = cells.last[span]!
      if (to - from > REPLAYED_COMPONENTS) addMostCritical(measurer, span, span === entry)
      else addCells(measurer, span, readings !== undefined && hasRange(readings, span) ? ends : NO_ENDS)
    }
  }
  for (const span of samples) keep[span] = 0
}

/** Appends what replaying left of a span, where it may differ between `ends` of the evidence: the way of nearly all samples. */
function addCells({ tree, result, table }: Measurer, span: number, ends: readonly ReplayTable[]): void {
  const { components } = result
  const { first, last, column, critical, saved } = table.blocks.cells
  const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
  const range = components.earliestNs.length > 0
  const from = first[span]!
  const to = last[span]!
  makeRoom(result, components, components.count + to - from, components.component.length)
  const { component, criticalNs, ifInstantNs, earliestNs, latestNs } = components
  let at = components.count
  for (let cell = from; cell < to; cell++, at++) {
    const k = column[cell]!
    const ns = durationNs - saved[cell]!
    component[at] = k
    criticalNs[at] = critical[cell]!
    ifInstantNs[at] = ns
    if (!range) continue
    let earliest = ns
    let latest = ns
    for (let i = 0; i < ends.length; i++) {
      const otherNs = durationNs - savedBy(ends[i]!.blocks.cells, span, k, cell - from)
      if (otherNs < earliest) earliest = otherNs
      if (otherNs > latest) latest = otherNs
    }
    earliestNs[at] = earliest
    latestNs[at] = latest
  }
  components.count = at
}

/** Of more components than are replayed those with the most critical time; the others as bounds, or added up. */
function addMostCritical(measurer: Measurer, span: number, isEntry: boolean): void {
  const { tree, table } = measurer
  const { first, last, column, critical } = table.blocks.cells
  const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
  const its = Array.from({ length: last[span]! - first[span]! }, (_, i) => first[span]! + i)
  const kept = new Set(mostCritical(measurer, its, critical, column))
  let otherNs = 0
  for (const cell of its) {
    if (kept.has(cell)) addRow(measurer, rowAt(measurer, span, cell, column[cell]!))
    else if (isEntry) addRow(measurer, boundRow(column[cell]!, critical[cell]!, durationNs))
    else otherNs += critical[cell]!
  }
  if (otherNs > 0) addRow(measurer, otherRow(measurer, otherNs, durationNs))
}
