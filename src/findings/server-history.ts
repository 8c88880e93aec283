import type { SpanColumns } from '../trace/columns.ts'
import { IS_COLD_START } from '../trace/detail.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import type { TraceGroups } from '../trace/group.ts'
import { SERVER } from '../trace/span.ts'
import { NOT_ENTRY } from '../trace/tree.ts'
import { forgetOld, type ServerGroup } from './population.ts'
import type { Scan } from './scan.ts'

/** Requests of one service in the batch. */
export type Requests = { startNs: number[]; lengthNs: number[]; instance: number[] }

/**
 * Requests that services served. While traces are analyzed only figures are noted, by shape (endpoint, instance and
 * version) and row; groups are filled afterwards, of operations of which there may be something to tell: an instance
 * unlike the others, a long wait before the first call or the arrival, cold starts. Of small batches all are, since what
 * shows over many of them has to be remembered.
 */
export type ServerHistory = {
  readonly groups: readonly ServerGroup[]
  readonly instances: readonly string[]
  begin(spans: SpanColumns): void
  observe(scan: Scan): void
  close(rows: TraceGroups): void
  requestsOf(service: string): Requests
  end(): void
}

/** A batch with more spans tells enough by itself. */
const SMALL_BATCH = 20_000
/** Waits below this never matter, ns. */
const TRIFLE_NS = 5e6
/** Means and counts of instances differ by more than this where an instance is unlike the others. */
const UNLIKE = 1.1
const WORD = 2 ** 32

export function createServerHistory(): ServerHistory {
  const groups: ServerGroup[] = []
  const groupByKey = new Map<string, ServerGroup>()
  const instances: string[] = []
  const instanceOf = new Map<string, number>()
  let dictionaryAtHand: Dictionary | undefined
  let byEndpoint: (ServerGroup | undefined)[] = []
  let byInstance: number[] = []
  let spans!: SpanColumns
  let originHigh = 0
  /** By row: 1 where it is a request; its waits. */
  let isRequest = new Uint8Array(0)
  let firstChildNs = new Float64Array(0)
  let arrivalNs = new Float64Array(0)
  /** By shape. */
  let count = new Int32Array(0)
  let sumNs = new Float64Array(0)
  let telling = new Uint8Array(0)

  return {
    groups,
    instances,
    begin(of) {
      spans = of
      if (isRequest.length < of.count) {
        firstChildNs = new Float64Array(of.count)
        arrivalNs = new Float64Array(of.count)
      }
      isRequest = new Uint8Array(of.count)
      count = new Int32Array(of.dictionary.shapeCount)
      sumNs = new Float64Array(of.dictionary.shapeCount)
      telling = new Uint8Array(of.dictionary.shapeCount)
      if (of.dictionary === dictionaryAtHand) return
      dictionaryAtHand = of.dictionary
      byEndpoint = []
      byInstance = []
    },
    observe({ tree, servers, says }) {
      const { cutStart, cutEnd, shape, row, live, child, firstChild, kind, parent, entry } = tree
      const { detail, dictionary } = tree.spans
      for (let i = 0; i < servers.length; i++) {
        const span = servers[i]!
        const r = row[span]!
        const s = shape[span]!
        const start = cutStart[span]!
        const caller = kind[span] === SERVER && entry[span] === NOT_ENTRY ? parent[span]! : -1
        const first = live[span]! > 0 ? cutStart[child[firstChild[span]!]!]! - start : -1
        const arrival = caller >= 0 ? start - cutStart[caller]! : -1
        isRequest[r] = 1
        firstChildNs[r] = first
        arrivalNs[r] = arrival
        count[s]!++
        sumNs[s]! += cutEnd[span]! - start
        if (first >= TRIFLE_NS || arrival >= TRIFLE_NS) telling[s] = 1
        else if (says[r] !== 0 && (dictionary.details.flags[detail[r]!]! & IS_COLD_START) !== 0)
          telling[s] = 1
      }
    },
    close(rows) {
      const wanted = wantedEndpoints()
      if (wanted.size === 0) return
      const { dictionary } = spans
      const { flags } = dictionary.details
      originHigh = spans.start[2 * rows.rows[0]! + 1]!
      for (let trace = 0; trace < rows.count; trace++) {
        for (let i = rows.first[trace]!; i < rows.first[trace + 1]!; i++) {
          const row = rows.rows[i]!
          if (isRequest[row] === 0) continue
          const shape = spans.shape[row]!
          const endpoint = dictionary.endpoint(shape)
          if (!wanted.has(endpoint)) continue
          const group = groupOf(endpoint)
          group.startNs.push(startAt(row))
          group.lengthNs.push(lengthAt(row))
          group.trace.push(trace)
          group.row.push(row)
          group.instance.push(instanceNumber(shape))
          group.firstChildNs.push(firstChildNs[row]!)
          group.arrivalNs.push(arrivalNs[row]!)
          group.cold.push((flags[spans.detail[row]!]! & IS_COLD_START) !== 0 ? 1 : 0)
        }
      }
    },
    requestsOf(service) {
      const requests: Requests = { startNs: [], lengthNs: [], instance: [] }
      const { services, shapeService } = spans.dictionary
      const number = services.indexOf(service)
      for (let row = 0; row < spans.count; row++) {
        if (isRequest[row] === 0 || shapeService[spans.shape[row]!] !== number) continue
        requests.startNs.push(startAt(row))
        requests.lengthNs.push(lengthAt(row))
        requests.instance.push(instanceNumber(spans.shape[row]!))
      }
      return requests
    },
    end() {
      for (const group of groups) forgetOld(group)
    },
  }

  function wantedEndpoints(): Set<number> {
    const wanted = new Set<number>()
    /** By endpoint: fewest and most requests of a shape, shortest and longest mean. */
    const figures = new Map<
      number,
      { shapes: number; least: number; most: number; short: number; long: number }
    >()
    for (let shape = 0; shape < count.length; shape++) {
      const n = count[shape]!
      if (n === 0) continue
      const endpoint = spans.dictionary.endpoint(shape)
      if (telling[shape] === 1 || spans.count <= SMALL_BATCH) wanted.add(endpoint)
      const mean = sumNs[shape]! / n
      const of = figures.get(endpoint)
      if (of === undefined) figures.set(endpoint, { shapes: 1, least: n, most: n, short: mean, long: mean })
      else {
        of.shapes++
        of.least = Math.min(of.least, n)
        of.most = Math.max(of.most, n)
        of.short = Math.min(of.short, mean)
        of.long = Math.max(of.long, mean)
      }
    }
    for (const [endpoint, { shapes, least, most, short, long }] of figures) {
      if (shapes > 1 && (most > UNLIKE * least || long > UNLIKE * short)) wanted.add(endpoint)
    }
    return wanted
  }

  function groupOf(endpoint: number): ServerGroup {
    let group = byEndpoint[endpoint]
    if (group === undefined) {
      const of = spans.dictionary.endpoints[endpoint]!
      const key = JSON.stringify(of)
      group = groupByKey.get(key)
      if (group === undefined) {
        group = {
          endpoint: of,
          startNs: [],
          lengthNs: [],
          trace: [],
          row: [],
          instance: [],
          firstChildNs: [],
          arrivalNs: [],
          cold: [],
          load: [],
          fresh: 0,
        }
        groupByKey.set(key, group)
        groups.push(group)
      }
      byEndpoint[endpoint] = group
    }
    return group
  }

  function instanceNumber(shape: number): number {
    const local = spans.dictionary.shapeInstance[shape]!
    let instance = byInstance[local]
    if (instance === undefined) {
      const { service, instance: name } = spans.dictionary.fields(shape)
      const key = `${service}\n${name}`
      instance = instanceOf.get(key)
      if (instance === undefined) {
        instance = instances.push(name) - 1
        instanceOf.set(key, instance)
      }
      byInstance[local] = instance
    }
    return instance
  }

  /** By the instance's own clock; exact for 104 days around the batch's first span. */
  function startAt(row: number): number {
    return (spans.start[2 * row + 1]! - originHigh) * WORD + spans.start[2 * row]!
  }

  function lengthAt(row: number): number {
    const { start, end } = spans
    const ns = (end[2 * row + 1]! - start[2 * row + 1]!) * WORD + (end[2 * row]! - start[2 * row]!)
    return Math.max(0, ns)
  }
}
