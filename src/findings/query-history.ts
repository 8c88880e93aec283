import { rankOf } from '../analysis/quantile.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { type CallIndex, QUERY } from './calls.ts'
import { addRoom, createQueryGroup, forgetOld, isLarge, type QueryGroup } from './observations.ts'
import { lengthAt, originOf, startAt } from './row-times.ts'

/**
 * Queries of one kind, of this and earlier batches. Of small batches all are kept: what is rare in one may show over
 * many. Of others only those are read off the columns that have such a tail.
 */
export type QueryHistory = {
  begin(spans: SpanColumns, index: CallIndex): void
  /** `rows`: by trace. */
  groups(rows: TraceGroups, tail: Tail): readonly QueryGroup[]
  end(rows: TraceGroups): void
}

/** A p99 of at least so long, and so many times the p50. */
export type Tail = { p99Ns: number; times: number }

/** By call: queries, and how many of them by their length, BINS a call. */
type Figures = { count: Uint32Array; bins: Uint32Array }
/** Two a power of two of lengths: few calls have to be looked at closely then. */
const BINS = 2 * 31
/** ns; lengths of 2^31 of these and more are in the last bin. */
const UNIT_NS = 2 ** 13

export function createQueryHistory(): QueryHistory {
  const groupOf = new Map<string, QueryGroup>()
  let spans!: SpanColumns
  let originHigh: number | undefined
  let index!: CallIndex
  let taken = false
  /** By row: number of its call plus 1, 0: it is no query that is looked at. */
  let callOfRow = new Uint32Array(0)

  return {
    begin(of, calls) {
      spans = of
      originHigh ??= originOf(of)
      index = calls
      taken = false
    },
    groups(rows, tail) {
      if (!taken && isLarge(spans)) takeTails(rows, tail)
      if (!taken && !isLarge(spans)) takeAll(rows)
      taken = true
      return [...groupOf.values()].filter((group) => group.fresh < group.startNs.length)
    },
    end(rows) {
      if (!taken && !isLarge(spans)) takeAll(rows)
      for (const group of groupOf.values()) forgetOld(group)
    },
  }

  function takeAll(rows: TraceGroups): void {
    const shapes = queryShapes(() => true)
    take(rows, figuresOf(shapes), () => true)
  }

  function takeTails(rows: TraceGroups, tail: Tail): void {
    const shapes = longShapes(tail.p99Ns)
    if (shapes === undefined) return
    const figures = figuresOf(shapes)
    take(rows, figures, (call) => mayHave(tail, figures, call))
  }

  /** Per shape: 1 where it is a query's, and wanted. */
  function queryShapes(wanted: (shape: number) => boolean): Uint8Array {
    const { dictionary } = spans
    const shapes = new Uint8Array(dictionary.shapeCount)
    for (let shape = 0; shape < shapes.length; shape++) {
      const isQuery = index.roleOf(dictionary.shapeComponent[shape]!) === QUERY
      if (isQuery && wanted(shape)) shapes[shape] = 1
    }
    return shapes
  }

  /** Shapes with a query that took so long, and those of the same name: another instance's may be the same call. */
  function longShapes(longestNs: number): Uint8Array | undefined {
    const { dictionary, shape, count } = spans
    const shapes = queryShapes(() => true)
    const names = new Set<string>()
    for (let row = 0; row < count; row++) {
      const s = shape[row]!
      // 1: none was long so far.
      if (shapes[s] !== 1 || lengthAt(spans, row) < longestNs) continue
      shapes[s] = 2
      names.add(dictionary.fields(s).name)
    }
    return names.size === 0 ? undefined : queryShapes((s) => names.has(dictionary.fields(s).name))
  }

  function figuresOf(shapes: Uint8Array): Figures {
    const { shape, detail, count: rows } = spans
    let count = new Uint32Array(256)
    let bins = new Uint32Array(256 * BINS)
    if (callOfRow.length < rows) callOfRow = new Uint32Array(rows)
    for (let row = 0; row < rows; row++) {
      callOfRow[row] = 0
      if (shapes[shape[row]!] === 0) continue
      const call = index.queryOf(shape[row]!, detail[row]!)
      callOfRow[row] = 1 + call
      if (call >= count.length) {
        count = wider(count, 2 * index.calls.length)
        bins = wider(bins, BINS * count.length)
      }
      count[call]!++
      bins[BINS * call + binOf(lengthAt(spans, row))]!++
    }
    return { count, bins }
  }

  /** Adds the queries of the calls wanted to their groups, trace by trace. */
  function take(rows: TraceGroups, { count }: Figures, wants: (call: number) => boolean): void {
    const groups: QueryGroup[] = []
    /** By call plus 1: place in `groups`, plus 1; calls that read the same are one group. */
    const placeOf = new Uint32Array(1 + count.length)
    for (let call = 0; call < count.length; call++) {
      if (count[call] === 0 || !wants(call)) continue
      const group = groupFor(call)
      const known = groups.indexOf(group)
      placeOf[1 + call] = 1 + (known < 0 ? groups.push(group) - 1 : known)
      addRoom(group, count[call]!)
    }
    const next = groups.map(({ fresh }) => fresh)
    if (groups.length === 0) return
    for (let trace = 0; trace < rows.count; trace++) {
      for (let i = rows.first[trace]!; i < rows.first[trace + 1]!; i++) {
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
    }
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

/** Whether the bins, each as long as it may be, leave room for that tail. */
function mayHave({ p99Ns, times }: Tail, { count, bins }: Figures, call: number): boolean {
  const binAt = (q: number) => {
    let left = rankOf(count[call]!, q)
    let bin = 0
    for (; (left -= bins[BINS * call + bin]!) > 0; bin++);
    return bin
  }
  const last = binAt(0.99)
  const mostNs = last === BINS - 1 ? Number.POSITIVE_INFINITY : leastIn(last + 1)
  return mostNs > p99Ns && mostNs > times * leastIn(binAt(0.5))
}

function wider(from: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(length)
  to.set(from)
  return to
}
