import type { SpanColumns } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { addRoom, createServerGroup, forgetOld, isLarge, type ServerGroup } from './observations.ts'
import { beginLog, createRequestLog, logRequests } from './request-log.ts'
import { lengthAt, originOf, startAt } from './row-times.ts'
import type { Scan } from './scan.ts'

/** When the requests of one instance started and ended in the batch, in no order. */
export type Busy = { startNs: Float64Array; endNs: Float64Array }

/**
 * Requests that services served. While traces are analyzed they are only noted (request-log.ts); groups are filled
 * afterwards, of operations of which there may be something to tell: an instance unlike the others, a long wait before
 * the first call or the arrival, cold starts. Of small batches all are, since what shows over many of them has to be
 * remembered.
 */
export type ServerHistory = {
  readonly groups: readonly ServerGroup[]
  readonly instances: readonly string[]
  readonly isLarge: boolean
  begin(spans: SpanColumns): void
  observe(scan: Scan, trace: number): void
  close(): void
  /** By number of the instance. */
  requestsOf(service: string): Map<number, Busy>
  end(): void
}

/** Means and counts of instances differ by more than this where an instance is unlike the others. */
const UNLIKE = 1.1

export function createServerHistory(trifleNs: number): ServerHistory {
  const log = createRequestLog(trifleNs)
  const groups: ServerGroup[] = []
  const placeByKey = new Map<string, number>()
  const instances: string[] = []
  const instanceOf = new Map<string, number>()
  let dictionaryAtHand: Dictionary | undefined
  let byEndpoint: (number | undefined)[] = []
  let byInstance: number[] = []
  let spans!: SpanColumns
  let originHigh: number | undefined

  return {
    groups,
    instances,
    get isLarge() {
      return isLarge(spans)
    },
    begin(of) {
      spans = of
      originHigh ??= originOf(of)
      beginLog(log, of.dictionary.shapeCount)
      if (of.dictionary === dictionaryAtHand) return
      dictionaryAtHand = of.dictionary
      byEndpoint = []
      byInstance = []
    },
    observe: (scan, trace) => logRequests(log, scan, trace),
    close() {
      const placeOfShape = wantedGroups()
      const next = Uint32Array.from(groups, ({ fresh }) => fresh)
      for (let i = 0; i < log.count; i++) {
        const shape = log.shape[i]!
        const place = placeOfShape[shape]! - 1
        if (place < 0) continue
        const group = groups[place]!
        const row = log.row[i]!
        const at = next[place]!++
        group.startNs[at] = startAt(spans, row, originHigh!)
        group.lengthNs[at] = lengthAt(spans, row)
        group.trace[at] = log.trace[i]!
        group.row[at] = row
        group.instance[at] = instanceNumber(shape)
        group.firstChildNs[at] = log.firstChildNs[i]!
        group.arrivalNs[at] = log.arrivalNs[i]!
        group.cold[at] = log.cold[i]!
      }
    },
    requestsOf(service) {
      const { services, shapeService } = spans.dictionary
      const number = services.indexOf(service)
      const requests = new Map<number, Busy & { count: number }>()
      for (let shape = 0; shape < log.requests.length; shape++) {
        if (log.requests[shape] === 0 || shapeService[shape] !== number) continue
        const instance = instanceNumber(shape)
        const count = log.requests[shape]! + (requests.get(instance)?.count ?? 0)
        requests.set(instance, { startNs: new Float64Array(0), endNs: new Float64Array(0), count })
      }
      const byShape: (Busy & { count: number })[] = []
      for (const busy of requests.values()) {
        busy.startNs = new Float64Array(busy.count)
        busy.endNs = new Float64Array(busy.count)
        busy.count = 0
      }
      for (let i = 0; i < log.count; i++) {
        const shape = log.shape[i]!
        if (shapeService[shape] !== number) continue
        const busy = (byShape[shape] ??= requests.get(instanceNumber(shape))!)
        const row = log.row[i]!
        const startNs = startAt(spans, row, originHigh!)
        busy.startNs[busy.count] = startNs
        busy.endNs[busy.count++] = startNs + lengthAt(spans, row)
      }
      return requests
    },
    end() {
      for (const group of groups) forgetOld(group)
    },
  }

  /** By shape: place of the group that its requests are to be added to, plus 1; groups have room for them. */
  function wantedGroups(): Uint32Array {
    const { requests } = log
    const wanted = wantedEndpoints()
    const room = new Map<number, number>()
    const byShape = new Uint32Array(requests.length)
    for (let shape = 0; shape < requests.length; shape++) {
      if (requests[shape] === 0) continue
      const endpoint = spans.dictionary.endpoint(shape)
      if (!wanted.has(endpoint)) continue
      const place = placeOf(endpoint)
      byShape[shape] = 1 + place
      room.set(place, (room.get(place) ?? 0) + requests[shape]!)
    }
    for (const [place, count] of room) addRoom(groups[place]!, count)
    return byShape
  }

  function wantedEndpoints(): Set<number> {
    const { requests, sumNs, telling } = log
    const wanted = new Set<number>()
    /** By endpoint: fewest and most requests of a shape, shortest and longest mean. */
    const figures = new Map<
      number,
      { shapes: number; least: number; most: number; short: number; long: number }
    >()
    for (let shape = 0; shape < requests.length; shape++) {
      const n = requests[shape]!
      if (n === 0) continue
      const endpoint = spans.dictionary.endpoint(shape)
      if (telling[shape] === 1 || !isLarge(spans)) wanted.add(endpoint)
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

  /** Of the endpoint's group, in `groups`. */
  function placeOf(endpoint: number): number {
    let place = byEndpoint[endpoint]
    if (place === undefined) {
      const of = spans.dictionary.endpoints[endpoint]!
      const key = JSON.stringify(of)
      place = placeByKey.get(key)
      if (place === undefined) {
        place = groups.push(createServerGroup(of)) - 1
        placeByKey.set(key, place)
      }
      byEndpoint[endpoint] = place
    }
    return place
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
}
