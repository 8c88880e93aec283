import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import type { TraceTree } from '../trace/tree.ts'
import { createPathWalk, walkCriticalPath } from './critical-path.ts'
import type { Dependencies, Readings } from './dependencies.ts'
import {
  createReplayTable,
  type FactorTable,
  growFactorTable,
  growReplayTable,
  type ReplayTable,
  replayAll,
  replayFactors,
} from './replay.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** This many components of a sample are replayed: those with the most critical time. */
export const REPLAYED_COMPONENTS = 64
/** Cells of the replay table at the most (two of 8 bytes each); with more, columns are worked through in turns. */
const TABLE_CELLS = 1 << 21
/** ... but never fewer columns than this at a time. */
const LEAST_COLUMNS = 4

/**
 * Measures samples of one settled root (the root, and SERVER spans below it): calls `addSample` for each in turn and
 * appends its components with critical time. `order[from..to)` are the spans of the root. Of the sample that is
 * `entry` (-1: none) every component is kept, of others those beyond REPLAYED_COMPONENTS are added up.
 */
export type Measure = (
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  addSample: (span: number) => void,
) => void

/** How many times as long a component's own work takes; undefined: nothing is said about it. */
export type FactorOf = (component: Component) => number | undefined

/** A component of a sample, before it is appended. */
type Row = {
  component: number
  criticalNs: number
  ifInstantNs: number
  earliestNs: number
  latestNs: number
  bound: boolean
}

/**
 * Measures by what one re-schedule gives: every component's own work `factorOf(component)` times as long, undefined: as
 * it is, or with `inclusive` as what called it.
 */
export function createFactorMeasurer(
  tree: TraceTree,
  result: ResultBuilder,
  dependencies: Dependencies | undefined,
  factorOf: FactorOf,
  inclusive: boolean,
): Measure {
  const { components } = result
  const { dictionary } = tree.spans
  const empty = new Float64Array(0)
  const table: FactorTable = {
    factor: empty,
    length: empty,
    begin: empty,
    finish: empty,
    gap: empty,
    waits: new Int32Array(0),
    dependencies,
  }
  /** By component; NaN: as it is. */
  const factors: number[] = []
  return (samples, entry, from, to, addSample) => {
    growFactorTable(table, tree.count)
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
      addSample(span)
      makeRoom(components, components.component)
      // One row a sample: the latency re-scheduled, of no component in particular.
      components.ifInstantNs[components.count++] = Math.round(table.length[span]!)
    }
  }
}

export function createMeasurer(
  tree: TraceTree,
  result: ResultBuilder,
  readings: Readings | undefined,
): Measure {
  const { components } = result
  const { dictionary } = tree.spans
  const dependencies = readings?.likely
  const table = createReplayTable(dependencies)
  /** The two ends of what the evidence allows. */
  const ends = [readings?.most, readings?.least]
    .filter((reading) => reading !== undefined)
    .map((reading) => createReplayTable(reading))
  const walk = createPathWalk()
  /** Components of the root at hand, in the order met, and the place of each (stamped: never cleared). */
  const present: number[] = []
  let placeOf = new Int32Array(256)
  let stampOf = new Int32Array(256)
  let stamp = 0

  return (samples, entry, from, to, addSample) => {
    listPresent(from, to)
    if (present.length > REPLAYED_COMPONENTS) {
      measureMany(samples, entry, from, to, addSample)
    } else if (present.length * tree.count <= TABLE_CELLS) {
      replayColumns(from, to, 0, present.length)
      for (const span of samples) {
        addSample(span)
        const base = span * table.width
        const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
        for (let k = 0; k < present.length; k++) {
          const criticalNs = table.critical[base + k]!
          if (criticalNs > 0) addRow(rowAt(base + k, present[k]!, criticalNs, durationNs))
        }
      }
    } else {
      measureInTurns(samples, from, to, addSample)
    }
  }

  function listPresent(from: number, to: number): void {
    const { order, component } = tree
    if (stampOf.length < dictionary.components.length) {
      placeOf = new Int32Array(2 * dictionary.components.length)
      stampOf = new Int32Array(2 * dictionary.components.length)
      stamp = 0
    }
    stamp++
    present.length = 0
    for (let at = from; at < to; at++) {
      const c = component[order[at]!]!
      if (stampOf[c] === stamp) continue
      stampOf[c] = stamp
      placeOf[c] = present.length
      present.push(c)
    }
  }

  /** Replays columns [first, last) of `present`. */
  function replayColumns(from: number, to: number, first: number, last: number): void {
    replayTable(table, from, to, first, last)
    if (readings?.differ) for (const end of ends) replayTable(end, from, to, first, last)
  }

  function replayTable(filled: ReplayTable, from: number, to: number, first: number, last: number): void {
    growReplayTable(filled, tree.count, last - first)
    const { order, component } = tree
    const { column } = filled
    for (let at = from; at < to; at++) {
      const i = order[at]!
      const place = placeOf[component[i]!]!
      column[i] = place >= first && place < last ? place - first : -1
    }
    replayAll(tree, filled, from, to)
  }

  /** What replaying left in a cell of the tables. */
  function rowAt(cell: number, component: number, criticalNs: number, durationNs: number): Row {
    const ifInstantNs = durationNs - table.saved[cell]!
    const row = {
      component,
      criticalNs,
      ifInstantNs,
      earliestNs: ifInstantNs,
      latestNs: ifInstantNs,
      bound: false,
    }
    if (readings?.differ) {
      for (const { saved } of ends) {
        row.earliestNs = Math.min(row.earliestNs, durationNs - saved[cell]!)
        row.latestNs = Math.max(row.latestNs, durationNs - saved[cell]!)
      }
    }
    return row
  }

  /** Not replayed: critical time is the most that could be saved. */
  function boundRow(component: number, criticalNs: number, durationNs: number): Row {
    const ifInstantNs = durationNs - criticalNs
    return { component, criticalNs, ifInstantNs, earliestNs: ifInstantNs, latestNs: durationNs, bound: true }
  }

  function columnsAtOnce(): number {
    return Math.min(REPLAYED_COMPONENTS, Math.max(LEAST_COLUMNS, Math.floor(TABLE_CELLS / tree.count)))
  }

  /** Few components, but a trace so long that the table holds only some of them at a time. */
  function measureInTurns(
    samples: readonly number[],
    from: number,
    to: number,
    addSample: (span: number) => void,
  ): void {
    const rows: Row[][] = samples.map(() => [])
    const atOnce = columnsAtOnce()
    for (let first = 0; first < present.length; first += atOnce) {
      const last = Math.min(first + atOnce, present.length)
      replayColumns(from, to, first, last)
      samples.forEach((span, s) => {
        const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
        for (let k = first; k < last; k++) {
          const cell = span * table.width + k - first
          const criticalNs = table.critical[cell]!
          if (criticalNs === 0) continue
          rows[s]!.push(rowAt(cell, present[k]!, criticalNs, durationNs))
        }
      })
    }
    append(samples, rows, addSample)
  }

  /** More components than are replayed: critical time first, by walking each path; then those with the most of it. */
  function measureMany(
    samples: readonly number[],
    entry: number,
    from: number,
    to: number,
    addSample: (span: number) => void,
  ): void {
    const criticalNs = new Float64Array(present.length)
    const wanted: { row: Row; span: number }[][] = present.map(() => [])
    const rows = samples.map((span) => {
      const met: number[] = []
      walkCriticalPath(tree, walk, dependencies, span, (on, startNs, endNs) => {
        const place = placeOf[tree.component[on]!]!
        if (criticalNs[place] === 0) met.push(place)
        criticalNs[place]! += endNs - startNs
      })
      const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
      const kept = mostCritical(met, criticalNs)
      const mine: Row[] = []
      let otherNs = 0
      for (const place of met) {
        const critical = criticalNs[place]!
        criticalNs[place] = 0
        const replayed = kept.includes(place)
        if (span === entry || replayed) {
          const row = boundRow(present[place]!, critical, durationNs)
          mine.push(row)
          if (replayed) wanted[place]!.push({ row, span })
        } else otherNs += critical
      }
      if (otherNs > 0) {
        const component = dictionary.component(OTHER_COMPONENT)
        mine.push(boundRow(component, otherNs, durationNs))
      }
      return mine
    })

    const columns = present.filter((_, place) => wanted[place]!.length > 0)
    const wantedOf = columns.map((component) => wanted[placeOf[component]!]!)
    // Only wanted components get a column: those before `columns.length` in the new order.
    const others = present.filter((component) => wanted[placeOf[component]!]!.length === 0)
    ;[...columns, ...others].forEach((component, place) => {
      placeOf[component] = place
    })
    const atOnce = columnsAtOnce()
    for (let first = 0; first < columns.length; first += atOnce) {
      const last = Math.min(first + atOnce, columns.length)
      replayColumns(from, to, first, last)
      for (let k = first; k < last; k++) {
        for (const { row, span } of wantedOf[k]!) {
          const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
          Object.assign(row, rowAt(span * table.width + k - first, row.component, row.criticalNs, durationNs))
        }
      }
    }
    append(samples, rows, addSample)
  }

  /** The places with the most critical time (ties: kind, then name), at most REPLAYED_COMPONENTS. */
  function mostCritical(met: readonly number[], criticalNs: Float64Array): number[] {
    const isBefore = (a: number, b: number) =>
      criticalNs[a] !== criticalNs[b]
        ? criticalNs[a]! > criticalNs[b]!
        : compareComponents(dictionary.components[present[a]!]!, dictionary.components[present[b]!]!) < 0
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

  function append(samples: readonly number[], rows: Row[][], addSample: (span: number) => void): void {
    samples.forEach((span, s) => {
      addSample(span)
      for (const row of rows[s]!) addRow(row)
    })
  }

  function addRow({ component, criticalNs, ifInstantNs, earliestNs, latestNs, bound }: Row): void {
    makeRoom(components, components.component)
    const at = components.count++
    components.component[at] = component
    components.criticalNs[at] = criticalNs
    components.ifInstantNs[at] = ifInstantNs
    components.bound[at] = bound ? 1 : 0
    if (components.earliestNs.length === 0) return
    components.earliestNs[at] = earliestNs
    components.latestNs[at] = latestNs
  }
}

/** By kind, then name. */
export function compareComponents(a: Component, b: Component): number {
  return a.kind !== b.kind ? (a.kind < b.kind ? -1 : 1) : a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
