import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import type { TraceTree } from '../trace/tree.ts'
import { createPathWalk, walkCriticalPath } from './critical-path.ts'
import type { Dependencies, Readings } from './dependencies.ts'
import { createReplayTable, type ReplayTable, replayAll } from './replay.ts'
import type { Cells } from './replay-cells.ts'
import { createFactorTable, growFactorTable, replayFactors } from './replay-factors.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** This many components of a sample are replayed: those with the most critical time. */
export const REPLAYED_COMPONENTS = 64
/** Of more components than that, so many are replayed at a time that there are no more cells, if they can be that many. */
const TABLE_CELLS = 1 << 21

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
  const table = createFactorTable(dependencies)
  /** By component; NaN: as it is. */
  const factors: number[] = []
  return (samples, entry, from, to, addSample) => {
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
  const { cells } = table.blocks
  /** The two ends of what the evidence allows. */
  const ends = [readings?.most, readings?.least]
    .filter((reading) => reading !== undefined)
    .map((reading) => createReplayTable(reading))
  const walk = createPathWalk()
  /** Of a root with many: the first `places` are its components, as met; the place of each (stamped: never cleared), and by span. */
  const present: number[] = []
  let places = 0
  let placeOf = new Int32Array(256)
  let stampOf = new Int32Array(256)
  let stamp = 0
  let placeOfSpan = new Int32Array(0)
  let keep = new Uint8Array(0)

  return (samples, entry, from, to, addSample) => {
    if (keep.length < tree.capacity) keep = new Uint8Array(tree.capacity)
    for (const span of samples) keep[span] = 1
    if (hasMany(from, to)) measureMany(samples, entry, from, to, addSample)
    else {
      // A column a component.
      replayColumns(from, to, tree.component, 0, dictionary.components.length)
      for (const span of samples) {
        addSample(span)
        if (!readings?.differ) addCells(span)
        else {
          for (let cell = cells.first[span]!; cell < cells.last[span]!; cell++) {
            addRow(rowAt(span, cell, cells.column[cell]!))
          }
        }
      }
    }
    for (const span of samples) keep[span] = 0
  }

  /** Whether there are more components than are replayed; small roots have no more of them than spans. */
  function hasMany(from: number, to: number): boolean {
    if (Math.min(to - from, dictionary.components.length) <= REPLAYED_COMPONENTS) return false
    listPresent(from, to)
    return places > REPLAYED_COMPONENTS
  }

  function listPresent(from: number, to: number): void {
    const { order, component } = tree
    if (stampOf.length < dictionary.components.length) {
      placeOf = new Int32Array(2 * dictionary.components.length)
      stampOf = new Int32Array(2 * dictionary.components.length)
      stamp = 0
    }
    stamp++
    places = 0
    for (let at = from; at < to; at++) {
      const c = component[order[at]!]!
      if (stampOf[c] === stamp) continue
      stampOf[c] = stamp
      placeOf[c] = places
      present[places++] = c
    }
  }

  /** Replays the components of places [first, last), as columns from 0 on. `placeOf`: by span. */
  function replayColumns(from: number, to: number, placeOf: Int32Array, first: number, last: number): void {
    replayTable(table, from, to, placeOf, first, last)
    if (readings?.differ) for (const end of ends) replayTable(end, from, to, placeOf, first, last)
  }

  function replayTable(
    filled: ReplayTable,
    from: number,
    to: number,
    placeOf: Int32Array,
    first: number,
    last: number,
  ): void {
    filled.blocks.placeOf = placeOf
    filled.blocks.firstPlace = first
    filled.blocks.places = last - first
    filled.keep = keep
    replayAll(tree, filled, from, to)
  }

  /** How many places to replay at a time: at least REPLAYED_COMPONENTS, all of them where few spans have many cells. */
  function columnsAtOnce(from: number, to: number, places: number): number {
    const { order, parent } = tree
    // A span has no more cells than there are spans below it, and itself.
    const most = new Int32Array(tree.count).fill(1)
    for (let at = to - 1; at > from; at--) most[parent[order[at]!]!]! += most[order[at]!]!
    for (let columns = places; columns > REPLAYED_COMPONENTS; columns >>= 1) {
      let count = 0
      for (let at = from; at < to; at++) count += Math.min(columns, most[order[at]!]!)
      if (count <= TABLE_CELLS) return columns
    }
    return REPLAYED_COMPONENTS
  }

  /** Appends what replaying left of a span: the way of nearly all samples. */
  function addCells(span: number): void {
    const { first, last, column, critical, saved } = cells
    const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
    const range = components.earliestNs.length > 0
    const end = last[span]!
    makeRoom(components, components.component, end - first[span]!)
    let at = components.count
    for (let cell = first[span]!; cell < end; cell++, at++) {
      const ifInstantNs = durationNs - saved[cell]!
      components.component[at] = column[cell]!
      components.criticalNs[at] = critical[cell]!
      components.ifInstantNs[at] = ifInstantNs
      if (range) components.earliestNs[at] = components.latestNs[at] = ifInstantNs
    }
    components.count = at
  }

  /** What replaying left in a cell of a span. */
  function rowAt(span: number, cell: number, component: number): Row {
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
    if (readings?.differ) {
      for (const end of ends) {
        const otherNs = durationNs - savedBy(end.blocks.cells, span, cells.column[cell]!)
        row.earliestNs = Math.min(row.earliestNs, otherNs)
        row.latestNs = Math.max(row.latestNs, otherNs)
      }
    }
    return row
  }

  /** Not replayed: critical time is the most that could be saved. */
  function boundRow(component: number, criticalNs: number, durationNs: number): Row {
    const ifInstantNs = durationNs - criticalNs
    return { component, criticalNs, ifInstantNs, earliestNs: ifInstantNs, latestNs: durationNs, bound: true }
  }

  /** More components than are replayed: critical time first, by walking each path; then those with the most of it. */
  function measureMany(
    samples: readonly number[],
    entry: number,
    from: number,
    to: number,
    addSample: (span: number) => void,
  ): void {
    const criticalNs = new Float64Array(places)
    const wanted = new Uint8Array(places)
    present.length = places
    const rows = samples.map((span) => {
      const met: number[] = []
      walkCriticalPath(tree, walk, dependencies, span)
      let endNs = tree.cutEnd[span]!
      for (let i = 0; i < walk.count; i++) {
        const place = placeOf[tree.component[walk.piece[i]!]!]!
        if (criticalNs[place] === 0) met.push(place)
        criticalNs[place]! += endNs - walk.startNs[i]!
        endNs = walk.startNs[i]!
      }
      const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
      const kept = new Set(mostCritical(met, criticalNs))
      const mine: Row[] = []
      let otherNs = 0
      for (const place of met) {
        const critical = criticalNs[place]!
        criticalNs[place] = 0
        if (kept.has(place)) wanted[place] = 1
        if (span !== entry && !kept.has(place)) otherNs += critical
        else mine.push({ ...boundRow(present[place]!, critical, durationNs), bound: !kept.has(place) })
      }
      if (otherNs > 0) mine.push(boundRow(dictionary.component(OTHER_COMPONENT), otherNs, durationNs))
      return mine
    })

    // Only wanted components are replayed: they come first in the new order.
    const first = present.filter((_, place) => wanted[place] === 1)
    const others = present.filter((_, place) => wanted[place] === 0)
    present.splice(0, present.length, ...first, ...others)
    present.forEach((component, place) => {
      placeOf[component] = place
    })
    if (placeOfSpan.length < tree.capacity) placeOfSpan = new Int32Array(tree.capacity)
    for (let at = from; at < to; at++) {
      const span = tree.order[at]!
      placeOfSpan[span] = placeOf[tree.component[span]!]!
    }
    const atOnce = columnsAtOnce(from, to, first.length)
    /** By place: where the sample at hand has its row, -1: it has none that is replayed. */
    const rowOf = new Int32Array(first.length).fill(-1)
    for (let place = 0; place < first.length; place += atOnce) {
      replayColumns(from, to, placeOfSpan, place, Math.min(place + atOnce, first.length))
      samples.forEach((span, s) => {
        const mine = rows[s]!
        const replayed = mine.map(({ component, bound }) => (bound ? -1 : placeOf[component]!))
        replayed.forEach((its, at) => {
          if (its >= 0) rowOf[its] = at
        })
        for (let cell = cells.first[span]!; cell < cells.last[span]!; cell++) {
          const at = rowOf[place + cells.column[cell]!]!
          if (at >= 0) mine[at] = rowAt(span, cell, present[place + cells.column[cell]!]!)
        }
        for (const its of replayed) if (its >= 0) rowOf[its] = -1
      })
    }
    samples.forEach((span, s) => {
      addSample(span)
      for (const row of rows[s]!) addRow(row)
    })
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

/** What a reading of the dependencies saves of a span; nothing, where the component is off the path. */
function savedBy({ first, last, column, saved }: Cells, span: number, k: number): number {
  for (let cell = first[span]!; cell < last[span]!; cell++) if (column[cell] === k) return saved[cell]!
  return 0
}

/** By kind, then name. */
export function compareComponents(a: Component, b: Component): number {
  return a.kind !== b.kind ? (a.kind < b.kind ? -1 : 1) : a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
