import type { TraceTree } from '../trace/tree.ts'
import { createPathWalk, type PathWalk, walkCriticalPath } from './critical-path.ts'
import {
  addRow,
  boundRow,
  type Measurer,
  mostCritical,
  otherRow,
  REPLAYED_COMPONENTS,
  type Row,
  replayColumns,
  rowAt,
  type SampleSink,
} from './measured-rows.ts'

/** Up to so many components are all replayed: to find out first which will be needed takes longer. */
const COMPONENTS_AT_ONCE = 256
/** ... unless that takes more cells than this. */
export const TABLE_CELLS = 1 << 21

/** Of a root with many components: the first `places` of `present` are these, as met. */
export type Many = {
  places: number
  present: number[]
  /** Place of each component, where `stampOf` is the root's (never cleared); by span. */
  placeOf: Int32Array
  stampOf: Int32Array
  stamp: number
  placeOfSpan: Int32Array
  walk: PathWalk
}

export function createMany(): Many {
  return {
    places: 0,
    present: [],
    placeOf: new Int32Array(256),
    stampOf: new Int32Array(256),
    stamp: 0,
    placeOfSpan: new Int32Array(0),
    walk: createPathWalk(),
  }
}

/** Whether there are too many components to replay all of them; small roots have no more of them than spans. */
export function hasMany(measurer: Measurer, many: Many, from: number, to: number): boolean {
  const { components } = measurer.tree.spans.dictionary
  if (to - from <= COMPONENTS_AT_ONCE || components.length <= COMPONENTS_AT_ONCE) return false
  listPresent(measurer, many, from, to)
  return many.places > COMPONENTS_AT_ONCE
}

function listPresent({ tree }: Measurer, many: Many, from: number, to: number): void {
  const { order, component } = tree
  const { length } = tree.spans.dictionary.components
  if (many.stampOf.length < length) {
    many.placeOf = new Int32Array(2 * length)
    many.stampOf = new Int32Array(2 * length)
    many.stamp = 0
  }
  const stamp = ++many.stamp
  const { present, placeOf, stampOf } = many
  let places = 0
  for (let at = from; at < to; at++) {
    const c = component[order[at]!]!
    if (stampOf[c] === stamp) continue
    stampOf[c] = stamp
    placeOf[c] = places
    present[places++] = c
  }
  many.places = places
}

/** How many places to replay at a time: at least REPLAYED_COMPONENTS, all of them where few spans have many cells. */
function columnsAtOnce(tree: TraceTree, from: number, to: number, places: number): number {
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

/** Where that is too much: critical time first, by walking each path; then those with the most of it. */
export function measureMany(
  measurer: Measurer,
  many: Many,
  samples: readonly number[],
  entry: number,
  from: number,
  to: number,
  sink: SampleSink,
): void {
  listPresent(measurer, many, from, to)
  const { tree, table, readings } = measurer
  const { cells } = table.blocks
  const { places, present, placeOf, walk } = many
  const criticalNs = new Float64Array(places)
  const wanted = new Uint8Array(places)
  const kept = new Uint8Array(places)
  present.length = places
  const rows = samples.map((span) => {
    const met: number[] = []
    walkCriticalPath(tree, walk, readings?.likely, span)
    let endNs = tree.cutEnd[span]!
    for (let i = 0; i < walk.count; i++) {
      const place = placeOf[tree.component[walk.piece[i]!]!]!
      if (criticalNs[place] === 0) met.push(place)
      criticalNs[place]! += endNs - walk.startNs[i]!
      endNs = walk.startNs[i]!
    }
    const durationNs = tree.cutEnd[span]! - tree.cutStart[span]!
    const most = mostCritical(measurer, met, criticalNs, present)
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
    if (otherNs > 0) mine.push(otherRow(measurer, otherNs, durationNs))
    return mine
  })

  // Only wanted components are replayed: they come first in the new order.
  const first = present.filter((_, place) => wanted[place] === 1)
  const others = present.filter((_, place) => wanted[place] === 0)
  first.concat(others).forEach((component, place) => {
    present[place] = component
    placeOf[component] = place
  })
  if (many.placeOfSpan.length < tree.capacity) many.placeOfSpan = new Int32Array(tree.capacity)
  const { placeOfSpan } = many
  for (let at = from; at < to; at++) {
    const span = tree.order[at]!
    placeOfSpan[span] = placeOf[tree.component[span]!]!
  }
  const atOnce = columnsAtOnce(tree, from, to, first.length)
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
    replayColumns(measurer, from, to, placeOfSpan, place, last, Number.POSITIVE_INFINITY)
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
        if (at >= 0) mine[at] = rowAt(measurer, span, cell, present[place + column]!)
      }
      for (const column of replayed) rowOf[column] = -1
    }
  })
  samples.forEach((span, s) => {
    sink.addSample(sink, span)
    for (const row of rows[s]!) addRow(measurer, row)
  })
}
