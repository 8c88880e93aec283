import type { SpanColumns } from '../trace/columns.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import {
  addRoom,
  createServerGroup,
  forgetOld,
  GROUPS_KEPT,
  INSTANCES_KEPT,
  isLarge,
  type ServerGroup,
} from './observations.ts'
import { beginLog, createRequestLog, logRequests } from './request-log.ts'
import { originOf } from './row-times.ts'
import type { Scan } from './scan.ts'
import { type UnlikeLimits, unlikeEndpoints } from './unlike.ts'

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

/** `trifleNs`: waits of less never matter. */
export function createServerHistory(trifleNs: number, unlike: UnlikeLimits): ServerHistory {
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
  let requestsByService: ReturnType<typeof logByService> | undefined
  /** By shape, of those that requests are added of. */
  let instanceOfShape = new Uint32Array(0)

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
      requestsByService = undefined
      if (of.dictionary === dictionaryAtHand) return
      dictionaryAtHand = of.dictionary
      byEndpoint = []
      byInstance = []
    },
    observe: (scan, trace) => logRequests(log, scan, trace, originHigh!),
    close() {
      const placeOfShape = wantedGroups()
      const next = Uint32Array.from(groups, ({ fresh }) => fresh)
      const { count, shape, startNs, lengthNs, trace, row, firstChildNs, arrivalNs, cold } = log
      for (let i = 0; i < count; i++) {
        const place = placeOfShape[shape[i]!]! - 1
        if (place < 0) continue
        const group = groups[place]!
        const at = next[place]!++
        group.startNs[at] = startNs[i]!
        group.lengthNs[at] = lengthNs[i]!
        group.trace[at] = trace[i]!
        group.row[at] = row[i]!
        group.instance[at] = instanceOfShape[shape[i]!]!
        group.firstChildNs[at] = firstChildNs[i]!
        group.arrivalNs[at] = arrivalNs[i]!
        group.cold[at] = cold[i]!
      }
    },
    requestsOf(service) {
      const number = spans.dictionary.services.indexOf(service)
      if (number < 0) return new Map()
      requestsByService ??= logByService()
      const { places, first } = requestsByService
      /** By instance: how many requests, then where the next goes. */
      const counts = new Map<number, number>()
      for (let i = first[number]!; i < first[number + 1]!; i++) {
        const instance = instanceNumber(log.shape[places[i]!]!)
        counts.set(instance, 1 + (counts.get(instance) ?? 0))
      }
      const requests = new Map<number, Busy>()
      for (const [instance, count] of counts) {
        requests.set(instance, { startNs: new Float64Array(count), endNs: new Float64Array(count) })
        counts.set(instance, 0)
      }
      for (let i = first[number]!; i < first[number + 1]!; i++) {
        const at = places[i]!
        const instance = instanceNumber(log.shape[at]!)
        const next = counts.get(instance)!
        const { startNs, endNs } = requests.get(instance)!
        startNs[next] = log.startNs[at]!
        endNs[next] = log.startNs[at]! + log.lengthNs[at]!
        counts.set(instance, next + 1)
      }
      return requests
    },
    end() {
      if (groups.length > GROUPS_KEPT || instances.length > INSTANCES_KEPT) forgetAll()
      for (const group of groups) forgetOld(group)
    },
  }

  function forgetAll(): void {
    groups.length = 0
    placeByKey.clear()
    byEndpoint = []
    instances.length = 0
    instanceOf.clear()
    byInstance = []
  }

  /** Places in the log by number of the service. */
  function logByService(): { places: Uint32Array; first: Uint32Array } {
    const { services, shapeService } = spans.dictionary
    const first = new Uint32Array(services.length + 1)
    for (let i = 0; i < log.count; i++) first[shapeService[log.shape[i]!]! + 1]!++
    for (let service = 0; service < services.length; service++) first[service + 1]! += first[service]!
    const next = first.slice()
    const places = new Uint32Array(log.count)
    for (let i = 0; i < log.count; i++) places[next[shapeService[log.shape[i]!]!]!++] = i
    return { places, first }
  }

  /** By shape: place of the group that its requests are to be added to, plus 1; groups have room for them. */
  function wantedGroups(): Uint32Array {
    const { requests } = log
    const wanted = wantedEndpoints()
    /** By endpoint: requests. */
    const room = new Uint32Array(wanted.length)
    const byShape = new Uint32Array(requests.length)
    if (instanceOfShape.length < requests.length) instanceOfShape = new Uint32Array(2 * requests.length)
    for (let shape = 0; shape < requests.length; shape++) {
      if (requests[shape] === 0) continue
      const endpoint = spans.dictionary.endpoint(shape)
      if (wanted[endpoint] === 0) continue
      byShape[shape] = 1 + placeOf(endpoint)
      instanceOfShape[shape] = instanceNumber(shape)
      room[endpoint]! += requests[shape]!
    }
    for (let endpoint = 0; endpoint < room.length; endpoint++) {
      if (room[endpoint]! > 0) addRoom(groups[placeOf(endpoint)]!, room[endpoint]!)
    }
    return byShape
  }

  /** By endpoint: 1 where there may be something to tell. */
  function wantedEndpoints(): Uint8Array {
    const { requests, telling } = log
    const { dictionary } = spans
    const takesAll = !isLarge(spans)
    const unlikes = takesAll ? [] : unlikeEndpoints(log, dictionary, unlike)
    for (let shape = 0; shape < requests.length; shape++) if (requests[shape]! > 0) dictionary.endpoint(shape)
    const wanted = new Uint8Array(dictionary.endpoints.length)
    for (const endpoint of unlikes) wanted[endpoint] = 1
    for (let shape = 0; shape < requests.length; shape++) {
      if (requests[shape] === 0 || (!takesAll && telling[shape] === 0)) continue
      wanted[dictionary.endpoint(shape)] = 1
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
