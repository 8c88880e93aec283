import { IS_COLD_START } from '../trace/detail.ts'
import { SERVER } from '../trace/span.ts'
import { NOT_ENTRY } from '../trace/tree.ts'
import { lengthAt, startAt } from './row-times.ts'
import type { Scan } from './scan.ts'

/** Requests that services served, noted trace by trace; columns grow, and are used again for the next batch. */
export type RequestLog = {
  readonly trifleNs: number
  count: number
  row: Uint32Array
  trace: Uint32Array
  shape: Uint32Array
  /** As they were sent, see row-times.ts. */
  startNs: Float64Array
  lengthNs: Float64Array
  /** See `ServerGroup`. */
  firstChildNs: Float64Array
  arrivalNs: Float64Array
  cold: Uint8Array
  /** By shape (endpoint, instance and version): requests; 1: one waited, or started cold. */
  requests: Uint32Array
  telling: Uint8Array
}

/** Waits of less than `trifleNs` never matter. */
export function createRequestLog(trifleNs: number): RequestLog {
  return {
    trifleNs,
    count: 0,
    ...room(1024),
    requests: new Uint32Array(0),
    telling: new Uint8Array(0),
  }
}

function room(length: number) {
  return {
    row: new Uint32Array(length),
    trace: new Uint32Array(length),
    shape: new Uint32Array(length),
    startNs: new Float64Array(length),
    lengthNs: new Float64Array(length),
    firstChildNs: new Float64Array(length),
    arrivalNs: new Float64Array(length),
    cold: new Uint8Array(length),
  }
}

export function beginLog(log: RequestLog, shapes: number): void {
  log.count = 0
  log.requests = new Uint32Array(shapes)
  log.telling = new Uint8Array(shapes)
}

/** Notes the requests of a root; starts count from `originHigh`. */
export function logRequests(log: RequestLog, scan: Scan, trace: number, originHigh: number): void {
  const { tree, says } = scan
  const { trifleNs } = log
  const { at: servers, count } = scan.servers
  const { cutStart, shape, row, live, child, firstChild, kind, parent, entry } = tree
  const { spans } = tree
  const { detail, dictionary } = spans
  const { flags } = dictionary.details
  if (log.count + count > log.row.length) grow(log, log.count + count)
  for (let i = 0; i < count; i++) {
    const span = servers[i]!
    const at = log.count++
    const r = row[span]!
    const s = shape[span]!
    const start = cutStart[span]!
    const caller = kind[span] === SERVER && entry[span] === NOT_ENTRY ? parent[span]! : -1
    const first = live[span]! > 0 ? cutStart[child[firstChild[span]!]!]! - start : -1
    const arrival = caller >= 0 ? start - cutStart[caller]! : -1
    log.row[at] = r
    log.trace[at] = trace
    log.shape[at] = s
    log.startNs[at] = startAt(spans, r, originHigh)
    log.lengthNs[at] = lengthAt(spans, r)
    log.firstChildNs[at] = first
    log.arrivalNs[at] = arrival
    log.requests[s]!++
    const isCold = says[r] !== 0 && (flags[detail[r]!]! & IS_COLD_START) !== 0
    log.cold[at] = isCold ? 1 : 0
    if (isCold || first >= trifleNs || arrival >= trifleNs) log.telling[s] = 1
  }
}

function grow(log: RequestLog, least: number): void {
  const { row, trace, shape, startNs, lengthNs, firstChildNs, arrivalNs, cold } = log
  Object.assign(log, room(Math.max(least, 2 * row.length)))
  log.row.set(row)
  log.trace.set(trace)
  log.shape.set(shape)
  log.startNs.set(startNs)
  log.lengthNs.set(lengthNs)
  log.firstChildNs.set(firstChildNs)
  log.arrivalNs.set(arrivalNs)
  log.cold.set(cold)
}
