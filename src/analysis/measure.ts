import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import type { TraceTree } from '../trace/tree.ts'
import { createPathWalk, walkCriticalPath } from './critical-path.ts'
import type { Dependencies, Readings } from './dependencies.ts'
import { createReplayTable, replayAll } from './replay.ts'
import type { Cells } from './replay-cells.ts'
import { createFactorTable, growFactorTable, replayFactors } from './replay-factors.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'

/** This many components of a sample are replayed: those with the most critical time. */
export const REPLAYED_COMPONENTS = 64
/** Up to so many components are all replayed: to find out first which will be needed takes longer. */
const COMPONENTS_AT_ONCE = 256
/** ... unless that takes more cells than this. */
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
      makeRoom(result, components, components.component)
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
  const alone = [table]
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
    // A column a component, as long as that is not too much.
    const { length } = dictionary.components
    if (hasMany(from, to) || !replayColumns(from, to, tree.component, 0, length, TABLE_CELLS)) {
      measureMany(samples, entry, from, to, addSample)
    } else {
      for (const span of samples) {
        addSample(span)
        const from = cells.first[span]!
        const to = cells.last[span]!
        if (to - from > REPLAYED_COMPONENTS) addMostCritical(span, span === entry)
        else if (!readings?.differ) addCells(span)
        else for (let cell = from; cell < to; cell++) addRow(rowAt(span, cell, cells.column[cell]!))
      }
    }
    for (const span of samples) keep[span] = 0
  }

  /** Whether there are too many components to replay all of them; small roots have no more of them than spans. */
  function hasMany(from: number, to: number): boolean {
    if (Math.min(to - from, dictionary.components.length) <= COMPONENTS_AT_ONCE) return false
    listPresent(from, to)
    return places > COMPONENTS_AT_ONCE
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

  /**
   * Replays the components of places [first, last), as columns from 0 on; `placeOf`: by span. False: given up, there
   * would be more than `mostCells` at a time.
   */
  function replayColumns(
    from: number,
    to: number,
    placeOf: Int32Array,
    first: number,
    last: number,
    mostCells: number,
  ): boolean {
    for (const filled of readings?.differ ? [table, ...ends] : alone) {
      filled.blocks.placeOf = placeOf
      filled.blocks.firstPlace = first
      filled.blocks.places = last - first
      filled.blocks.keep = keep
      if (!replayAll(tree, filled, from, to, mostCells)) return false
    }
    return true
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
    makeRoom(result, components, components.component, end - first[span]!)
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

  /** Of more components than are replayed those with the most critical time; the others as bounds, or added up. */
  function addMostCritical(span: number, isEntry: boolean): void {
    const { first, last, column, critical } = cells
    const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
    const its = Array.from({ length: last[span]! - first[span]! }, (_, i) => first[span]! + i)
    const kept = new Set(mostCritical(its, critical, column))
    let otherNs = 0
    for (const cell of its) {
      if (kept.has(cell)) addRow(rowAt(span, cell, column[cell]!))
      else if (isEntry) addRow(boundRow(column[cell]!, critical[cell]!, durationNs))
      else otherNs += critical[cell]!
    }
    if (otherNs > 0) addRow(boundRow(dictionary.component(OTHER_COMPONENT), otherNs, durationNs))
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

  /** Where that is too much: critical time first, by walking each path; then those with the most of it. */
  function measureMany(
    samples: readonly number[],
    entry: number,
    from: number,
    to: number,
    addSample: (span: number) => void,
  ): void {
    listPresent(from, to)
    const criticalNs = new Float64Array(places)
    const wanted = new Uint8Array(places)
    const kept = new Uint8Array(places)
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
      const most = mostCritical(met, criticalNs, present)
      for (const place of most) kept[place] = wanted[place] = 1
      const mine: Row[] = []
      let otherNs = 0
      for (const place of met) {
        const critical = criticalNs[place]!
        criticalNs[place] = 0
        if (span !== entry && kept[place] === 0) otherNs += critical
        else mine.push({ ...boundRow(present[place]!, critical, durationNs), bound: kept[place] === 0 })
      }
      for (const place of most) kept[place] = 0
      if (otherNs > 0) mine.push(boundRow(dictionary.component(OTHER_COMPONENT), otherNs, durationNs))
      return mine
    })

    // Only wanted components are replayed: they come first in the new order.
    const first = present.filter((_, place) => wanted[place] === 1)
    const others = present.filter((_, place) => wanted[place] === 0)
    first.concat(others).forEach((component, place) => {
      present[place] = component
      placeOf[component] = place
    })
    if (placeOfSpan.length < tree.capacity) placeOfSpan = new Int32Array(tree.capacity)
    for (let at = from; at < to; at++) {
      const span = tree.order[at]!
      placeOfSpan[span] = placeOf[tree.component[span]!]!
    }
    const atOnce = columnsAtOnce(from, to, first.length)
    /** By turn: the rows that it replays, each as its sample and its place among the rows of that. */
    const turns = Array.from({ length: Math.ceil(first.length / atOnce) }, (): number[] => [])
    rows.forEach((mine, s) => {
      mine.forEach(({ component, bound }, at) => {
        if (!bound) turns[Math.floor(placeOf[component]! / atOnce)]!.push(s, at)
      })
    })
    /** By column: where the sample at hand has its row, -1: it has none that is replayed. */
    const rowOf = new Int32Array(atOnce).fill(-1)
    turns.forEach((turn, t) => {
      const place = t * atOnce
      const last = Math.min(place + atOnce, first.length)
      replayColumns(from, to, placeOfSpan, place, last, Number.POSITIVE_INFINITY)
      for (let i = 0, next = 0; i < turn.length; i = next) {
        const s = turn[i]!
        const mine = rows[s]!
        const span = samples[s]!
        const replayed: number[] = []
        for (; turn[next] === s; next += 2) {
          const column = placeOf[mine[turn[next + 1]!]!.component]! - place
          rowOf[column] = turn[next + 1]!
          replayed.push(column)
        }
        for (let cell = cells.first[span]!; cell < cells.last[span]!; cell++) {
          const column = cells.column[cell]!
          const at = rowOf[column]!
          if (at >= 0) mine[at] = rowAt(span, cell, present[place + column]!)
        }
        for (const column of replayed) rowOf[column] = -1
      }
    })
    samples.forEach((span, s) => {
      addSample(span)
      for (const row of rows[s]!) addRow(row)
    })
  }

  /** Those with the most critical time (ties: kind, then name), at most REPLAYED_COMPONENTS. */
  function mostCritical(
    met: readonly number[],
    criticalNs: Float64Array,
    componentOf: ArrayLike<number>,
  ): number[] {
    const { components } = dictionary
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

  function addRow({ component, criticalNs, ifInstantNs, earliestNs, latestNs, bound }: Row): void {
    makeRoom(result, components, components.component)
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
