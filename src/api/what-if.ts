import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { analyzeSpans, latenciesWith } from '../analysis/analyze.ts'
import type { FactorOf } from '../analysis/measure.ts'
import { componentsIn } from '../analysis/present.ts'
import { distributionOf, intervalsOf, rank, weightedMean } from '../analysis/ranked.ts'
import { predict, type Replayable } from '../analysis/replayable.ts'
import { SAMPLE_KINDS, SERVICE } from '../analysis/result.ts'
import { componentKey } from '../analysis/rollup.ts'
import { verdictOf } from '../analysis/verdict.ts'
import { createModelCache } from '../store/models.ts'
import { readModelVersion, readTraceSpans, toColumns } from '../store/read-traces.ts'
import { type Chosen, chooseSamples, readReplayable } from '../store/replay-samples.ts'
import type { Store } from '../store/store.ts'
import { idHex } from '../trace/columns.ts'
import { type Component, compareComponents } from '../trace/component.ts'
import { ApiError, ERROR_RESPONSES, NO_JSON, NOT_FOUND } from './errors.ts'
import { filterOf, targetOf } from './parameters.ts'
import { type Change, TraceWhatIf, TraceWhatIfRequest, WhatIf, WhatIfRequest } from './what-if-schemas.ts'

/** Said with every answer. */
const NOTE =
  'What is predicted is these requests re-scheduled, load and queues as observed: a faster component that others wait ' +
  'for as well can save more.'

/** The named components, all at once. */
const SWEEP = [
  { speed: '1x', factor: 1 },
  { speed: '2x', factor: 1 / 2 },
  { speed: '4x', factor: 1 / 4 },
  { speed: 'infinitely fast', factor: 0 },
] as const

const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } })

const whatIfRoute = createRoute({
  method: 'post',
  path: '/api/v1/what-if',
  summary: 'Latency of endpoints with components at other speeds, by exact replay',
  request: { body: { ...json(WhatIfRequest), required: true } },
  responses: {
    200: {
      description: 'Endpoints, those with the most samples first',
      ...json(z.object({ whatIf: z.array(WhatIf), total: z.number().int(), note: z.string() })),
    },
    ...NOT_FOUND,
    ...NO_JSON,
    ...ERROR_RESPONSES,
  },
})

const traceWhatIfRoute = createRoute({
  method: 'post',
  path: '/api/v1/traces/{id}/what-if',
  summary: 'Latency of one trace with components at other speeds',
  request: {
    params: z.object({
      id: z
        .string()
        .regex(/^[0-9a-fA-F]{32}$/, 'expected 32 hex digits')
        .openapi({ param: { name: 'id', in: 'path' } }),
    }),
    body: { ...json(TraceWhatIfRequest), required: true },
  },
  responses: {
    200: { description: 'Its entries and SERVER spans', ...json(TraceWhatIf) },
    ...NOT_FOUND,
    ...NO_JSON,
    ...ERROR_RESPONSES,
  },
})

export function addWhatIfRoutes(app: OpenAPIHono, store: Store): void {
  const modelOf = createModelCache(store)

  app.openapi(whatIfRoute, async (c) => {
    const request = c.req.valid('json')
    const chosen = await chooseSamples(store, filterOf(request))
    if (chosen.length === 0) {
      throw new ApiError(404, 'no-samples', 'no sample of such an endpoint began in the range')
    }
    const known: (() => readonly Component[])[] = []
    const whatIf: z.infer<typeof WhatIf>[] = []
    for (const sample of chosen.slice(0, request.limit)) {
      const replayable = await readReplayable(store, sample, modelOf)
      if (replayable === undefined) continue
      for (const all of [() => replayable.group.components, replayable.components]) {
        known.push(() => all().map(({ component }) => component))
      }
      whatIf.push(endpointWhatIf(sample, replayable, request))
    }
    if (whatIf.length === 0) throw new ApiError(404, 'no-spans', 'the spans of these samples are gone')
    refuseUnknown(request.components, known)
    return c.json({ whatIf, total: chosen.length, note: NOTE }, 200)
  })

  app.openapi(traceWhatIfRoute, async (c) => {
    const traceId = c.req.valid('param').id.toLowerCase()
    const { components, inclusive } = c.req.valid('json')
    const stored = await readTraceSpans(store, traceId)
    if (stored.length === 0) throw new ApiError(404, 'trace-not-found', `no trace ${traceId} is stored`)
    const modelVersion = await readModelVersion(store, traceId)
    const options = { model: await modelOf(modelVersion) }
    const spans = toColumns(traceId, stored)
    const { samples } = analyzeSpans(spans, options)
    const rows = samples.span.subarray(0, samples.count)
    refuseUnknown(components, [() => componentsIn(spans, rows, options.model).map((of) => of.component)])
    const latencies = (factorOf: FactorOf) => latenciesWith(spans, factorOf, { ...options, inclusive })
    const changed = latencies(factorsOf(components))
    const sweep = SWEEP.map(({ speed, factor }) => ({
      speed,
      factor,
      latencies: latencies(factorsOf(components, factor)),
    }))
    const entries = Array.from({ length: samples.count }, (_, s) => {
      const { service, operation } = spans.dictionary.endpoints[samples.endpoint[s]!]!
      return {
        spanId: idHex(spans.spanId, samples.span[s]!),
        service,
        operation,
        scope: samples.kind[s] === SERVICE ? ('service' as const) : ('trace' as const),
        kind: SAMPLE_KINDS[samples.kind[s]!]!,
        durationNs: samples.durationNs[s]!,
        ifChangedNs: changed[s]!,
        sweep: sweep.map((step) => ({
          speed: step.speed,
          factor: step.factor,
          latencyNs: step.latencies[s]!,
          savedNs: samples.durationNs[s]! - step.latencies[s]!,
        })),
      }
    })
    return c.json({ traceId, modelVersion, entries, note: NOTE }, 200)
  })
}

type Changes = readonly z.infer<typeof Change>[]

/** The factor that is given for each of the components, or the same one for all. */
function factorsOf(changes: Changes, factor?: number): FactorOf {
  const factors = new Map(
    changes.map((change) => [`${change.kind}\n${change.name}`, factor ?? change.factor]),
  )
  return ({ kind, name }) => factors.get(`${kind}\n${name}`)
}

/** `known`: who knows components of the requests; each is asked only if those before do not know all. */
function refuseUnknown(changes: Changes, known: readonly (() => readonly Component[])[]): void {
  const met = new Map<string, Component>()
  let unknown = changes
  for (const components of known) {
    for (const component of components()) met.set(componentKey(component), component)
    unknown = unknown.filter((change) => !met.has(componentKey(change)))
    if (unknown.length === 0) return
  }
  const names = unknown.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  throw new ApiError(404, 'component-not-found', `no part in these requests has ${names}`, {
    components: [...met.values()].sort(compareComponents).map(({ kind, name }) => ({ kind, name })),
  })
}

function endpointWhatIf(
  { endpoint, scope, entries }: Chosen,
  replayable: Replayable,
  { components, inclusive, target: text }: z.infer<typeof WhatIfRequest>,
): z.infer<typeof WhatIf> {
  const { durationsNs, weights } = replayable.group
  const observed = { ranked: rank(durationsNs, weights), meanNs: weightedMean(durationsNs, weights) }
  const changed = predict(replayable, factorsOf(components), inclusive)
  const target = targetOf(text)
  let before = distributionOf(observed.ranked, observed.meanNs).p95Ns
  const observedP95Ns = before
  return {
    service: endpoint.service,
    operation: endpoint.operation,
    scope,
    environment: endpoint.environment,
    namespace: endpoint.namespace,
    entries,
    replayed: durationsNs.length,
    observed: { ...distributionOf(observed.ranked, observed.meanNs), ...intervalsOf(observed) },
    ifChanged: { ...distributionOf(changed.ranked, changed.meanNs), ...intervalsOf(changed) },
    ...(target === undefined ? {} : { verdict: verdictOf(target, observed, changed) }),
    sweep: SWEEP.map(({ speed, factor }) => {
      const predicted =
        factor === 1 ? observed : predict(replayable, factorsOf(components, factor), inclusive)
      const latency = distributionOf(predicted.ranked, predicted.meanNs)
      const savedMoreP95Ns = before - latency.p95Ns
      before = latency.p95Ns
      return {
        speed,
        factor,
        ...latency,
        ...intervalsOf(predicted),
        savedP95Ns: observedP95Ns - latency.p95Ns,
        savedMoreP95Ns,
      }
    }),
  }
}
