import { createColumns, reserve, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from './random.ts'
import { putSpan, shuffleNearby } from './span-writer.ts'

/**
 * Realistic mixed traces: requests to the endpoints of a landscape of services. Every endpoint is a program of calls one
 * after the other and side by side, loops and branches; its traces differ in times, in how often loops run and in which
 * branches are taken. Endpoints are of 5 to 500 spans, small ones as frequent as large ones. Some clocks are off, some
 * callers do not wait, some give up.
 */
type Step =
  | { do: 'work'; medianMs: number }
  | { do: 'query'; shape: number; medianMs: number }
  | { do: 'internal'; shape: number; steps: Step[] }
  | { do: 'call'; shape: number; serve: Service; transitMs: number }
  | { do: 'parallel'; branches: Step[][] }
  | { do: 'loop'; most: number; steps: Step[] }
  | { do: 'maybe'; share: number; steps: Step[] }
  | { do: 'forget'; step: Step }
type Service = { service: number; shape: number; steps: Step[] }

export type Landscape = { seed: number; endpoints: number; leastSpans: number; mostSpans: number }
export const LANDSCAPE: Landscape = { seed: 20260101, endpoints: 40, leastSpans: 5, mostSpans: 500 }

const SERVICES = [
  ...['gateway', 'mobile', 'cart', 'orders', 'catalog', 'search', 'users', 'payments'],
  ...['stock', 'prices', 'reviews', 'mail', 'ledger', 'fraud', 'images', 'audit'],
]
/** Of calls that a caller gives up, and of calls that nobody waits for. */
const TIMEOUT_SHARE = 0.01
const FORGET_SHARE = 0.03
/** Every fourth service has a clock of its own, this much off. */
const SKEW_MS = 3
/** Sigma of the logarithm of own times. */
const SPREAD = 0.6
const MS = 1e6

/**
 * Whole requests until there are `spanTotal` spans or a few more, in the order in which exporters send them. One begins
 * every `everyMs`.
 */
export function generateRequests(
  spanTotal: number,
  landscape: Landscape = LANDSCAPE,
  everyMs = 1000,
): SpanColumns {
  const columns = createColumns(createDictionary(), spanTotal + 1024)
  const endpoints = buildEndpoints(columns, landscape)
  const random = seeded(landscape.seed + 1)
  for (let trace = 1; columns.count < spanTotal; trace++) {
    const fromNs = Math.round(trace * everyMs * MS)
    runRequest(columns, endpoints[Math.floor(random() * endpoints.length)]!, trace, fromNs, random)
  }
  shuffleNearby(columns, random)
  return columns
}

/** An endpoint a size, by a geometric series; spans are dealt out to calls until they are used up. */
function buildEndpoints({ dictionary }: SpanColumns, landscape: Landscape): Service[] {
  const { seed, endpoints, leastSpans, mostSpans } = landscape
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const medianMs = (most: number) => 0.1 + random() ** 2 * most

  return Array.from({ length: endpoints }, (_, i) => {
    const spans = leastSpans * (mostSpans / leastSpans) ** (i / Math.max(1, endpoints - 1))
    return service(int(2), `endpoint ${i}`, Math.round(spans) - 1)
  })

  /** A SERVER span with about `budget` spans below it. */
  function service(index: number, name: string, budget: number): Service {
    const shape = shapeOf('SERVER', `GET /${name}`, index, {
      'http.request.method': 'GET',
      'http.route': `/${name}`,
    })
    return { service: index, shape, steps: body(index, budget) }
  }

  function body(index: number, budget: number): Step[] {
    const steps: Step[] = [{ do: 'work', medianMs: medianMs(3) }]
    while (budget > 0) {
      const part = Math.min(budget, 1 + int(Math.max(4, budget / 2)))
      budget -= part
      steps.push(...block(index, part), { do: 'work', medianMs: medianMs(2) })
    }
    return steps
  }

  function block(index: number, budget: number): Step[] {
    const kind = random()
    if (budget >= 3 && kind < 0.25) {
      const branches = 2 + int(Math.min(4, budget - 1))
      return [
        {
          do: 'parallel',
          branches: Array.from({ length: branches }, () => call(index, Math.ceil(budget / branches))),
        },
      ]
    }
    if (budget >= 3 && kind < 0.33) return [{ do: 'loop', most: 2 * budget, steps: [query(index)] }]
    if (kind < 0.45) return [{ do: 'maybe', share: 0.3 + 0.6 * random(), steps: call(index, budget) }]
    if (kind < 0.45 + FORGET_SHARE) return call(index, budget).map((step) => ({ do: 'forget', step }))
    return call(index, budget)
  }

  function call(index: number, budget: number): Step[] {
    const callees = [1, 2, 5].map((distance) => index + distance).filter((s) => s < SERVICES.length)
    if (budget >= 2 && callees.length > 0 && random() < 0.75) {
      const callee = callees[int(callees.length)]!
      const name = `${SERVICES[callee]}/${int(4)}`
      const shape = shapeOf('CLIENT', 'GET', index, {
        'http.request.method': 'GET',
        'server.address': `${SERVICES[callee]}.internal`,
      })
      return [{ do: 'call', shape, serve: service(callee, name, budget - 2), transitMs: medianMs(1) }]
    }
    if (budget >= 2) {
      const shape = shapeOf('INTERNAL', `step ${int(5)}`, index, {})
      return [{ do: 'internal', shape, steps: body(index, budget - 1) }]
    }
    return [query(index)]
  }

  function query(index: number): Step {
    const name = ['SELECT', 'SELECT', 'UPDATE', 'GET'][int(4)]!
    const shape = shapeOf('CLIENT', name, index, {
      'db.system.name': name === 'GET' ? 'redis' : 'postgresql',
      'db.namespace': SERVICES[index]!,
      'server.address': 'db.internal',
    })
    return { do: 'query', shape, medianMs: medianMs(name === 'GET' ? 1 : 10) }
  }

  function shapeOf(kind: string, name: string, index: number, attributes: Record<string, string>): number {
    const resource = {
      'service.name': SERVICES[index]!,
      'service.instance.id': `${SERVICES[index]}-1`,
      'deployment.environment.name': 'prod',
    }
    return dictionary.shape(shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes)))
  }
}

function runRequest(
  columns: SpanColumns,
  endpoint: Service,
  trace: number,
  fromNs: number,
  random: () => number,
): void {
  const high = (random() * 2 ** 32) >>> 0
  let spans = 0
  serve(endpoint, -1, fromNs)

  function put(id: number, parent: number, fromNs: number, toNs: number, shape: number, clockNs: number) {
    reserve(columns, columns.count + 1)
    const failed = random() < 0.01
    putSpan(columns, { high, trace }, id, parent, fromNs + clockNs, toNs + clockNs, failed, shape)
  }

  function serve({ service, shape, steps }: Service, parent: number, fromNs: number): number {
    const id = spans++
    const clockNs = service % 4 === 3 ? SKEW_MS * MS : 0
    const toNs = runAll(steps, id, fromNs, clockNs)
    put(id, parent, fromNs, toNs, shape, clockNs)
    return toNs
  }

  function runAll(steps: readonly Step[], parent: number, fromNs: number, clockNs: number): number {
    let nowNs = fromNs
    for (const step of steps) nowNs = run(step, parent, nowNs, clockNs)
    return nowNs
  }

  function run(step: Step, parent: number, nowNs: number, clockNs: number): number {
    switch (step.do) {
      case 'work':
        return nowNs + draw(step.medianMs)
      case 'query': {
        const endNs = nowNs + draw(step.medianMs)
        put(spans++, parent, nowNs, endNs, step.shape, clockNs)
        return endNs
      }
      case 'internal': {
        const id = spans++
        const endNs = runAll(step.steps, id, nowNs, clockNs)
        put(id, parent, nowNs, endNs, step.shape, clockNs)
        return endNs
      }
      case 'call': {
        const id = spans++
        const answeredNs = serve(step.serve, id, nowNs + draw(step.transitMs))
        let endNs = answeredNs + draw(step.transitMs)
        if (random() < TIMEOUT_SHARE) endNs = nowNs + Math.floor(0.7 * (endNs - nowNs))
        put(id, parent, nowNs, endNs, step.shape, clockNs)
        return endNs
      }
      case 'parallel': {
        let endNs = nowNs
        for (const branch of step.branches) endNs = Math.max(endNs, runAll(branch, parent, nowNs, clockNs))
        return endNs
      }
      case 'loop': {
        const times = 1 + Math.floor(random() * step.most)
        for (let i = 0; i < times; i++) nowNs = runAll(step.steps, parent, nowNs, clockNs) + draw(0.05)
        return nowNs
      }
      case 'maybe':
        return random() < step.share ? runAll(step.steps, parent, nowNs, clockNs) : nowNs
      case 'forget':
        run(step.step, parent, nowNs, clockNs)
        return nowNs
    }
  }

  /** Lognormal, ns. */
  function draw(medianMs: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return Math.round(medianMs * MS * Math.exp(SPREAD * normal))
  }
}
