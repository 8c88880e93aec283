import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { compareBottlenecks } from '../analysis/bottlenecks.ts'
import { compareRollups, totalChangeNs } from '../analysis/compare.ts'
import { componentKey, createRollup, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import type { Retention } from '../analysis/steps.ts'
import type { RollupParts } from '../store/rollup-rows.ts'
import { readEndpointRollups } from '../store/rollup-sums.ts'
import { endpointName, type RangeRollups } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import type { Component as ComponentName } from '../trace/component.ts'
import { ComparedQuery, openBoth } from './baselines.ts'
import { ERROR_RESPONSES, NOT_FOUND } from './errors.ts'
import { componentExemplars } from './exemplars.ts'
import { badParameter, PageQuery, pageOf } from './parameters.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Component, Distribution, Exemplars, Ns } from './schemas.ts'

const Change = z.object({
  beforeNs: Ns,
  afterNs: Ns,
  changeNs: Ns,
  marginNs: Ns.nullable().openapi({
    description: 'Half the width of the 95 % confidence interval of changeNs; null: too few samples',
  }),
  beyondChance: z
    .boolean()
    .openapi({ description: 'Larger than chance explains (5 %, all components together)' }),
})
const Side = z.object({ entries: z.number().int(), distribution: Distribution })

const Comparison = z
  .object({
    environment: z.string(),
    namespace: z.string(),
    service: z.string(),
    operation: z.string(),
    scope: z.enum(['trace', 'service']),
    before: Side,
    after: Side,
    mean: Change.openapi({ description: 'Of mean latency: the sum of the changes of its components' }),
    components: z.array(
      Component.extend(Change.shape)
        .extend({
          calls: z
            .object({ before: z.number(), after: z.number(), beforeNsEach: Ns, afterNsEach: Ns })
            .nullable()
            .openapi({
              description: 'Calls a request on its critical path, and time of each; null: not known',
            }),
          byCallsNs: Ns.nullable().openapi({ description: 'Part of changeNs that is more or fewer calls' }),
          byTimeNs: Ns.nullable().openapi({ description: 'Part of changeNs that is slower or faster calls' }),
          exemplars: Exemplars.openapi({ description: 'Trace ids, of the range after' }),
        })
        .openapi({ description: 'Mean critical time' }),
    ),
  })
  .openapi('Comparison')

const compareRoute = createRoute({
  method: 'get',
  path: '/api/v1/compare',
  summary: 'Two ranges, versions or marked runs: the change of mean latency, split over components',
  request: {
    query: ComparedQuery.extend(PageQuery.shape),
  },
  responses: {
    200: {
      description:
        'By endpoint; where all requests together changed most first, those without requests before or after last',
      content: {
        'application/json': {
          schema: z.object({
            comparisons: z.array(Comparison),
            total: z.number().int(),
            nextOffset: z.number().int().nullable(),
            coverage: z.object({ before: Coverage, after: Coverage }),
          }),
        },
      },
    },
    ...NOT_FOUND,
    ...ERROR_RESPONSES,
  },
})

export function addCompareRoutes(app: OpenAPIHono, store: Store): void {
  app.openapi(compareRoute, async (c) => {
    const query = c.req.valid('query')
    const { before, after } = await openBoth(store, query)
    if (before === undefined) {
      throw badParameter(
        'baseline',
        'baseline: name a mark, or give baselineFrom and baselineTo, or baselineVersion and version',
      )
    }
    // Which changed most needs sums only; components are read of the page.
    const ranked = (await readPairs(store, before, after, { overlap: true }))
      .map((pair) => ({ key: pair.key, totalNs: totalChangeNs(pair.before, pair.after) }))
      .sort((a, b) => b.totalNs - a.totalNs || compareBottlenecks(a.key, b.key))
    const { rows, ...place } = pageOf(ranked, query)
    const endpoints = rows.map(({ key }) => key)
    const of = (range: RangeRollups) => ({ ...range, filter: { ...range.filter, endpoints } })
    const parts = { observed: true, components: true, exemplars: true }
    const pairs = rows.length === 0 ? [] : await readPairs(store, of(before), of(after), parts)
    const byName = new Map(pairs.map((pair) => [endpointName(pair.key), pair]))
    const shown = endpoints.map((key) => {
      const { before, after } = byName.get(endpointName(key)) ?? {
        before: createRollup(),
        after: createRollup(),
      }
      const { version: _, ...endpoint } = key
      const comparison = comparisonOf(before, after)
      return {
        ...endpoint,
        ...comparison,
        components: comparison.components.map((of) => withExemplars(of, after, store.retention)),
      }
    })
    const coverage = { before: coverageOf(before.cover), after: coverageOf(after.cover) }
    return c.json({ ...place, comparisons: shown, coverage }, 200)
  })
}

type Pair = { key: RollupKey; before: Rollup; after: Rollup }

/** Endpoints of either range, with what they had in both. */
async function readPairs(
  store: Store,
  before: RangeRollups,
  after: RangeRollups,
  parts: RollupParts,
): Promise<Pair[]> {
  const read = ({ cover, filter }: RangeRollups) => readEndpointRollups(store, cover, filter, parts)
  const [then, now] = await Promise.all([read(before), read(after)])
  const pairs = new Map<string, Pair>()
  for (const { key, rollup } of then)
    pairs.set(endpointName(key), { key, before: rollup, after: createRollup() })
  for (const { key, rollup } of now) {
    const known = pairs.get(endpointName(key))
    if (known === undefined) pairs.set(endpointName(key), { key, before: createRollup(), after: rollup })
    else known.after = rollup
  }
  return [...pairs.values()]
}

const compared = new WeakMap<Rollup, WeakMap<Rollup, Comparisons>>()
type Comparisons = ReturnType<typeof compareRollups>

/** Rollups are remembered, and never changed: those of the same two are the same. */
function comparisonOf(before: Rollup, after: Rollup): Comparisons {
  const known = compared.get(before) ?? new WeakMap<Rollup, Comparisons>()
  compared.set(before, known)
  const comparison = known.get(after) ?? compareRollups(before, after)
  known.set(after, comparison)
  return comparison
}

function withExemplars<T extends ComponentName>(component: T, after: Rollup, retention: Retention) {
  const part = after.components.get(componentKey(component))
  const exemplars = part === undefined ? { typical: [], worst: [] } : componentExemplars(part, retention)
  return { ...component, exemplars }
}
