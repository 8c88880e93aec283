import { z } from '@hono/zod-openapi'
import { PATTERNS } from '../findings/patterns.ts'
import { COMPONENT_KINDS } from '../trace/component.ts'
import { REPAIR_KINDS } from '../trace/repair.ts'

export const Ns = z.number().openapi({ description: 'Nanoseconds' })

export const Component = z.object({ kind: z.enum(COMPONENT_KINDS), name: z.string() })

export const Distribution = z.object({ p50Ns: Ns, p95Ns: Ns, p99Ns: Ns, meanNs: Ns }).openapi('Distribution')

const interval = (what: string) =>
  z
    .tuple([Ns, Ns])
    .nullable()
    .openapi({ description: `95 % confidence interval of ${what}; null: too few samples` })
const needMore = z.number().int().optional()
const range = z.tuple([Ns, Ns])

export const Intervals = z.object({
  p50Interval: interval('p50Ns'),
  p95Interval: interval('p95Ns'),
  p99Interval: interval('p99Ns'),
  meanInterval: interval('meanNs'),
  needMore: z
    .object({ p50: needMore, p95: needMore, p99: needMore, mean: needMore })
    .optional()
    .openapi({ description: 'How many more samples as these an interval needs, where there is none' }),
  structuralRange: z
    .object({ p50Ns: range, p95Ns: range, p99Ns: range, meanNs: range })
    .optional()
    .openapi({
      description:
        'Percentiles and mean if calls waited for as little, and for as much, as the evidence allows, where it leaves ' +
        'that open; the intervals cover both',
    }),
})

export const Verdict = z.enum(['bottleneck', 'contributor', 'not a bottleneck', 'target-met', 'leader'])

export const Exemplars = z
  .object({ typical: z.array(z.string()), worst: z.array(z.string()) })
  .openapi('Exemplars', {
    description:
      'Trace ids. worst: the slowest, of a component where it would save most; typical: next to the median, of a component ' +
      'to what it saves on average where it is present. A minute keeps one of each for a component: after the first there ' +
      'may be others in between',
  })

const scope = z.enum(['trace', 'service'])

export const Finding = z
  .object({
    pattern: z.enum(PATTERNS.map(({ id }) => id)),
    title: z.string(),
    service: z.string(),
    operation: z.string(),
    scope,
    environment: z.string(),
    namespace: z.string(),
    component: Component.openapi({ description: 'What it explains' }),
    code: z
      .object({ service: z.string(), caller: z.string(), operation: z.string() })
      .openapi({ description: 'Whose code it is, the operation that does it, and what it does' }),
    entries: z.number().int().openapi({ description: 'Samples of the endpoint' }),
    samples: z.number().int().openapi({ description: 'Samples that show it' }),
    amount: z.number().openapi({ description: 'Of what the pattern counts, median where it is found' }),
    spentNs: Ns.openapi({ description: 'Time spent on it, median where it is found' }),
    saved: Distribution.openapi({
      description: 'How much less each figure of the endpoint would be without',
    }),
    unproven: z
      .boolean()
      .openapi({ description: 'The saving holds only if no call needs the answer of one before it' }),
    exemplars: z.array(z.string()).openapi({ description: 'Trace ids, those that would be shortened most' }),
    advice: z.string(),
  })
  .openapi('Finding')

const Findings = z.array(Finding).openapi({ description: 'Known mistakes that explain it, by p95 saved' })

export const BottleneckComponent = Component.extend({
  criticalShare: z.number().openapi({ description: 'Share of all time, on the critical path' }),
  presentShare: z.number().openapi({ description: 'Share of samples it is on the path of' }),
  ifInstant: Distribution,
  ...Intervals.shape,
  verdict: Verdict,
  uncertain: z
    .literal(true)
    .optional()
    .openapi({ description: 'Within the 1 % of stored histograms the verdict could be another' }),
  exemplars: Exemplars,
  findings: Findings,
})

/** What makes the figures of an endpoint less certain than they look. */
const Doubts = z.object({
  tie: z.array(Component).optional().openapi({
    description: "Without a target: components whose saved p95 cannot be told from the leader's",
  }),
  sampling: z
    .object({
      represents: z.number().openapi({ description: 'Requests that the samples stand for' }),
      effectiveSamples: z
        .number()
        .int()
        .openapi({ description: 'How many samples of equal weight say as much about the p95' }),
      biases: z.array(z.enum(['only-errors', 'unequal-weights'])),
    })
    .optional()
    .openapi({
      description: 'How the samples were chosen, where they stand for more than themselves or look chosen',
    }),
})

const PairFigures = z
  .object({
    samples: z.number().int().openapi({ description: 'Samples that were replayed' }),
    ifInstant: Distribution,
  })
  .extend(Intervals.shape)

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
    ...Doubts.shape,
    pair: z.tuple([Component, Component]).optional().openapi({
      description:
        'With a target: the two that together suffice where none does alone, by replay; of the 20 endpoints that need one and take most time',
    }),
    pairFigures: PairFigures.optional(),
    exemplars: Exemplars,
    findings: Findings.openapi({ description: 'Those of components that are not listed' }),
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
    ratePerSecond: z
      .number()
      .openapi({ description: 'Requests a second, in the part of the coverage that has passed' }),
    errorShare: z.number(),
    p50Ns: Ns,
    p95Ns: Ns,
    p99Ns: Ns,
    leader: Component.nullable().openapi({ description: 'The component that would save most at p95' }),
    verdict: Verdict.nullable().openapi({ description: "The leader's verdict" }),
    p95IntervalWithout: interval('p95Ns without the leader'),
    p95RangeWithout: range.optional().openapi({
      description:
        'p95 without the leader at the ends of what the evidence leaves open, where it does (structuralRange)',
    }),
    ...Doubts.shape,
  })
  .openapi('Endpoint')

export const ComponentTotal = Component.extend({
  endpoints: z.number().int(),
  entries: z.number().int().openapi({
    description: 'Requests it is on the path of, as many as the samples stand for',
  }),
  criticalShare: z.number().openapi({ description: 'Share of the time of all endpoints' }),
  savedNs: Ns.openapi({ description: 'Latency that all samples together would save without it' }),
  worstEndpoint: z
    .object({ service: z.string(), operation: z.string(), savedP95Ns: Ns })
    .openapi({ description: 'Where it saves most time in all, and what it saves there at p95' }),
  exemplars: Exemplars.openapi({ description: 'Trace ids, of that endpoint' }),
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
    modelVersion: z
      .number()
      .int()
      .openapi({ description: 'Of the learned dependencies that it was analyzed with; 0: the trace alone' }),
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
