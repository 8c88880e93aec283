import { createColumns, reserve, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from './random.ts'
import { putSpan, shuffleNearby } from './span-writer.ts'

const SERVICES = ['gateway', 'cart', 'orders', 'payments', 'stock', 'users', 'search', 'mail']

export const SHAPES = [
  'mixed',
  'sequential',
  'touching',
  'staircase',
  'fan',
  'chain',
  'after the end',
] as const
export type TraceShape = (typeof SHAPES)[number]

/** Writes traces of one shape straight into columns, without an object a span. */
export function generateTraces(
  shape: TraceShape,
  spanTotal: number,
  spansATrace: () => number,
  seed: number,
): SpanColumns {
  const random = seeded(seed)
  const dictionary = createDictionary()
  const columns = createColumns(dictionary, spanTotal)
  const keys = {
    server: SERVICES.map((service) =>
      dictionary.shape(
        key('SERVER', `GET /${service}`, service, {
          'http.request.method': 'GET',
          'http.route': `/${service}/{id}`,
        }),
      ),
    ),
    client: SERVICES.map((service) =>
      dictionary.shape(
        key('CLIENT', 'GET', service, { 'http.request.method': 'GET', 'server.address': 'mesh' }),
      ),
    ),
    internal: SERVICES.map((service) => dictionary.shape(key('INTERNAL', 'handle', service, {}))),
    database: SERVICES.map((service) =>
      dictionary.shape(
        key('CLIENT', 'SELECT', service, { 'db.system.name': 'postgresql', 'db.namespace': service }),
      ),
    ),
  }
  let trace = 0
  while (columns.count < spanTotal) {
    trace++
    const size = Math.min(spansATrace(), spanTotal - columns.count)
    reserve(columns, columns.count + size)
    const high = (random() * 2 ** 32) >>> 0
    const put = (index: number, parent: number, startNs: number, endNs: number, shapeId: number) => {
      putSpan(columns, { high, trace }, index, parent, startNs, endNs, random() < 0.01, shapeId)
    }
    const base = trace * 1_000_000
    if (shape === 'mixed') mixedTrace(size, base, put)
    else shapedTrace(shape, size, base, put)
  }
  shuffleNearby(columns, random)
  return columns

  /** Calls over services: SERVER, its INTERNAL work, database calls, CLIENT -> SERVER; some parallel, some overrun. */
  function mixedTrace(size: number, base: number, put: Put) {
    type Open = {
      index: number
      service: number
      from: number
      to: number
      kind: 'server' | 'client' | 'internal'
    }
    const length = size * 1_000_003
    put(0, -1, base, base + length, keys.server[0]!)
    const open: Open[] = [{ index: 0, service: 0, from: base, to: base + length, kind: 'server' }]
    let next = 1
    for (let at = 0; next < size; at++) {
      const parent = open[at % open.length]!
      const children = parent.kind === 'client' ? 1 : 1 + Math.floor(random() * 6)
      const step = (parent.to - parent.from) / (children + 1)
      const parallel = random() < 0.2
      for (let c = 0; c < children && next < size; c++) {
        const from = Math.floor(parent.from + (parallel ? 0.1 : c + 0.3) * step)
        let to = Math.floor(from + step * (0.3 + 0.7 * random()) * (parallel ? children * 0.8 : 1))
        if (random() < 0.04) to += Math.floor(step)
        const kind =
          parent.kind === 'client'
            ? 'server'
            : random() < 0.35
              ? 'database'
              : random() < 0.5
                ? 'client'
                : 'internal'
        const service = kind === 'server' ? Math.floor(random() * SERVICES.length) : parent.service
        put(next, parent.index, from, to, keys[kind][service]!)
        if (kind !== 'database') open.push({ index: next, service, from, to, kind })
        next++
      }
      if (at > open.length * 3) open.push(open[0]!)
    }
  }

  function shapedTrace(shape: TraceShape, size: number, base: number, put: Put) {
    const step = 10_007
    const total = size * step
    put(0, -1, base, base + total, keys.server[0]!)
    for (let i = 1; i < size; i++) {
      const shapeId = keys.database[i % SERVICES.length]!
      const from = base + i * step
      if (shape === 'sequential') put(i, 0, from, from + step - 501, shapeId)
      else if (shape === 'touching') put(i, 0, from, from + step, shapeId)
      else if (shape === 'staircase') put(i, 0, from, Math.min(base + total, from + 3 * step), shapeId)
      else if (shape === 'fan') put(i, 0, base + (i % 100), base + total - (i % 1000), shapeId)
      else if (shape === 'chain') {
        put(
          i,
          i - 1,
          base + i * 100,
          base + total - i * 100,
          keys[i % 2 === 0 ? 'server' : 'client'][(i >> 1) % 8]!,
        )
      } else put(i, 0, base + total + 1 + i * step, base + total + (i + 1) * step, shapeId)
    }
  }
}

type Put = (index: number, parent: number, startNs: number, endNs: number, shapeId: number) => void

function key(kind: string, name: string, service: string, attributes: Record<string, string>): string {
  const resource = {
    'service.name': service,
    'service.instance.id': `${service}-1`,
    'deployment.environment.name': 'prod',
  }
  return shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes))
}
