import { rankOf } from '../analysis/quantile.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { type CallIndex, QUERY } from './calls.ts'
import {
  addRoom,
  createQueryGroup,
  forgetOld,
  GROUPS_KEPT,
  isLarge,
  type QueryGroup,
} from './observations.ts'
import { lengthAt, originOf, startAt } from './row-times.ts'

/**
 * Queries of one kind, of this and earlier batches. Of small batches all are kept: what is rare in one may show over
 * many. Of others only those that have such a tail, which is known before the first trace is looked at.
 */
export type QueryHistory = {
  /** `rows`: by trace. */
  begin(spans: SpanColumns, rows: TraceGroups, index: CallIndex): void
  /** Adds the queries of a trace. */
  observe(trace: number): void
  /** With queries of the batch at hand. */
  groups(): readonly QueryGroup[]
  end(): void
}

/** A p99 of at least so long, and so many times the p50. */
export type Tail = { p99Ns: number; times: number }

/** Two a power of two of lengths: few calls have to be looked at closely then. */
const BINS = 2 * 31
/** ns; lengths of 2^31 of these and more are in the last bin. */
const UNIT_NS = 2 ** 13

export function createQueryHistory(tail: Tail): QueryHistory {
  const groupOf = new Map<string, QueryGroup>()
  let spans!: SpanColumns
  let rows!: TraceGroups
  let originHigh: number | undefined
  let index!: CallIndex
  /** By row: number of its call plus 1, 0: it is no query that is looked at. */
  let callOfRow = new Uint32Array(0)
  /** By call: queries, and how many of them by their length, BINS a call. */
  let count = new Uint32Array(256)
  let bins = new Uint32Array(256 * BINS)
  /** Of the batch at hand; by call plus 1: place in `groups`, plus 1. Calls that read the same are one group. */
  let groups: QueryGroup[] = []
  let placeOf = new Uint32Array(0)
  /** By group: where its next query goes. */
  let next: number[] = []

  return {
    begin(of, byTrace, calls) {
      spans = of
      rows = byTrace
      originHigh ??= originOf(of)
      index = calls
      groups = []
      const shapes = isLarge(spans) ? longShapes() : queryShapes(() => true)
      if (shapes === undefined) return
      countQueries(shapes)
      makeGroups()
    },
    observe(trace) {
      if (groups.length === 0) return
      const end = rows.first[trace + 1]!
      for (let i = rows.first[trace]!; i < end; i++) {
        const row = rows.rows[i]!
        const place = placeOf[callOfRow[row]!]! - 1
        if (place < 0) continue
        const group = groups[place]!
        const at = next[place]!++
        group.startNs[at] = startAt(spans, row, originHigh!)
        group.lengthNs[at] = lengthAt(spans, row)
        group.trace[at] = trace
        group.row[at] = row
      }
    },
    groups: () => groups,
    end() {
      if (groupOf.size > GROUPS_KEPT) groupOf.clear()
      for (const group of groupOf.values()) forgetOld(group)
    },
  }

  /** Per shape: 1 where it is a query's, and wanted. */
  function queryShapes(wanted: (shape: number) => boolean): Uint8Array {
    const { dictionary } = spans
    const roles = index.roles()
    const shapes = new Uint8Array(dictionary.shapeCount)
    for (let shape = 0; shape < shapes.length; shape++) {
      if (roles[dictionary.shapeComponent[shape]!] === QUERY && wanted(shape)) shapes[shape] = 1
    }
    return shapes
  }

  /** Shapes with a query that took so long, and those of the same name: another instance's may be the same call. */
  function longShapes(): Uint8Array | undefined {
    const { dictionary, shape, count: rowCount } = spans
    const shapes = queryShapes(() => true)
    const names = new Set<string>()
    for (let row = 0; row < rowCount; row++) {
      const s = shape[row]!
      // 1: none was long so far.
      if (shapes[s] !== 1 || lengthAt(spans, row) < tail.p99Ns) continue
      shapes[s] = 2
      names.add(dictionary.fields(s).name)
    }
    return names.size === 0 ? undefined : queryShapes((s) => names.has(dictionary.fields(s).name))
  }

  function countQueries(shapes: Uint8Array): void {
    const { shape, detail, count: rowCount } = spans
    if (callOfRow.length < rowCount) callOfRow = new Uint32Array(rowCount)
    count.fill(0)
    bins.fill(0)
    /** By shape: the detail of its last query, plus 1, and that one's call; mostly the next has the same. */
    const lastDetail = new Uint32Array(shapes.length)
    const lastCall = new Uint32Array(shapes.length)
    for (let row = 0; row < rowCount; row++) {
      const s = shape[row]!
      if (shapes[s] === 0) {
        callOfRow[row] = 0
        continue
      }
      const d = detail[row]!
      if (lastDetail[s] !== d + 1) {
        lastDetail[s] = d + 1
        lastCall[s] = index.queryOf(s, d)
      }
      const call = lastCall[s]!
      callOfRow[row] = 1 + call
      if (call >= count.length) {
        count = wider(count, 2 * index.calls.length)
        bins = wider(bins, BINS * count.length)
      }
      count[call]!++
      bins[BINS * call + binOf(lengthAt(spans, row))]!++
    }
  }

  /** Groups with room for the queries of the calls that are wanted. */
  function makeGroups(): void {
    const takesAll = !isLarge(spans)
    placeOf = new Uint32Array(1 + count.length)
    const placeOfGroup = new Map<QueryGroup, number>()
    for (let call = 0; call < count.length; call++) {
      if (count[call] === 0 || !(takesAll || mayHave(tail, count[call]!, bins, BINS * call))) continue
      const group = groupFor(call)
      let place = placeOfGroup.get(group)
      if (place === undefined) {
        place = groups.push(group)
        placeOfGroup.set(group, place)
      }
      placeOf[1 + call] = place
      addRoom(group, count[call]!)
    }
    next = groups.map(({ fresh }) => fresh)
  }

  function groupFor(number: number): QueryGroup {
    const call = index.calls[number]!
    const key = JSON.stringify(call)
    let group = groupOf.get(key)
    if (group === undefined) {
      group = createQueryGroup(call)
      groupOf.set(key, group)
    }
    return group
  }
}

function binOf(lengthNs: number): number {
  const units = Math.min(2 ** 31 - 1, Math.floor(lengthNs / UNIT_NS))
  if (units < 2) return units
  const power = 31 - Math.clz32(units)
  // The bit after the leading one.
  return 2 * power + ((units >> (power - 1)) & 1)
}

/** Where a bin begins. */
function leastIn(bin: number): number {
  return UNIT_NS * (bin < 2 ? bin : 2 ** ((bin >> 1) - 1) * (2 + (bin & 1)))
}

/** Whether `bins`, from `first` on, each as long as it may be, leave room for that tail. */
function mayHave({ p99Ns, times }: Tail, count: number, bins: Uint32Array, first: number): boolean {
  const last = binAt(bins, first, rankOf(count, 0.99))
  const mostNs = last === BINS - 1 ? Number.POSITIVE_INFINITY : leastIn(last + 1)
  return mostNs > p99Ns && mostNs > times * leastIn(binAt(bins, first, rankOf(count, 0.5)))
}

function binAt(bins: Uint32Array, first: number, rank: number): number {
  let left = rank
  let bin = 0
  for (; (left -= bins[first + bin]!) > 0; bin++);
  return bin
}

function wider(from: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(length)
  to.set(from)
  return to
}
