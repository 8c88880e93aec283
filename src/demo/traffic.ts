import {
  type Context,
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  type IdGenerator,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions'
import type { Component } from '../trace/component.ts'
import { runRequest, type SpanSink, type World } from './program.ts'
import { createRandom, type Random } from './random.ts'
import { ENDPOINTS, GATEWAY, INSTANCES, type ShopEndpoint } from './shop.ts'

export type Traffic = {
  /** Ended spans, in the order in which they ended in virtual time a request. */
  spans: ReadableSpan[]
  /** Latency of each request, ns, by endpoint (`METHOD route`). */
  latenciesNs: Map<string, number[]>
}

/** Requests come over this long a time. */
export const TRAFFIC_MS = 25 * 60_000

/**
 * Runs the shop's traffic in virtual time, with one tracer provider of the real OpenTelemetry SDK per service instance.
 * The same seed gives the same spans, but for the time they begin at.
 */
export function runTraffic(options: {
  seed: number
  requests: number
  /** Epoch ms of the first request. */
  startMs: number
  /** Own work of this component takes no time. */
  without?: Component
}): Traffic {
  const random = createRandom(options.seed)
  const spans: ReadableSpan[] = []
  const latenciesNs = new Map<string, number[]>()
  const { without } = options
  const world: World<Traced> = {
    random,
    sink: openTelemetrySink(spans, createRandom(options.seed ^ 0x5eed), options.startMs),
    instances: INSTANCES,
    factorOf: (component) => (component.kind === without?.kind && component.name === without.name ? 0 : 1),
    consumerFreeNs: new Map(),
  }
  const stepNs = (TRAFFIC_MS * 1e6) / options.requests
  for (let i = 0; i < options.requests; i++) {
    const endpoint = pick(random)
    const startNs = Math.round((i + random()) * stepNs)
    const endNs = runRequest(world, { service: GATEWAY, ...endpoint }, startNs)
    const name = `${endpoint.method} ${endpoint.route}`
    const latencies = latenciesNs.get(name) ?? []
    latencies.push(endNs - startNs)
    latenciesNs.set(name, latencies)
  }
  return { spans, latenciesNs }
}

function pick(random: Random): ShopEndpoint {
  let left = random() * ENDPOINTS.reduce((sum, { weight }) => sum + weight, 0)
  return ENDPOINTS.find(({ weight }) => (left -= weight) < 0) ?? ENDPOINTS[0]!
}

type Traced = { span: Span; context: Context }

function openTelemetrySink(ended: ReadableSpan[], random: Random, startMs: number): SpanSink<Traced> {
  const providers = new Map<string, BasicTracerProvider>()
  const collect: SpanProcessor = {
    onStart: () => {},
    onEnd: (span) => {
      ended.push(span)
    },
    forceFlush: async () => {},
    shutdown: async () => {},
  }
  const idGenerator = createIdGenerator(random)
  const tracerOf = (service: string, instance: number) => {
    const name = `${service}-${instance + 1}`
    let provider = providers.get(name)
    if (provider === undefined) {
      provider = new BasicTracerProvider({
        resource: resourceFromAttributes({
          [ATTR_SERVICE_NAME]: service,
          [ATTR_SERVICE_VERSION]: '1.4.2',
          'service.namespace': 'shop',
          'service.instance.id': name,
          'deployment.environment.name': 'demo',
        }),
        spanProcessors: [collect],
        idGenerator,
      })
      providers.set(name, provider)
    }
    return provider.getTracer('shop')
  }
  /** Exact: ns since the start of the traffic never leave the range of whole numbers. */
  const hrTime = (ns: number): HrTime => {
    const wholeMs = Math.floor(ns / 1e6)
    const ms = startMs + wholeMs
    return [Math.floor(ms / 1000), (ms % 1000) * 1e6 + (ns - wholeMs * 1e6)]
  }
  return {
    start({ service, instance, name, kind, parent, startNs, attributes }) {
      const context = parent?.context ?? ROOT_CONTEXT
      const options = {
        kind: SpanKind[kind],
        startTime: hrTime(startNs),
        attributes,
        root: parent === undefined,
      }
      const span = tracerOf(service, instance).startSpan(name, options, context)
      return { span, context: trace.setSpan(context, span) }
    },
    end({ span }, endNs, failed) {
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(hrTime(endNs))
    },
  }
}

function createIdGenerator(random: Random): IdGenerator {
  const hex = (digits: number) => {
    let id = ''
    while (id.length < digits)
      id += Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
    return id
  }
  return { generateTraceId: () => hex(32), generateSpanId: () => hex(16) }
}
