import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { sumValue } from '../analysis/exact-sum.ts'
import { binValue, histogramQuantile } from '../analysis/histogram.ts'
import { componentKey, leaderOf, meanSavingNs, type Rollup } from '../analysis/rollup.ts'
import { meanNs } from '../analysis/rollup-figures.ts'
import { STEPS } from '../analysis/steps.ts'
import { answerWindows, cutRange } from '../store/rollup-windows.ts'
import type { Store } from '../store/store.ts'
import { compareComponents } from '../trace/component.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { keptExemplars } from './exemplars.ts'
import { filterOf, PageQuery, pageOf, RangeQuery } from './parameters.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Component, Distribution, Exemplars, Ns } from './schemas.ts'

/** Points of a timeline at the most; about as many as a screen has room for. */
const MOST_POINTS = 750
const STEP_SECONDS = STEPS.map(({ seconds }) => seconds)

const TimelinePoint = z
  .object({
    from: z.string().openapi({ description: 'Start of the step, ISO 8601' }),
    entries: z.number().int().openapi({ description: 'Samples' }),
    ratePerSecond: z.number(),
    errorShare: z.number(),
    observed: Distribution,
    components: z
      .array(Component.extend({ criticalShare: z.number() }))
      .openapi({ description: 'Shares of all time, on the critical path; they add up to 1' }),
    leader: Component.extend({ p95Ns: Ns, exemplars: Exemplars })
      .nullable()
      .openapi({ description: 'The component that would save most at p95, and the p95 without it' }),
  })
  .openapi('TimelinePoint')

const timelineRoute = createRoute({
  method: 'get',
  path: '/api/v1/timeline',
  summary: 'Per step: latency, share of each component, who leads',
  request: {
    query: RangeQuery.extend({
      ...PageQuery.shape,
      // Whoever does not ask for pages draws all of it.
      limit: PageQuery.shape.limit.default(1000),
      step: z.coerce
        .number()
        .optional()
        .refine(
          (step) => step === undefined || STEP_SECONDS.includes(step),
          `expected one of ${STEP_SECONDS}`,
        )
        .openapi({ description: `Seconds: ${STEP_SECONDS.join(', ')}; longer where no shorter one is kept` }),
    }),
  },
  responses: {
    200: {
      description: 'Steps with traffic, ascending; of all that is asked for together',
      content: {
        'application/json': {
          schema: z.object({
            total: z.number().int(),
            nextOffset: z.number().int().nullable(),
            timeline: z.array(TimelinePoint),
            stepSeconds: z.number().int(),
            coverage: Coverage,
          }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

export function addTimelineRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(timelineRoute, async (c) => {
    const query = c.req.valid('query')
    const { fromMs, toMs, ...filter } = filterOf({ ...query, scope: query.scope ?? 'trace' })
    const windows = await cutRange(store, { fromMs, toMs }, filter, MOST_POINTS, query.step)
    const points = await answerWindows(
      store,
      windows,
      { observed: true, shifts: true, exemplars: true },
      {
        name: 'timeline',
        make: (from, rollup) => pointOf(from, rollup, windows.seconds),
        bytesOf: ({ point, leader }) =>
          1000 + 150 * point.components.length + 100 * (leader?.exemplars.length ?? 0),
      },
    )
    const { rows, total, nextOffset } = pageOf(points, query)
    const timeline = rows.map(({ point, leader }) => ({
      ...point,
      leader:
        leader === undefined
          ? null
          : {
              ...leader.shown,
              exemplars: keptExemplars(leader.exemplars, leader.typicalNs, store.retention),
            },
    }))
    return c.json(
      { total, nextOffset, timeline, stepSeconds: windows.seconds, coverage: coverageOf(windows.cover) },
      200,
    )
  })
}

/** A point, and its leader with exemplars that may have expired by the time it is shown. */
function pointOf(from: number, rollup: Rollup, seconds: number) {
  const quantile = (q: number) => histogramQuantile(rollup.observed, rollup.weight, q)
  const totalNs = sumValue(rollup.durationNs)
  const leader = leaderOf(rollup)
  const point = {
    from: new Date(from * 1000).toISOString(),
    entries: rollup.samples,
    ratePerSecond: rollup.weight / seconds,
    errorShare: rollup.errors / rollup.weight,
    observed: { p50Ns: quantile(0.5), p95Ns: quantile(0.95), p99Ns: quantile(0.99), meanNs: meanNs(rollup) },
    components: [...rollup.components.values()]
      .map(({ component, criticalNs }) => ({
        ...component,
        criticalShare: totalNs === 0 ? 0 : sumValue(criticalNs) / totalNs,
      }))
      .sort((a, b) => b.criticalShare - a.criticalShare || compareComponents(a, b)),
  }
  if (leader === undefined) return { point }
  const part = rollup.components.get(componentKey(leader.component))!
  const shown = { ...leader.component, p95Ns: binValue(leader.bin) }
  return { point, leader: { shown, exemplars: part.exemplars, typicalNs: meanSavingNs(part) } }
}
