import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { compareBottlenecks } from '../analysis/bottlenecks.ts'
import {
  byEndpointVersion,
  type EndpointLeader,
  LASTING_BUCKETS,
  LASTING_SAMPLES,
  type LeaderRun,
  leaderChanges,
  leaderRuns,
  newVersions,
} from '../analysis/leader-changes.ts'
import type { RollupKey } from '../analysis/rollup.ts'
import { coverRange, stepWithin } from '../analysis/steps.ts'
import { readLeaders } from '../store/rollup-leaders.ts'
import { readEndpointRollups } from '../store/rollup-sums.ts'
import { endpointName, readSteps } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { createTurn } from '../turn.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { filterOf, PageQuery, pageOf, RangeQuery } from './parameters.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Component, Ns } from './schemas.ts'

/** A range is looked at in no more buckets than this, and in fewer where there are more than some 550 endpoints. */
const MOST_BUCKETS = 750
/** Rows, an endpoint and bucket each, of 300 bytes. */
const MOST_ROWS = 400_000
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
    version: z.string().optional().openapi({
      description: 'service.version seen for the first time in the range, where others were before',
    }),
  })
  .openapi('Event')

const eventsRoute = createRoute({
  method: 'get',
  path: '/api/v1/events',
  summary: 'When another component came to lead, when a version came',
  request: { query: RangeQuery.extend(PageQuery.shape) },
  responses: {
    200: {
      description: `Newest first. A leader counts once it has led ${LASTING_BUCKETS} steps in a row, and ${LASTING_SAMPLES} requests`,
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

export function addEventRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(eventsRoute, async (c) => {
    const query = c.req.valid('query')
    const { fromMs, toMs, ...filter } = filterOf({ ...query, scope: query.scope ?? 'trace' })
    const there = await readSteps(store, store.retention, Date.now())
    const cover = coverRange(fromMs, toMs, there)
    const endpoints = (await readEndpointRollups(store, cover, filter, {})).length
    const most = Math.min(MOST_BUCKETS, Math.max(1, MOST_ROWS / Math.max(1, endpoints)))
    const step = Math.max(SHORTEST_SECONDS, stepWithin(fromMs, toMs, there, most))
    const fromSeconds = Math.floor(fromMs / 1000 / step) * step
    const toSeconds = Math.ceil(toMs / 1000 / step) * step
    const range = { step, fromSeconds, toSeconds }
    const buckets = await readLeaders(store, range, there.revision, filter)
    const rows = byEndpointVersion(buckets)
    const events = [...(await changesOf(rows)), ...newVersions(rows).sort(compareVersions).map(newVersion)]
    // Newest first; of one time in the order they come in: by endpoint, then versions.
    events.sort((a, b) => (a.time > b.time ? -1 : a.time < b.time ? 1 : 0))
    const { rows: page, ...place } = pageOf(events, query)
    const coverage = {
      ...coverageOf(cover),
      from: iso(fromSeconds),
      to: iso(toSeconds),
    }
    return c.json({ ...place, events: page, coverage: { ...coverage, stepSeconds: step } }, 200)
  })
}

async function changesOf(ofEndpoints: readonly EndpointLeader[][]): Promise<z.infer<typeof Event>[]> {
  const byEndpoint = new Map<string, EndpointLeader[]>()
  for (const rows of ofEndpoints) {
    const name = endpointName(rows[0]!.key)
    const known = byEndpoint.get(name)
    byEndpoint.set(name, known === undefined ? rows : [...known, ...rows])
  }
  const changes: z.infer<typeof Event>[] = []
  const turn = createTurn()
  for (const rows of [...byEndpoint.values()].sort((a, b) => compareBottlenecks(a[0]!.key, b[0]!.key))) {
    if (turn.isOver()) await turn.pass()
    const { version: _, ...endpoint } = rows[0]!.key
    for (const { atSeconds, from, to } of leaderChanges(
      leaderRuns(rows.sort((a, b) => a.atSeconds - b.atSeconds)),
    )) {
      changes.push({
        time: iso(atSeconds),
        kind: 'leader-change',
        ...endpoint,
        from: sideOf(from),
        to: sideOf(to),
        p95Ns: { before: from.p95Ns, after: to.p95Ns },
      })
    }
  }
  return changes
}

function sideOf({ leader, savedNs }: LeaderRun) {
  return leader === null ? null : { ...leader, savedP95Ns: savedNs }
}

/** Rows of the store come in no order. */
function compareVersions({ key: a }: { key: RollupKey }, { key: b }: { key: RollupKey }): number {
  const nameOf = (key: RollupKey) => ({ ...key, operation: key.version, scope: 'trace' as const })
  return compareBottlenecks(nameOf(a), nameOf(b))
}

function newVersion({ key, atSeconds }: { key: RollupKey; atSeconds: number }): z.infer<typeof Event> {
  const { environment, namespace, service, version } = key
  return { time: iso(atSeconds), kind: 'new-version', environment, namespace, service, version }
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
