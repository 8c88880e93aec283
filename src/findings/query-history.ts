import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'
import { type CallIndex, QUERY } from './calls.ts'
import { forgetOld, type QueryGroup } from './population.ts'

/** Queries of one kind, of this and earlier batches. Read straight off the columns, and only where one was long. */
export type QueryHistory = {
  groups(spans: SpanColumns, index: CallIndex, rows: TraceGroups, longestNs: number): readonly QueryGroup[]
  /** Keeps some of the batch, if it is small: what is rare in one batch may show over many. */
  end(spans: SpanColumns, index: CallIndex, rows: TraceGroups): void
}

/** A batch with more queries tells enough by itself. */
const SMALL_BATCH = 20_000
const WORD = 2 ** 32

export function createQueryHistory(): QueryHistory {
  const groupOf = new Map<string, QueryGroup>()
  let taken: SpanColumns | undefined

  return {
    groups(spans, index, rows, longestNs) {
      const wanted = longQueries(spans, index, longestNs)
      if (wanted.calls.size > 0 && taken !== spans) {
        take(spans, index, rows, wanted)
        taken = spans
      }
      return [...groupOf.values()].filter((group) => group.fresh < group.startNs.length)
    },
    end(spans, index, rows) {
      if (taken !== spans && spans.count <= SMALL_BATCH) take(spans, index, rows, undefined)
      taken = undefined
      for (const group of groupOf.values()) forgetOld(group)
    },
  }

  /** Adds the queries of the calls wanted (undefined: all) to their groups. */
  function take(spans: SpanColumns, index: CallIndex, rows: TraceGroups, wanted: Long | undefined): void {
    const byCall: (QueryGroup | undefined)[] = []
    const shapes = queryShapes(spans, index, wanted?.shapes)
    let originHigh: number | undefined
    for (let trace = 0; trace < rows.count; trace++) {
      for (let i = rows.first[trace]!; i < rows.first[trace + 1]!; i++) {
        const row = rows.rows[i]!
        if (shapes[spans.shape[row]!] === 0) continue
        const number = index.queryOf(spans.shape[row]!, spans.detail[row]!)
        if (wanted !== undefined && !wanted.calls.has(number)) continue
        const call = index.calls[number]!
        let group = byCall[number]
        if (group === undefined) {
          const key = JSON.stringify(call)
          group = groupOf.get(key)
          if (group === undefined) {
            group = { call, startNs: [], lengthNs: [], trace: [], row: [], fresh: 0 }
            groupOf.set(key, group)
          }
          byCall[number] = group
        }
        // Starts are compared within a batch; exact there.
        const high = spans.start[2 * row + 1]!
        originHigh ??= high
        group.startNs.push((high - originHigh) * WORD + spans.start[2 * row]!)
        group.lengthNs.push(lengthAt(spans, row))
        group.trace.push(trace)
        group.row.push(row)
      }
    }
  }
}

/** Calls of which one took at least so long, and their shapes. */
type Long = { calls: Set<number>; shapes: Set<number> }

/** What has a p99 of many times its p50 has a longest of at least so many times its mean. */
const TAIL = 2

function longQueries(spans: SpanColumns, index: CallIndex, longestNs: number): Long {
  const shapes = queryShapes(spans, index, undefined)
  const { shape, detail, start, end, count: rows } = spans
  const some = new Set<number>()
  for (let row = 0; row < rows; row++) {
    if (shapes[shape[row]!] === 0) continue
    const low = 2 * row
    const ns = (end[low + 1]! - start[low + 1]!) * WORD + (end[low]! - start[low]!)
    if (ns >= longestNs) some.add(shape[row]!)
  }
  const long: Long = { calls: new Set(), shapes: some }
  if (some.size === 0) return long
  const wanted = queryShapes(spans, index, some)
  const figures: { count: number; sumNs: number; mostNs: number }[] = []
  for (let row = 0; row < rows; row++) {
    if (wanted[shape[row]!] === 0) continue
    const lengthNs = lengthAt(spans, row)
    const of = (figures[index.queryOf(shape[row]!, detail[row]!)] ??= { count: 0, sumNs: 0, mostNs: 0 })
    of.count++
    of.sumNs += lengthNs
    if (lengthNs > of.mostNs) of.mostNs = lengthNs
  }
  figures.forEach(({ count, sumNs, mostNs }, call) => {
    if (mostNs >= longestNs && mostNs * count >= TAIL * sumNs) long.calls.add(call)
  })
  return long
}

/** Per shape: 1 where it is a query's (and wanted). Another instance's shape may have the same call. */
function queryShapes(
  { dictionary }: SpanColumns,
  index: CallIndex,
  wanted: Set<number> | undefined,
): Uint8Array {
  const shapes = new Uint8Array(dictionary.shapeCount)
  const names = wanted === undefined ? undefined : new Set([...wanted].map((s) => dictionary.fields(s).name))
  for (let shape = 0; shape < shapes.length; shape++) {
    if (index.roleOf(dictionary.shapeComponent[shape]!) !== QUERY) continue
    if (names === undefined || names.has(dictionary.fields(shape).name)) shapes[shape] = 1
  }
  return shapes
}

function lengthAt({ start, end }: SpanColumns, row: number): number {
  const ns = (end[2 * row + 1]! - start[2 * row + 1]!) * WORD + (end[2 * row]! - start[2 * row]!)
  return Math.max(0, ns)
}
