import { z } from '@hono/zod-openapi'
import { COMPONENT_KINDS } from '../trace/component.ts'
import { REPAIR_KINDS } from '../trace/repair.ts'

const Ns = z.number().openapi({ description: 'Nanoseconds' })

export const Component = z.object({ kind: z.enum(COMPONENT_KINDS), name: z.string() })

export const Distribution = z.object({ p50Ns: Ns, p95Ns: Ns, p99Ns: Ns, meanNs: Ns }).openapi('Distribution')

const Verdict = z.enum(['bottleneck', 'contributor', 'not a bottleneck', 'target-met', 'leader'])

const Exemplars = z
  .object({ typical: z.array(z.string()), worst: z.array(z.string()) })
  .openapi('Exemplars', { description: 'Trace ids' })

export const BottleneckComponent = Component.extend({
  criticalShare: z.number().openapi({ description: 'Share of all time, on the critical path' }),
  presentShare: z.number().openapi({ description: 'Share of samples it is on the path of' }),
  ifInstant: Distribution,
  p95Interval: z
    .tuple([Ns, Ns])
    .nullable()
    .openapi({ description: '95 % confidence interval of ifInstant.p95Ns; null: too few samples' }),
  verdict: Verdict,
  exemplars: Exemplars,
})

export const Bottleneck = z
  .object({
    service: z.string(),
    operation: z.string(),
    scope: z.enum(['trace', 'service']),
    environment: z.string(),
    namespace: z.string(),
    entries: z.number().int().openapi({ description: 'Samples' }),
    observed: Distribution,
    components: z.array(BottleneckComponent),
    exemplars: Exemplars,
  })
  .openapi('Bottleneck')

export const Endpoint = z
  .object({
    service: z.string(),
    operation: z.string(),
    scope: z.enum(['trace', 'service']),
    environment: z.string(),
    namespace: z.string(),
    entries: z.number().int(),
    ratePerSecond: z.number(),
    errorShare: z.number(),
    p50Ns: Ns,
    p95Ns: Ns,
    p99Ns: Ns,
    leader: Component.nullable().openapi({ description: 'The component that would save most at p95' }),
    verdict: Verdict.nullable().openapi({ description: "The leader's verdict" }),
  })
  .openapi('Endpoint')

export const ComponentTotal = Component.extend({
  endpoints: z.number().int(),
  entries: z.number().int().openapi({ description: 'Samples it is on the path of' }),
  criticalShare: z.number().openapi({ description: 'Share of the time of all endpoints' }),
  savedNs: Ns.openapi({ description: 'Latency that all samples together would save without it' }),
  worstEndpoint: z.object({ service: z.string(), operation: z.string(), savedP95Ns: Ns }),
}).openapi('ComponentTotal')

export const TraceSummary = z
  .object({
    traceId: z.string(),
    spanId: z.string(),
    environment: z.string(),
    namespace: z.string(),
    service: z.string(),
    operation: z.string(),
    scope: z.string(),
    startUnixNano: z.string(),
    durationNs: Ns,
    queueWaitNs: Ns,
    isError: z.boolean(),
    components: z.array(z.object({ kind: z.string(), name: z.string(), criticalNs: Ns, ifInstantNs: Ns })),
  })
  .openapi('TraceSummary')

const Attributes = z.record(z.string(), z.string())

export const Trace = z
  .object({
    traceId: z.string(),
    spans: z.array(
      z.object({
        spanId: z.string(),
        parentSpanId: z.string(),
        service: z.string(),
        operation: z.string(),
        kind: z.string(),
        startUnixNano: z.string(),
        durationNs: Ns,
        status: z.string(),
        statusMessage: z.string(),
        attributes: Attributes,
        resource: Attributes,
        events: z.array(z.object({ timeUnixNano: z.string(), name: z.string(), attributes: Attributes })),
        links: z.array(
          z.object({
            traceId: z.string(),
            spanId: z.string(),
            traceState: z.string(),
            attributes: Attributes,
          }),
        ),
      }),
    ),
    repairs: z.array(
      z.object({ kind: z.enum(REPAIR_KINDS), spanId: z.string(), shiftNs: z.number().optional() }),
    ),
    entries: z.array(
      z.object({
        spanId: z.string(),
        service: z.string(),
        operation: z.string(),
        kind: z.enum(['root', 'orphan', 'consumer']),
        startUnixNano: z.string(),
        durationNs: Ns,
        queueWaitNs: Ns,
        criticalPath: z.array(z.object({ spanId: z.string(), component: Component, startNs: Ns, endNs: Ns })),
        components: z.array(
          Component.extend({ criticalNs: Ns, ifInstantNs: Ns, bound: z.literal(true).optional() }),
        ),
      }),
    ),
  })
  .openapi('Trace')
