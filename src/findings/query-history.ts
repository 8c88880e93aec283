import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { type CallIndex, QUERY } from './calls.ts'
import { addRoom, createQueryGroup, forgetOld, type QueryGroup } from './observations.ts'
import { lengthAt, originOf, startAt } from './row-times.ts'

/** Queries of one kind, of this and earlier batches. Read straight off the columns, and only where one was long. */
export type QueryHistory = {
  begin(spans: SpanColumns, index: CallIndex): void
  /** `rows`: by trace. */
  groups(rows: TraceGroups, longestNs: number): readonly QueryGroup[]
  /** Keeps some of the batch, if it is small: what is rare in one batch may show over many. */
  end(rows: TraceGroups): void
}

/** A batch with more queries tells enough by itself. */
const SMALL_BATCH = 20_000
/** What has a p99 of many times its p50 has a longest of at least so many times its mean. */
const TAIL = 2

/** By call. */
type Figures = { count: Uint32Array; sumNs: Float64Array; mostNs: Float64Array }

export function createQueryHistory(): QueryHistory {
  const groupOf = new Map<string, QueryGroup>()
  let spans!: SpanColumns
  let originHigh: number | undefined
  let index!: CallIndex
  let taken = false

  return {
    begin(of, calls) {
      spans = of
      originHigh ??= originOf(of)
      index = calls
      taken = false
    },
    groups(rows, longestNs) {
      if (!taken) {
        const shapes = longShapes(longestNs)
        if (shapes !== undefined) {
          const figures = figuresOf(shapes)
          const { count, sumNs, mostNs } = figures
          taken = take(rows, shapes, figures, (call) => {
            const most = mostNs[call]!
            return most >= longestNs && most * count[call]! >= TAIL * sumNs[call]!
          })
        }
      }
      return [...groupOf.values()].filter((group) => group.fresh < group.startNs.length)
    },
    end(rows) {
      if (!taken && spans.count <= SMALL_BATCH) {
        const shapes = queryShapes(() => true)
        take(rows, shapes, figuresOf(shapes), () => true)
      }
      for (const group of groupOf.values()) forgetOld(group)
    },
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
    let sumNs = new Float64Array(256)
    let mostNs = new Float64Array(256)
    for (let row = 0; row < rows; row++) {
      if (shapes[shape[row]!] === 0) continue
      const call = index.queryOf(shape[row]!, detail[row]!)
      if (call >= count.length) {
        count = wider(count, new Uint32Array(2 * index.calls.length))
        sumNs = wider(sumNs, new Float64Array(count.length))
        mostNs = wider(mostNs, new Float64Array(count.length))
      }
      const lengthNs = lengthAt(spans, row)
      count[call]!++
      sumNs[call]! += lengthNs
      if (lengthNs > mostNs[call]!) mostNs[call] = lengthNs
    }
    return { count, sumNs, mostNs }
  }

  /** Adds the queries of the calls wanted to their groups, trace by trace; returns whether there are any. */
  function take(
    rows: TraceGroups,
    shapes: Uint8Array,
    { count }: Figures,
    wants: (call: number) => boolean,
  ): boolean {
    const groups: QueryGroup[] = []
    /** By call: place in `groups`, plus 1; calls that read the same are one group. */
    const placeOf = new Uint32Array(count.length)
    for (let call = 0; call < count.length; call++) {
      if (count[call] === 0 || !wants(call)) continue
      const group = groupFor(call)
      const known = groups.indexOf(group)
      placeOf[call] = 1 + (known < 0 ? groups.push(group) - 1 : known)
      addRoom(group, count[call]!)
    }
    const next = groups.map(({ fresh }) => fresh)
    if (groups.length === 0) return false
    for (let trace = 0; trace < rows.count; trace++) {
      for (let i = rows.first[trace]!; i < rows.first[trace + 1]!; i++) {
        const row = rows.rows[i]!
        if (shapes[spans.shape[row]!] === 0) continue
        const call = index.queryOf(spans.shape[row]!, spans.detail[row]!)
        const place = placeOf[call]! - 1
        if (place < 0) continue
        const group = groups[place]!
        const at = next[place]!++
        group.startNs[at] = startAt(spans, row, originHigh!)
        group.lengthNs[at] = lengthAt(spans, row)
        group.trace[at] = trace
        group.row[at] = row
      }
    }
    return true
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

function wider<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
