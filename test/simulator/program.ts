import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'

/**
 * What a service does for a request. Own work, calls and transit have a site each; what a site takes in a request is
 * drawn by (request, site, occurrence), so that the same request can be run again with a component's own work gone.
 */
export type Step =
  | { do: 'work'; site: number; medianMs: number }
  | { do: 'query'; site: number; name: string; database: string; medianMs: number }
  | { do: 'call'; site: number; name: string; service: string; transitMs: number; steps: Step[] }
  | { do: 'internal'; name: string; steps: Step[] }
  /** Branches side by side; all are waited for. A branch of several steps is concurrency that no span shows. */
  | { do: 'parallel'; branches: Step[][] }
  /** The caller computes while the call is under way; both are waited for. */
  | { do: 'beside'; call: Step; work: Step }
  /** Started and not waited for. */
  | { do: 'forget'; step: Step }

export type World = {
  seed: number
  service: string
  operation: string
  steps: Step[]
  /** Offset of each service's clock, ns. */
  clockNs: Map<string, number>
}

export type FamilyOptions = { hidden: boolean; beside: boolean; forget: boolean; skewMs: number }

export const FAMILIES: Readonly<Record<string, FamilyOptions>> = {
  joined: { hidden: false, beside: false, forget: false, skewMs: 0 },
  hidden: { hidden: true, beside: false, forget: false, skewMs: 0 },
  'hidden, beside': { hidden: true, beside: true, forget: false, skewMs: 0 },
  'hidden, forget, skew': { hidden: true, beside: false, forget: true, skewMs: 5 },
}

/** Sigma of the logarithm of own times. */
const SPREAD = 0.6

export function createWorld(seed: number, family: FamilyOptions): World {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const pick = <T>(items: readonly T[]): T => items[int(items.length)]!
  const services = ['cart', 'orders', 'stock', 'users', 'mail', 'search'].slice(0, 3 + int(4))
  const databases = ['orders', 'stock', 'users'].slice(0, 1 + int(3))
  let site = 0
  const medianMs = (most: number) => 0.3 + random() ** 2 * most

  const work = (): Step => ({ do: 'work', site: site++, medianMs: medianMs(6) })
  // Few names: the same callee is called from several places.
  const query = (): Step => {
    const database = pick(databases)
    return { do: 'query', site: site++, name: pick(['SELECT', 'UPDATE']), database, medianMs: medianMs(25) }
  }
  const call = (depth: number): Step => {
    const service = pick(services)
    return {
      do: 'call',
      site: site++,
      name: `GET /${service}/${int(2)}`,
      service,
      transitMs: medianMs(1),
      steps: body(depth + 1),
    }
  }
  const leaf = (depth: number): Step => (depth < 2 && random() < 0.4 ? call(depth) : query())
  const chain = (depth: number, length: number): Step[] =>
    Array.from({ length }, () => [work(), leaf(depth)]).flat()
  function body(depth: number): Step[] {
    const steps: Step[] = [work()]
    const parts = depth === 0 ? 2 + int(3) : 1 + int(3)
    for (let i = 0; i < parts; i++) {
      const kind = random()
      if (kind < (depth === 0 ? 0.5 : 0.3)) {
        const branches = Array.from({ length: 2 + int(2) }, () =>
          family.hidden ? chain(depth, 1 + int(3)) : [leaf(depth)],
        )
        steps.push({ do: 'parallel', branches })
      } else if (family.beside && kind < 0.65)
        steps.push({ do: 'beside', call: leaf(depth), work: { ...work(), medianMs: medianMs(20) } as Step })
      else if (family.forget && kind < 0.65) steps.push({ do: 'forget', step: leaf(depth) })
      else if (depth < 2 && kind > 0.9)
        steps.push({ do: 'internal', name: `step ${int(3)}`, steps: [work(), leaf(depth)] })
      else steps.push(leaf(depth))
      steps.push(work())
    }
    return steps
  }
  const steps = body(0)
  const clockNs = new Map(
    ['gateway', ...services].map((s) => [s, Math.round((random() * 2 - 1) * family.skewMs * 1e6)]),
  )
  return { seed, service: 'gateway', operation: 'GET /', steps, clockNs }
}

/** `kind name`, as the rules charge it. */
export type FactorOf = (component: string) => number

export type Observed = { columns: SpanColumns; latenciesNs: Float64Array }

/** Runs requests [first, first + count); with `factorOf`, what they would have taken. */
export function runWorld(world: World, first: number, count: number, factorOf: FactorOf = () => 1): Observed {
  const columns = createColumns(createDictionary(), count * 40)
  const latenciesNs = new Float64Array(count)
  const keys = new Map<string, string>()
  for (let i = 0; i < count; i++) {
    latenciesNs[i] = runRequest(
      world,
      first + i,
      factorOf,
      columns,
      keys,
      BigInt(first + i) * 10_000_000_000n,
    )
  }
  return { columns, latenciesNs }
}

/** What the same requests take, without their traces. */
export function runAgain(world: World, first: number, count: number, factorOf: FactorOf): Float64Array {
  return Float64Array.from({ length: count }, (_, i) =>
    runRequest(world, first + i, factorOf, undefined, new Map(), 0n),
  )
}

/** The same for several ways to change them, each request's own times drawn once: latencies by way. */
export function runAgainEach(
  world: World,
  first: number,
  count: number,
  ways: readonly FactorOf[],
): Float64Array[] {
  const latencies = ways.map(() => new Float64Array(count))
  const keys = new Map<string, string>()
  for (let i = 0; i < count; i++) {
    const drawn: number[] = []
    ways.forEach((factorOf, way) => {
      latencies[way]![i] = runRequest(world, first + i, factorOf, undefined, keys, 0n, drawn)
    })
  }
  return latencies
}

const EPOCH_NS = 1_767_225_600_000_000_123n

function runRequest(
  world: World,
  request: number,
  factorOf: FactorOf,
  columns: SpanColumns | undefined,
  keys: Map<string, string>,
  atNs: bigint,
  /** Times drawn already, by site and how often it was met. */
  drawn: number[] = [],
): number {
  const occurrences = new Map<number, number>()
  let spans = 0
  const traceId =
    columns === undefined ? '' : (BigInt(world.seed >>> 0) * 1_000_003n + BigInt(request) + 1n).toString(16)

  /** Lognormal, from the request, the site and how often it was met: independent of everything timed. */
  const draw = (site: number, medianMs: number, component: string): number => {
    const times = occurrences.get(site) ?? 0
    occurrences.set(site, times + 1)
    let ns = drawn[site * 64 + times]
    if (ns === undefined) {
      const random = seeded(
        Math.imul(world.seed + 1, 0x9e3779b1) ^
          Math.imul(request + 1, 0x85ebca6b) ^
          Math.imul(site * 64 + times + 1, 0xc2b2ae35),
      )
      random()
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
      ns = Math.round(medianMs * 1e6 * Math.exp(SPREAD * normal))
      drawn[site * 64 + times] = ns
    }
    return ns * factorOf(component)
  }
  const emit = (
    id: number,
    parent: number,
    service: string,
    kind: string,
    name: string,
    from: number,
    to: number,
    attributes: Record<string, string>,
  ) => {
    if (columns === undefined) return
    const key = `${service} ${kind} ${name} ${JSON.stringify(attributes)}`
    let shapeKey = keys.get(key)
    if (shapeKey === undefined) {
      shapeKey = shapeKeyOf(shapeFieldsFrom(kind, name, { 'service.name': service }, attributes))
      keys.set(key, shapeKey)
    }
    const clock = BigInt(world.clockNs.get(service) ?? 0)
    appendSpan(columns, {
      traceId,
      spanId: id.toString(16),
      parentSpanId: parent === 0 ? '' : parent.toString(16),
      startNs: EPOCH_NS + atNs + BigInt(from) + clock,
      endNs: EPOCH_NS + atNs + BigInt(to) + clock,
      status: 0,
      shapeKey,
    })
  }
  const runAll = (steps: readonly Step[], service: string, parent: number, from: number): number =>
    steps.reduce((now, step) => run(step, service, parent, now), from)
  const run = (step: Step, service: string, parent: number, now: number): number => {
    switch (step.do) {
      case 'work':
        return now + draw(step.site, step.medianMs, `service ${service}`)
      case 'query': {
        const end = now + draw(step.site, step.medianMs, `database postgresql/${step.database}`)
        emit(++spans, parent, service, 'CLIENT', step.name, now, end, {
          'db.system.name': 'postgresql',
          'db.namespace': step.database,
        })
        return end
      }
      case 'call': {
        const client = ++spans
        const server = ++spans
        const transit = `network ${service}->${step.service}`
        const arrives = now + draw(step.site, step.transitMs, transit)
        const answered = runAll(step.steps, step.service, server, arrives)
        const end = answered + draw(step.site, step.transitMs, transit)
        emit(client, parent, service, 'CLIENT', step.name, now, end, {})
        emit(server, client, step.service, 'SERVER', step.name, arrives, answered, {})
        return end
      }
      case 'internal': {
        const id = ++spans
        const end = runAll(step.steps, service, id, now)
        emit(id, parent, service, 'INTERNAL', step.name, now, end, {})
        return end
      }
      case 'parallel':
        return Math.max(...step.branches.map((branch) => runAll(branch, service, parent, now)))
      case 'beside':
        return Math.max(run(step.call, service, parent, now), run(step.work, service, parent, now))
      case 'forget':
        run(step.step, service, parent, now)
        return now
    }
  }
  const root = ++spans
  const end = runAll(world.steps, world.service, root, 0)
  emit(root, 0, world.service, 'SERVER', world.operation, 0, end, {})
  return end
}
