import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'
import type { FactorOf, Observed } from './program.ts'

/**
 * A second simulator, unlike the first where it can be: services whose operations are one program each, whoever calls
 * them; calls that are made with a probability, in loops of varying length, started now and awaited later; own work at
 * the end of branches; times of many distributions; several instances a service with clocks of their own.
 */
export type LandscapeOptions = {
  /** Branches of several steps, own work at their ends. */
  hidden?: boolean
  /** Calls started and awaited after other work and other calls. */
  await?: boolean
  /** Calls made with a probability, loops, either-or. */
  varying?: boolean
  forget?: boolean
  /** Calls that are given up or tried again, queues. */
  failing?: boolean
  /** Clocks of instances apart, and every reading off by up to, ms. */
  skewMs?: number
  jitterMs?: number
  wholeMs?: boolean
  instances?: number
}

export const LANDSCAPES: Readonly<Record<string, LandscapeOptions>> = {
  joined: {},
  varying: { varying: true },
  hidden: { hidden: true },
  'hidden, await': { hidden: true, await: true },
  'hidden, varying': { hidden: true, varying: true },
  'hidden, forget, skew, jitter': { hidden: true, forget: true, skewMs: 5, jitterMs: 0.05, instances: 3 },
  'hidden, whole ms': { hidden: true, wholeMs: true },
  'hidden, failing': { hidden: true, failing: true },
  everything: {
    hidden: true,
    await: true,
    varying: true,
    forget: true,
    failing: true,
    skewMs: 3,
    jitterMs: 0.05,
    instances: 2,
  },
}

/** Draws a time in ms. */
type Times = (random: () => number) => number
type Act =
  | { act: 'spend'; id: number; times: Times }
  | { act: 'query'; id: number; name: string; system: string; database: string; times: Times }
  | { act: 'external'; id: number; host: string; times: Times }
  | { act: 'call'; id: number; operation: Operation; transit: Times; deadlineMs?: number; tries: number }
  | { act: 'function'; id: number; name: string; acts: Act[] }
  | { act: 'all'; branches: Act[][] }
  | { act: 'maybe'; id: number; share: number; acts: Act[]; otherwise: Act[] }
  | { act: 'loop'; id: number; most: number; acts: Act[] }
  | { act: 'await'; started: Act[]; meanwhile: Act[] }
  | { act: 'forget'; acts: Act[] }
  | { act: 'publish'; id: number; topic: string; times: Times; operation: Operation }

type Operation = { service: string; name: string; route: string; style: 'client' | 'bare'; acts: Act[] }

export type Landscape = { seed: number; entry: Operation; options: LandscapeOptions }

export function createLandscape(seed: number, options: LandscapeOptions): Landscape {
  const random = seeded(seed ^ 0x5bd1e995)
  const int = (n: number) => Math.floor(random() * n)
  const pick = <T>(items: readonly T[]): T => items[int(items.length)]!
  let ids = 0

  const times = (mostMs: number): Times => {
    const ms = 0.2 + random() ** 2 * mostMs
    switch (int(6)) {
      case 0:
        return (r) => -ms * Math.log(1 - r())
      case 1:
        return (r) => (r() < 0.8 ? ms * (0.4 + 0.2 * r()) : ms * (3 + 2 * r()))
      case 2:
        return () => ms
      case 3:
        return (r) => ms * (0.5 + r())
      case 4:
        return (r) => (ms / 3) * -Math.log((1 - r()) * (1 - r()) * (1 - r()))
      default: {
        const sigma = 0.2 + random()
        return (r) => ms * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - r())) * Math.cos(2 * Math.PI * r()))
      }
    }
  }
  const spend = (mostMs = 5): Act => ({ act: 'spend', id: ids++, times: times(mostMs) })

  /** Operations of a level call those of the next: fewer than there are callers, so they are shared. */
  const levels: Operation[][] = [[], [], []]
  const names = ['basket', 'price', 'stock', 'account', 'review', 'ship']
  const leaf = (level: number): Act => {
    const below = levels[level + 1]
    if (below !== undefined && below.length > 0 && random() < 0.5) {
      const operation = pick(below)
      const failing = options.failing === true && random() < 0.4
      return {
        act: 'call',
        id: ids++,
        operation,
        transit: times(1),
        ...(failing && random() < 0.5 ? { deadlineMs: 15 + 30 * random() } : {}),
        tries: failing ? 3 : 1,
      }
    }
    if (random() < 0.15) {
      return { act: 'external', id: ids++, host: pick(['api.pay.example', 'geo.example']), times: times(20) }
    }
    return {
      act: 'query',
      id: ids++,
      name: pick(['SELECT items', 'SELECT users', 'INSERT', 'get']),
      system: pick(['mysql', 'redis']),
      database: pick(['main', 'side']),
      times: times(18),
    }
  }
  const step = (level: number): Act[] => {
    if (options.varying && random() < 0.3) {
      return [
        { act: 'maybe', id: ids++, share: 0.2 + 0.7 * random(), acts: [spend(), leaf(level)], otherwise: [] },
      ]
    }
    if (random() < 0.2)
      return [{ act: 'function', id: ids++, name: `fn${int(4)}`, acts: [spend(), leaf(level), spend(2)] }]
    return [leaf(level)]
  }
  const branch = (level: number): Act[] => {
    if (!options.hidden) return [leaf(level)]
    const acts: Act[] = []
    const length = 1 + int(3)
    for (let i = 0; i < length; i++) acts.push(spend(3), ...step(level))
    if (random() < 0.3) acts.push(spend(8))
    return acts
  }
  const part = (level: number): Act[] => {
    const kind = random()
    if (kind < 0.35)
      return [{ act: 'all', branches: Array.from({ length: 2 + int(2) }, () => branch(level)) }]
    if (options.await && kind < 0.6) {
      const meanwhile = random() < 0.5 ? [spend(20)] : [spend(10), leaf(level), spend(5)]
      return [{ act: 'await', started: [leaf(level)], meanwhile }]
    }
    if (options.varying && kind < 0.7) {
      if (random() < 0.5) return [{ act: 'loop', id: ids++, most: 4, acts: [leaf(level), spend(1)] }]
      return [{ act: 'maybe', id: ids++, share: 0.5, acts: step(level), otherwise: [spend(), leaf(level)] }]
    }
    if (options.forget && kind < 0.75) return [{ act: 'forget', acts: [spend(1), leaf(level)] }]
    if (options.failing && kind > 0.93 && level < 2) {
      return [
        {
          act: 'publish',
          id: ids++,
          topic: pick(['orders', 'mails']),
          times: times(2),
          operation: pick(levels[2]!),
        },
      ]
    }
    return step(level)
  }
  const program = (level: number): Act[] => {
    const acts: Act[] = [spend()]
    const parts = level === 0 ? 3 + int(2) : 1 + int(2)
    for (let i = 0; i < parts; i++) acts.push(...part(level), spend(4))
    return acts
  }
  for (let level = 2; level >= 0; level--) {
    const count = level === 0 ? 1 : 3
    for (let i = 0; i < count; i++) {
      const service = level === 0 ? 'front' : pick(names)
      levels[level]!.push({
        service,
        name: pick(['Get', 'List', 'Check']),
        route: `/${service}/${level}${i}/{id}`,
        style: random() < 0.75 ? 'client' : 'bare',
        acts: program(level),
      })
    }
  }
  return { seed, entry: levels[0]![0]!, options }
}

const EPOCH_NS = 1_767_225_600_000_000_000n

/** Runs requests [0, count); with `factorOf`, what they would have taken (ns, rounded); without columns, only that. */
export function runLandscape(
  landscape: Landscape,
  count: number,
  factorOf: FactorOf = () => 1,
  record = true,
): Observed {
  const columns = createColumns(createDictionary(), record ? count * 40 : 1)
  const keys = new Map<string, string>()
  const latenciesNs = Float64Array.from({ length: count }, (_, request) =>
    runRequest(landscape, request, factorOf, record ? columns : undefined, keys),
  )
  return { columns, latenciesNs }
}

/** A thread of a request: where it runs, under which span, and its path through the program, which keys its draws. */
type Place = { service: string; instance: number; span: number; key: number }

function runRequest(
  { seed, entry, options }: Landscape,
  request: number,
  factorOf: FactorOf,
  columns: SpanColumns | undefined,
  keys: Map<string, string>,
): number {
  let spans = 0
  const traceId = (BigInt(seed >>> 0) * 7_919n + BigInt(request) * 1_000_000_007n + 12345n).toString(16)
  const mix = (a: number, b: number) =>
    Math.imul(a ^ Math.imul(b + 0x9e37, 0x85ebca6b), 0xc2b2ae35) ^ (a >>> 15)
  const randomOf = (key: number, salt: number) => {
    const random = seeded(mix(mix(mix(seed + 77, request), key), salt))
    random()
    return random
  }
  const draw = (times: Times, id: number, key: number, component: string) =>
    Math.round(times(randomOf(key, id)) * 1e6) * factorOf(component)
  const clockNs = (service: string, instance: number) => {
    let hash = 17
    for (const letter of `${service}${instance}`) hash = mix(hash, letter.charCodeAt(0))
    return (seeded(hash ^ seed)() * 2 - 1) * (options.skewMs ?? 0) * 1e6
  }
  const read = (ns: number, service: string, instance: number, salt: number) => {
    const jitter = (randomOf(salt, 0x717)() * 2 - 1) * (options.jitterMs ?? 0) * 1e6
    const clock =
      EPOCH_NS +
      BigInt(request) * 5_000_000_000n +
      BigInt(Math.round(ns + clockNs(service, instance) + jitter))
    return options.wholeMs ? (clock / 1_000_000n) * 1_000_000n : clock
  }
  const emit = (
    id: number,
    { service, instance, span }: Place,
    kind: string,
    name: string,
    from: number,
    to: number,
    attributes: Record<string, string>,
    failed = false,
  ) => {
    if (columns === undefined) return
    const resource: Record<string, string> = {
      'service.name': service,
      'service.instance.id': `${service}-${instance}`,
    }
    const text = `${service} ${instance} ${kind} ${name} ${JSON.stringify(attributes)}`
    let shapeKey = keys.get(text)
    if (shapeKey === undefined) {
      shapeKey = shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes))
      keys.set(text, shapeKey)
    }
    const startNs = read(from, service, instance, 2 * id)
    const endNs = read(to, service, instance, 2 * id + 1)
    appendSpan(columns, {
      traceId,
      spanId: (id + 16).toString(16),
      parentSpanId: span === 0 ? '' : (span + 16).toString(16),
      startNs,
      endNs: endNs < startNs ? startNs : endNs,
      status: failed ? 2 : 0,
      shapeKey,
    })
  }
  const runAll = (acts: readonly Act[], place: Place, from: number): number =>
    acts.reduce((now, act) => run(act, place, now), from)
  const instanceOf = (key: number) => Math.floor(randomOf(key, 0x1257)() * (options.instances ?? 1))

  const serve = (operation: Operation, parent: number, key: number, at: number, kind: string): number => {
    const instance = instanceOf(key)
    const span = ++spans
    const end = runAll(operation.acts, { service: operation.service, instance, span, key }, at)
    const place = { service: operation.service, instance, span: parent, key }
    if (kind === 'CONSUMER') {
      emit(span, place, kind, `${operation.name} process`, at, end, { 'messaging.system': 'kafka' })
    } else {
      const attributes = { 'http.request.method': 'GET', 'http.route': operation.route }
      emit(span, place, kind, `${operation.name} ${operation.route}`, at, end, attributes)
    }
    return end
  }
  const run = (act: Act, place: Place, now: number): number => {
    const { service, key } = place
    switch (act.act) {
      case 'spend':
        return now + draw(act.times, act.id, key, `service ${service}`)
      case 'query': {
        const end = now + draw(act.times, act.id, key, `database ${act.system}/${act.database}`)
        const attributes = { 'db.system.name': act.system, 'db.namespace': act.database }
        emit(++spans, place, 'CLIENT', act.name, now, end, attributes)
        return end
      }
      case 'external': {
        const end = now + draw(act.times, act.id, key, `external ${act.host}`)
        emit(++spans, place, 'CLIENT', 'POST', now, end, { 'server.address': act.host })
        return end
      }
      case 'call': {
        let at = now
        for (let attempt = 1; ; attempt++) {
          const { end, failed } = callOnce(act, place, at, mix(key, act.id * 8 + attempt))
          at = end
          if (!failed || attempt >= act.tries) return at
          at += draw(() => 2 * attempt, act.id, mix(key, attempt), `service ${service}`)
        }
      }
      case 'function': {
        const span = ++spans
        const end = runAll(act.acts, { ...place, span, key: mix(key, act.id) }, now)
        emit(span, place, 'INTERNAL', act.name, now, end, {})
        return end
      }
      case 'all':
        return Math.max(...act.branches.map((branch) => runAll(branch, place, now)))
      case 'maybe':
        return runAll(randomOf(key, act.id)() < act.share ? act.acts : act.otherwise, place, now)
      case 'loop': {
        const turns = Math.floor(randomOf(key, act.id)() * (act.most + 1))
        let at = now
        for (let turn = 0; turn < turns; turn++)
          at = runAll(act.acts, { ...place, key: mix(key, act.id + turn * 64) }, at)
        return at
      }
      case 'await':
        return Math.max(runAll(act.started, place, now), runAll(act.meanwhile, place, now))
      case 'forget':
        runAll(act.acts, place, now)
        return now
      case 'publish': {
        const span = ++spans
        const end = now + draw(act.times, act.id, key, `messaging kafka/${act.topic}`)
        const attributes = { 'messaging.system': 'kafka', 'messaging.destination.name': act.topic }
        emit(span, place, 'PRODUCER', `${act.topic} send`, now, end, attributes)
        serve(act.operation, span, mix(key, act.id), end + 3e6, 'CONSUMER')
        return end
      }
    }
  }
  const callOnce = (act: Act & { act: 'call' }, place: Place, now: number, key: number) => {
    const { operation, transit, deadlineMs } = act
    const { service } = place
    const fails = act.tries > 1 && randomOf(key, 0xfa11)() < 0.15
    if (operation.style === 'bare') {
      // No client span: transit is the caller's own time.
      const arrives = now + draw(transit, act.id, key, `service ${service}`)
      const answered = serve(operation, place.span, key, arrives, 'SERVER')
      return { end: answered + draw(transit, act.id + 1, key, `service ${service}`), failed: fails }
    }
    const client = ++spans
    const wire = `network ${service}->${operation.service}`
    const arrives = now + draw(transit, act.id, key, wire)
    const answered = serve(operation, client, key, arrives, 'SERVER')
    const answer = answered + draw(transit, act.id + 1, key, wire)
    const late = deadlineMs !== undefined && answer > now + deadlineMs * 1e6
    const end = late ? Math.round(now + deadlineMs * 1e6) : answer
    const attributes = { 'http.request.method': 'GET', 'server.address': operation.service }
    emit(client, place, 'CLIENT', 'GET', now, end, attributes, late || fails)
    return { end, failed: late || fails }
  }
  return serve(entry, 0, 1, 0, 'SERVER')
}
