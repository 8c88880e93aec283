import type { Attributes } from '@opentelemetry/api'
import type { Component } from '../trace/component.ts'
import { drawNs, type Random } from './random.ts'

/** Time of own work: lognormal around the median. */
export type Work = { medianMs: number; spread: number }

/** What a service does for a request, step by step. Time passes only in own work, queries, calls out and on the wire. */
export type Step =
  | { do: 'work'; work: Work }
  | { do: 'internal'; name: string; steps: Step[] }
  | { do: 'query'; name: string; system: string; namespace: string; work: Work; attributes?: Attributes }
  | { do: 'external'; name: string; host: string; work: Work; attributes?: Attributes }
  | {
      do: 'call'
      service: string
      method: string
      route: string
      transit: Work
      steps: Step[]
      failShare?: number
      tries?: number
    }
  | { do: 'parallel'; branches: Step[][] }
  | { do: 'repeat'; least: number; most: number; steps: Step[] }
  | { do: 'publish'; system: string; destination: string; work: Work; consumer: string; steps: Step[] }

/** Where spans go. Times are ns since the start of the traffic. */
export type SpanSink<Parent> = {
  start(span: {
    service: string
    instance: number
    name: string
    kind: 'SERVER' | 'CLIENT' | 'INTERNAL' | 'PRODUCER' | 'CONSUMER'
    parent: Parent | undefined
    startNs: number
    attributes: Attributes
  }): Parent
  end(span: Parent, endNs: number, failed: boolean): void
}

export type World<Parent> = {
  random: Random
  sink: SpanSink<Parent>
  /** Instances a service runs as, and how much slower than the first each is. */
  instances: Readonly<Record<string, readonly number[]>>
  /** 0: this component's own work takes no time. The ground truth of the infinitely-fast test. */
  factorOf(component: Component): number
  /** When each queue's only consumer is free again. */
  consumerFreeNs: Map<string, number>
}

type Frame<Parent> = { service: string; instance: number; slowness: number; parent: Parent | undefined }

/** Runs a request that arrives at `startNs`; returns when it is answered. */
export function runRequest<Parent>(
  world: World<Parent>,
  entry: { service: string; method: string; route: string; steps: Step[] },
  startNs: number,
): number {
  return serve(world, entry, undefined, startNs, false)
}

function serve<Parent>(
  world: World<Parent>,
  entry: { service: string; method: string; route: string; steps: readonly Step[] },
  parent: Parent | undefined,
  startNs: number,
  failed: boolean,
): number {
  const frame = pickInstance(world, entry.service)
  const span = world.sink.start({
    ...frame,
    name: `${entry.method} ${entry.route}`,
    kind: 'SERVER',
    parent,
    startNs,
    attributes: {
      'http.request.method': entry.method,
      'http.route': entry.route,
      'url.scheme': 'http',
      'http.response.status_code': failed ? 503 : 200,
    },
  })
  const endNs = runSteps(world, { ...frame, parent: span }, entry.steps, startNs)
  world.sink.end(span, endNs, failed)
  return endNs
}

function pickInstance<Parent>(world: World<Parent>, service: string): Frame<Parent> {
  const slownesses = world.instances[service] ?? [1]
  const instance = Math.floor(world.random() * slownesses.length)
  return { service, instance, slowness: slownesses[instance]!, parent: undefined }
}

function runSteps<Parent>(
  world: World<Parent>,
  frame: Frame<Parent>,
  steps: readonly Step[],
  startNs: number,
): number {
  return steps.reduce((nowNs, step) => runStep(world, frame, step, nowNs), startNs)
}

function runStep<Parent>(world: World<Parent>, frame: Frame<Parent>, step: Step, nowNs: number): number {
  const { random } = world
  switch (step.do) {
    case 'work':
      return nowNs + workNs(world, { kind: 'service', name: frame.service }, step.work, frame.slowness)

    case 'internal': {
      const span = start(world, frame, step.name, 'INTERNAL', nowNs, {})
      const endNs = runSteps(world, { ...frame, parent: span }, step.steps, nowNs)
      world.sink.end(span, endNs, false)
      return endNs
    }

    case 'query': {
      const span = start(world, frame, step.name, 'CLIENT', nowNs, {
        'db.system.name': step.system,
        'db.namespace': step.namespace,
        'db.query.summary': step.name,
        'server.address': `${step.system}.shop.internal`,
        ...step.attributes,
      })
      const component = { kind: 'database', name: `${step.system}/${step.namespace}` } as const
      const endNs = nowNs + workNs(world, component, step.work)
      world.sink.end(span, endNs, false)
      return endNs
    }

    case 'external': {
      const span = start(world, frame, step.name, 'CLIENT', nowNs, {
        'http.request.method': step.name,
        'server.address': step.host,
        'url.full': `https://${step.host}/`,
        'http.response.status_code': 200,
        ...step.attributes,
      })
      const endNs = nowNs + workNs(world, { kind: 'external', name: step.host }, step.work)
      world.sink.end(span, endNs, false)
      return endNs
    }

    case 'call': {
      let endNs = nowNs
      for (let attempt = 0; attempt < (step.tries ?? 1); attempt++) {
        const failed = random() < (step.failShare ?? 0)
        endNs = call(world, frame, step, endNs, attempt, failed)
        if (!failed) break
      }
      return endNs
    }

    case 'parallel':
      return Math.max(...step.branches.map((branch) => runSteps(world, frame, branch, nowNs)))

    case 'repeat': {
      const times = step.least + Math.floor(random() * (step.most - step.least + 1))
      let endNs = nowNs
      for (let i = 0; i < times; i++) endNs = runSteps(world, frame, step.steps, endNs)
      return endNs
    }

    case 'publish':
      return publish(world, frame, step, nowNs)
  }
}

function call<Parent>(
  world: World<Parent>,
  frame: Frame<Parent>,
  step: Step & { do: 'call' },
  nowNs: number,
  attempt: number,
  failed: boolean,
): number {
  const span = start(world, frame, step.method, 'CLIENT', nowNs, {
    'http.request.method': step.method,
    'server.address': `${step.service}.shop.internal`,
    'url.full': `http://${step.service}.shop.internal${step.route}`,
    'http.response.status_code': failed ? 503 : 200,
    ...(attempt > 0 ? { 'http.request.resend_count': attempt } : {}),
  })
  const transit = { kind: 'network', name: `${frame.service}->${step.service}` } as const
  const arrivesNs = nowNs + workNs(world, transit, step.transit)
  const answeredNs = serve(world, step, span, arrivesNs, failed)
  const endNs = answeredNs + workNs(world, transit, step.transit)
  world.sink.end(span, endNs, failed)
  return endNs
}

/** One consumer takes messages in turn: when they come faster than it works, they wait longer and longer. */
function publish<Parent>(
  world: World<Parent>,
  frame: Frame<Parent>,
  step: Step & { do: 'publish' },
  nowNs: number,
): number {
  const messaging = { 'messaging.system': step.system, 'messaging.destination.name': step.destination }
  const producer = start(world, frame, `send ${step.destination}`, 'PRODUCER', nowNs, {
    ...messaging,
    'messaging.operation.type': 'send',
  })
  const component = { kind: 'messaging', name: `${step.system}/${step.destination}` } as const
  const sentNs = nowNs + workNs(world, component, step.work)
  world.sink.end(producer, sentNs, false)

  const takenNs = Math.max(sentNs, world.consumerFreeNs.get(step.destination) ?? 0)
  const consumer = pickInstance(world, step.consumer)
  const span = world.sink.start({
    ...consumer,
    name: `process ${step.destination}`,
    kind: 'CONSUMER',
    parent: producer,
    startNs: takenNs,
    attributes: { ...messaging, 'messaging.operation.type': 'process' },
  })
  const doneNs = runSteps(world, { ...consumer, parent: span }, step.steps, takenNs)
  world.sink.end(span, doneNs, false)
  world.consumerFreeNs.set(step.destination, doneNs)
  return sentNs
}

function start<Parent>(
  world: World<Parent>,
  frame: Frame<Parent>,
  name: string,
  kind: 'CLIENT' | 'INTERNAL' | 'PRODUCER',
  startNs: number,
  attributes: Attributes,
): Parent {
  const { service, instance, parent } = frame
  return world.sink.start({ service, instance, name, kind, parent, startNs, attributes })
}

/** Always draws, also where the answer is 0: the request stays the same request. */
function workNs<Parent>(
  world: World<Parent>,
  component: Component,
  { medianMs, spread }: Work,
  slowness = 1,
): number {
  return Math.round(drawNs(world.random, medianMs, spread) * slowness * world.factorOf(component))
}
