import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { detailKeyFrom, figuresFrom } from '../../src/trace/detail.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { type AttributeMap, shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'

/**
 * Traffic with mistakes planted in some endpoints and near misses in others. An endpoint `GET /N` of the gateway calls
 * one service, whose body is a little work, a query, and the plant. Requests come alone and, now and then, in bursts.
 */
export const REQUESTS = 300
const EPOCH_NS = 1_767_225_600_000_000_000n
const MS = 1e6

type Random = () => number
export type Span = { id: number; service: string; instance: string; from: number }

/** What a body may do; times are ns since the start of the traffic. */
export type Body = {
  random: Random
  now: number
  self: Span
  /** Number of the request, and of that in its burst (0: it came alone). */
  request: number
  inBurst: number
  /** What lasts from request to request. */
  state: Map<string, number>
  between(least: number, most: number): number
  work(ms: number): void
  query(text: string, ms: number, more?: { attributes?: AttributeMap; failed?: boolean }): void
  /** The name of the span: GET if not given; a status of 400 and more fails it. */
  external(host: string, ms: number, attributes?: AttributeMap, name?: string): void
  internal(name: string, ms: number): void
  call(
    service: string,
    route: string,
    body: (inner: Body) => void,
    more?: {
      method?: string
      transitMs?: number
      failed?: boolean
      attributes?: AttributeMap
      /** How long it waits in front of the callee; transitMs if not given. */
      arrivesMs?: number
      instances?: readonly number[]
      /** The caller leaves after this long. */
      leavesAfterMs?: number
    },
  ): void
  /** All start now; goes on when the last is done. */
  beside(...branches: (() => void)[]): void
  /** Marks the span of the service, or the gateway's as well. */
  fail(whom: 'service' | 'all'): void
  describe(attributes: AttributeMap): void
}

export type Plant = {
  /** '': a near miss, nothing is to be found. */
  pattern: string
  name: string
  body(body: Body): void
  /** Other patterns that the same traces show as well, and rightly. */
  also?: readonly string[]
  /** Of the service, weights of its instances, at that request if need be. */
  instances?: readonly number[] | ((request: number) => readonly number[])
  /** Share of requests that come in bursts, and how many at a time; 0: none. */
  burst?: { share: number; size: number }
}

export type Planted = { operation: string; plant: Plant }

export function plantTraffic(
  seed: number,
  plants: readonly Plant[],
  requests = REQUESTS,
): { columns: SpanColumns; planted: Planted[] } {
  const columns = createColumns(createDictionary(), plants.length * requests * 12)
  const planted = plants.map((plant, i) => {
    const operation = `GET /${plant.name.replaceAll(' ', '-')}/${String.fromCharCode(97 + (i % 26))}${i}x`
    runEndpoint(columns, seed * 1000 + i, operation, plant, requests)
    return { operation, plant }
  })
  return { columns, planted }
}

function runEndpoint(
  columns: SpanColumns,
  seed: number,
  operation: string,
  plant: Plant,
  requests: number,
): void {
  const random = seeded(seed)
  const service = `svc-${seed}`
  const state = new Map<string, number>()
  const { share, size } = plant.burst ?? { share: 0, size: 1 }
  let clock = 0
  const between = share === 0 ? Number.POSITIVE_INFINITY : Math.round(size / share)
  for (let request = 0; request < requests; request++) {
    // Of every `between` requests the last `size` come at once; the others long after everything before is over.
    const inBurst = Math.max(0, (request % between) - (between - size))
    clock += inBurst > 0 ? MS * random() : 3000 * MS * (1 + random())
    runRequest(columns, {
      seed,
      random,
      service,
      state,
      operation,
      plant,
      request,
      inBurst,
      clock: Math.round(clock),
    })
  }
}

type Request = {
  seed: number
  random: Random
  service: string
  state: Map<string, number>
  operation: string
  plant: Plant
  request: number
  inBurst: number
  clock: number
}

function runRequest(columns: SpanColumns, of: Request): void {
  const { seed, random, service, state, plant } = of
  const traceId = (BigInt(seed) * 1_000_000n + BigInt(of.request) + 1n).toString(16)
  let ids = 0
  const failed = new Set<number>()
  const emit = (
    id: number,
    parent: number,
    who: { service: string; instance: string },
    kind: string,
    name: string,
    from: number,
    to: number,
    attributes: AttributeMap,
  ) => {
    const resource = { 'service.name': who.service, 'service.instance.id': who.instance }
    appendSpan(columns, {
      traceId,
      spanId: id.toString(16),
      parentSpanId: parent === 0 ? '' : parent.toString(16),
      // Off the whole millisecond: these are no clocks of that kind.
      startNs: EPOCH_NS + 137n + BigInt(Math.round(from)),
      endNs: EPOCH_NS + 137n + BigInt(Math.round(to)),
      status: failed.has(id) ? 2 : 0,
      shapeKey: shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes)),
      detailKey: detailKeyFrom(kind, attributes),
      figures: figuresFrom(attributes),
    })
  }
  const pickInstance = (weights: readonly number[]) => {
    let at = random() * weights.reduce((a, b) => a + b, 0)
    const index = weights.findIndex((weight) => (at -= weight) < 0)
    return `i${index < 0 ? weights.length : index + 1}`
  }
  const serve = (
    parent: number,
    who: string,
    instances: readonly number[],
    route: string,
    method: string,
    from: number,
    run: (body: Body) => void,
  ): { id: number; to: number } => {
    const self: Span = { id: ++ids, service: who, instance: pickInstance(instances), from }
    const about: Record<string, unknown> = { 'http.request.method': method, 'http.route': route }
    const body: Body = {
      random,
      now: from,
      self,
      request: of.request,
      inBurst: of.inBurst,
      state,
      between: (least, most) => least + random() * (most - least),
      work: (ms) => {
        body.now += ms * MS
      },
      query(text, ms, { attributes = {}, failed: fails = false } = {}) {
        const id = ++ids
        if (fails) failed.add(id)
        const to = body.now + ms * MS
        emit(id, self.id, self, 'CLIENT', text.split(' ').slice(0, 2).join(' '), body.now, to, {
          'db.system.name': 'postgresql',
          'db.namespace': `db-${seed}`,
          'db.query.text': text,
          ...attributes,
        })
        body.now = to
      },
      external(host, ms, attributes = {}, name = 'GET') {
        const to = body.now + ms * MS
        const all = { 'http.request.method': 'GET', 'server.address': host, ...attributes }
        const id = ++ids
        if (Number(attributes['http.response.status_code']) >= 400) failed.add(id)
        emit(id, self.id, self, 'CLIENT', name, body.now, to, all)
        body.now = to
      },
      call(
        callee,
        path,
        inner,
        {
          method = 'GET',
          transitMs = 0.5,
          failed: fails = false,
          attributes = {},
          leavesAfterMs,
          arrivesMs = transitMs,
          instances = [1, 1],
        } = {},
      ) {
        const id = ++ids
        const start = body.now
        const server = serve(id, callee, instances, path, method, start + arrivesMs * MS, inner)
        const to = leavesAfterMs === undefined ? server.to + transitMs * MS : start + leavesAfterMs * MS
        if (fails) failed.add(id)
        emit(id, self.id, self, 'CLIENT', method, start, to, {
          'http.request.method': method,
          'server.address': callee,
          ...attributes,
        })
        body.now = to
      },
      internal(name, ms) {
        const to = body.now + ms * MS
        emit(++ids, self.id, self, 'INTERNAL', name, body.now, to, {})
        body.now = to
      },
      beside(...branches) {
        const start = body.now
        let end = start
        for (const branch of branches) {
          body.now = start
          branch()
          end = Math.max(end, body.now)
        }
        body.now = end
      },
      fail(whom) {
        failed.add(self.id)
        if (whom === 'all') for (let up = self.id; up > 0; up--) failed.add(up)
      },
      describe: (attributes) => Object.assign(about, attributes),
    }
    run(body)
    emit(self.id, parent, self, 'SERVER', `${method} ${route}`, from, body.now, about)
    return { id: self.id, to: body.now }
  }
  const route = of.operation.slice(4)
  serve(0, 'gateway', [1, 1], route, 'GET', of.clock, (gateway) => {
    gateway.work(gateway.between(1, 3))
    const id = ++ids
    const start = gateway.now
    const { instances = [1, 1] } = plant
    const weights = typeof instances === 'function' ? instances(of.request) : instances
    const { to } = serve(id, service, weights, '/work', 'GET', start + 0.4 * MS, (body) => {
      body.work(body.between(0.5, 2))
      plant.body(body)
      body.work(body.between(0.5, 2))
    })
    gateway.now = to + 0.4 * MS
    emit(id, gateway.self.id, gateway.self, 'CLIENT', 'GET', start, gateway.now, {
      'http.request.method': 'GET',
      'server.address': service,
    })
    gateway.work(gateway.between(0.5, 2))
  })
}
