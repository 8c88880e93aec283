import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { checkLittle, LEVELS, type LoadWindow, levelsOf, loadWindows } from '../analysis/load-levels.ts'
import type { Rollup } from '../analysis/rollup.ts'
import { bottleneckOfRollup } from '../analysis/rollup-figures.ts'
import { fitScalability } from '../analysis/scalability.ts'
import type { Target } from '../analysis/target.ts'
import { answerWindows, cutRange, readClasses, type Windows } from '../store/rollup-windows.ts'
import type { Store } from '../store/store.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { filterOf, PageQuery, pageOf, RangeQuery, TargetQuery, targetOf } from './parameters.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Component, Distribution, Ns, Verdict } from './schemas.ts'

/** Stretches of time that a range is cut into at the most. */
const MOST_WINDOWS = 1500
/** With those at the ends, to which the range is snapped. */
const MOST_POINTS = MOST_WINDOWS + 2

const Fit = z.object({
  lambda: z.number().openapi({ description: 'Requests a second of one at a time' }),
  sigma: z.number().openapi({ description: 'Share of the work done one after the other' }),
  kappa: z.number().openapi({ description: 'Cost of agreeing with each other' }),
  error: z.number().openapi({ description: 'Root mean square of the relative error of throughput' }),
  points: z.number().int(),
  knee: z
    .object({ concurrency: z.number(), throughput: z.number() })
    .nullable()
    .openapi({ description: 'Where more concurrency gives no more throughput' }),
})

const Level = z.object({
  name: z.string(),
  windows: z.number().int(),
  ratePerSecond: z.number().openapi({ description: 'Mean over its steps' }),
  concurrency: z.number(),
  observed: Distribution.or(z.null()),
  leader: Component.extend({ p95Ns: Ns }).nullable().openapi({
    description: 'The component without which p95 would be lowest at this load, and that p95',
  }),
  verdict: Verdict.nullable(),
  tie: z.array(Component).optional(),
})

const capacityRoute = createRoute({
  method: 'get',
  path: '/api/v1/capacity',
  summary: 'Concurrency against throughput and latency, verdicts by load, where it saturates',
  request: {
    query: RangeQuery.extend(TargetQuery.shape).extend({
      ...PageQuery.shape,
      // Whoever does not ask for pages draws all of it.
      limit: z.coerce.number().int().min(1).max(MOST_POINTS).default(MOST_POINTS).openapi({
        description: 'Points at the most; everything else is of all of them',
      }),
      service: RangeQuery.shape.service.openapi({
        description: 'service.name; with `operation` one endpoint, else all it serves; none: all services',
      }),
    }),
  },
  responses: {
    200: {
      description:
        'Of one service or endpoint, entries and SERVER spans within; or of entries of all services; unless a scope is asked for',
      content: {
        'application/json': {
          schema: z.object({
            points: z
              .array(
                z.object({
                  from: z.string(),
                  concurrency: z.number(),
                  ratePerSecond: z.number(),
                  meanNs: Ns,
                }),
              )
              .openapi({
                description:
                  'Steps in which requests started or ran, ascending; rate and mean latency are of those that started',
              }),
            total: z.number().int().openapi({ description: 'Points' }),
            nextOffset: z.number().int().nullable(),
            stepSeconds: z.number().int(),
            little: z
              .object({
                concurrency: z.number(),
                throughputTimesLatency: z.number(),
                worst: z.number(),
                agreeing: z.number(),
              })
              .openapi({
                description:
                  "Little's law: mean concurrency, measured as overlap, against throughput times latency; the largest " +
                  'relative difference in a step, and the share of steps within 10 %',
              }),
            levels: z.array(Level).openapi({ description: 'By throughput, quietest first' }),
            scalability: z.object({ fit: Fit.nullable(), reason: z.string().nullable() }).openapi({
              description: 'Universal Scalability Law; reason: why the data cannot tell where the knee is',
            }),
            coverage: Coverage,
          }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

export function addCapacityRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(capacityRoute, async (c) => {
    const query = c.req.valid('query')
    // SERVER spans of all services run within entries, which would count their time twice.
    const scope = query.scope ?? (query.service === undefined ? 'trace' : undefined)
    const { fromMs, toMs, ...filter } = filterOf({ ...query, scope })
    const range = await cutRange(store, { fromMs, toMs }, filter, MOST_WINDOWS)
    const windows = await readLoad(store, range)
    const levels = await readLevels(store, range, windows)
    const target = targetOf(query.target)
    const { rows, ...place } = pageOf(windows, query)
    return c.json(
      {
        ...place,
        points: rows.map(({ fromSeconds, throughput, ...point }) => ({
          from: new Date(fromSeconds * 1000).toISOString(),
          ratePerSecond: throughput,
          ...point,
        })),
        stepSeconds: range.seconds,
        little: checkLittle(windows),
        levels: levels.map(({ windows, rollup }, i) => levelJson(LEVELS[i]!.name, windows, rollup, target)),
        scalability: fitScalability(windows),
        coverage: coverageOf(range.cover),
      },
      200,
    )
  })
}

/** How loaded each window was; what started before the range and still ran in it counts. */
async function readLoad(store: Store, range: Windows): Promise<LoadWindow[]> {
  const read = (windows: Windows) =>
    answerWindows(
      store,
      windows,
      { overlap: true },
      {
        name: 'load',
        make: (from, rollup): [number, Rollup] => [from, rollup],
        bytesOf: ([, { overlapNs }]) => 1000 + 40 * overlapNs.length,
      },
    )
  const rollups = await read(range)
  const { seconds, cover, filter } = range
  // As far back as the longest of the range run on.
  const further = rollups.reduce((most, [, { overlapNs }]) => Math.max(most, overlapNs.length - 1), 0)
  if (further > 0) {
    const [fromMs, toMs] = [1000 * (cover.fromSeconds - further * seconds), 1000 * cover.fromSeconds]
    const earlier = await cutRange(store, { fromMs: Math.max(0, fromMs), toMs }, filter, Infinity, seconds)
    // Where steps as short are not kept any more, nothing is known.
    if (earlier.seconds === seconds) rollups.unshift(...(await read(earlier)))
  }
  const { fromSeconds, toSeconds } = cover
  return loadWindows(new Map(rollups), { seconds, fromSeconds, toSeconds })
}

/** The samples of each load level added up. */
async function readLevels(store: Store, range: Windows, windows: readonly LoadWindow[]) {
  const levelOf = levelsOf(windows)
  const rollups = await readClasses(store, range, { observed: true, shifts: true }, levelOf, LEVELS.length)
  return rollups.map((rollup, level) => ({
    rollup,
    windows: windows.filter(({ fromSeconds }) => levelOf.get(fromSeconds) === level),
  }))
}

function levelJson(
  name: string,
  windows: readonly LoadWindow[],
  rollup: Rollup,
  target: Target | undefined,
): z.infer<typeof Level> {
  const mean = (read: (window: LoadWindow) => number) =>
    windows.length === 0 ? 0 : windows.reduce((sum, window) => sum + read(window), 0) / windows.length
  const of = {
    name,
    windows: windows.length,
    ratePerSecond: mean(({ throughput }) => throughput),
    concurrency: mean(({ concurrency }) => concurrency),
  }
  if (rollup.weight === 0) return { ...of, observed: null, leader: null, verdict: null }
  const key = {
    environment: '',
    namespace: '',
    service: '',
    operation: '',
    scope: 'trace' as const,
    version: '',
  }
  const { observed, components, tie } = bottleneckOfRollup(key, rollup, target)
  const [first] = components
  const leads = first !== undefined && first.ifInstant.p95Ns < observed.p95Ns
  return {
    ...of,
    observed,
    leader: leads ? { kind: first.kind, name: first.name, p95Ns: first.ifInstant.p95Ns } : null,
    verdict: leads ? first.verdict : null,
    ...(tie === undefined ? {} : { tie }),
  }
}
