import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { LASTING_BUCKETS, type LeaderRun, leaderChanges } from '../analysis/leader-changes.ts'
import { coverRange, stepWithin } from '../analysis/steps.ts'
import { readSteps } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import type { ComponentKind } from '../trace/component.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { filterOf, PageQuery, pageOf, RangeQuery } from './parameters.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Component, Ns } from './schemas.ts'

/** A range is looked at in no more buckets than this. */
const MOST_BUCKETS = 750
/** Minutes have too few requests to say who leads. */
const SHORTEST_SECONDS = 600

const Side = Component.extend({
  savedP95Ns: Ns.openapi({ description: 'What it saved at p95, on average while it led' }),
}).nullable()

const Event = z
  .object({
    time: z.string().openapi({ description: 'ISO 8601: start of the step from which on it was so' }),
    kind: z.enum(['leader-change', 'new-version']),
    environment: z.string(),
    namespace: z.string(),
    service: z.string(),
    operation: z.string().openapi({ description: 'Of leader changes' }).optional(),
    scope: z.enum(['trace', 'service']).optional(),
    from: Side.optional().openapi({ description: 'Who led before; null: nobody' }),
    to: Side.optional(),
    p95Ns: z.object({ before: Ns, after: Ns }).optional(),
    version: z
      .string()
      .optional()
      .openapi({ description: 'service.version seen for the first time in the range' }),
  })
  .openapi('Event')

const eventsRoute = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'When another component came to lead, when a version came',
  request: { query: RangeQuery.extend(PageQuery.shape) },
  responses: {
    200: {
      description: `Newest first. A leader counts once it has led ${LASTING_BUCKETS} steps in a row`,
      content: {
        'application/json': {
          schema: z.object({
            events: z.array(Event),
            total: z.number().int(),
            nextOffset: z.number().int().nullable(),
            coverage: Coverage,
          }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

type RunRow = {
  environment: string
  namespace: string
  service: string
  operation: string
  scope: 'trace' | 'service'
  fromSeconds: number
  buckets: number
  kind: ComponentKind | ''
  name: string
  p95Ns: number
  savedNs: number
}
type VersionRow = {
  environment: string
  namespace: string
  service: string
  version: string
  fromSeconds: number
}

export function addEventRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(eventsRoute, async (c) => {
    const query = c.req.valid('query')
    const { fromMs, toMs, ...filter } = filterOf({ ...query, scope: query.scope ?? 'trace' })
    const there = await readSteps(store, store.retention, Date.now())
    const step = Math.max(SHORTEST_SECONDS, stepWithin(fromMs, toMs, there, MOST_BUCKETS))
    const fromSeconds = Math.floor(fromMs / 1000 / step) * step
    const toSeconds = Math.ceil(toMs / 1000 / step) * step
    const params = { ...filter, step, fromSeconds, toSeconds }
    const [runs, versions] = await Promise.all([
      store.query<RunRow>('leader-runs', { ...params, lasting: LASTING_BUCKETS }),
      store.query<VersionRow>('first-versions', params),
    ])
    const events = [...changesOf(runs), ...versions.map(newVersion)]
    events.sort((a, b) => (a.time > b.time ? -1 : a.time < b.time ? 1 : 0))
    const { rows, ...place } = pageOf(events, query)
    const coverage = {
      ...coverageOf(coverRange(fromMs, toMs, there)),
      from: iso(fromSeconds),
      to: iso(toSeconds),
    }
    return c.json({ ...place, events: rows, coverage: { ...coverage, stepSeconds: step } }, 200)
  })
}

function changesOf(rows: readonly RunRow[]): z.infer<typeof Event>[] {
  const byEndpoint = new Map<string, RunRow[]>()
  for (const row of rows) {
    const key = [row.environment, row.namespace, row.service, row.operation, row.scope].join('\n')
    const known = byEndpoint.get(key)
    if (known === undefined) byEndpoint.set(key, [row])
    else known.push(row)
  }
  return [...byEndpoint.values()].flatMap((rows) => {
    const { environment, namespace, service, operation, scope } = rows[0]!
    const runs = rows.map(
      ({ kind, name, ...run }): LeaderRun => ({ ...run, leader: kind === '' ? null : { kind, name } }),
    )
    return leaderChanges(runs).map(({ atSeconds, from, to }) => ({
      time: iso(atSeconds),
      kind: 'leader-change' as const,
      environment,
      namespace,
      service,
      operation,
      scope,
      from: sideOf(from),
      to: sideOf(to),
      p95Ns: { before: from.p95Ns, after: to.p95Ns },
    }))
  })
}

function sideOf({ leader, savedNs }: LeaderRun) {
  return leader === null ? null : { ...leader, savedP95Ns: savedNs }
}

function newVersion({ fromSeconds, ...of }: VersionRow): z.infer<typeof Event> {
  return { time: iso(fromSeconds), kind: 'new-version', ...of }
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
