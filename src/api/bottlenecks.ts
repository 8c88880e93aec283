import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { compareBottlenecks } from '../analysis/bottlenecks.ts'
import { sumValue } from '../analysis/exact-sum.ts'
import { componentKey, createRollup, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import { bottleneckOfRollup, meanNs, meanWithout, type RollupBottleneck } from '../analysis/rollup-figures.ts'
import { explain } from '../findings/findings.ts'
import type { FindingLimits } from '../findings/settings.ts'
import { createModelCache } from '../store/models.ts'
import { readFindings } from '../store/read-findings.ts'
import { readEndpointRollups } from '../store/rollup-sums.ts'
import { endpointName, namedTogether, type RangeRollups, type RollupFilter } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { compareComponents } from '../trace/component.ts'
import { createTurn } from '../turn.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { componentExemplars, endpointExemplars } from './exemplars.ts'
import { filterOf, PageQuery, pageOf, RangeQuery, TargetQuery, targetOf } from './parameters.ts'
import { Coverage, coverageOf, openRange } from './ranges.ts'
import { Bottleneck, ComponentTotal, Endpoint } from './schemas.ts'
import { withPairs } from './service-pairs.ts'

const paged = <T extends z.ZodType>(name: string, rows: T) =>
  z.object({
    [name]: z.array(rows),
    total: z.number().int(),
    nextOffset: z.number().int().nullable(),
    coverage: Coverage,
  })

const bottlenecksRoute = createRoute({
  method: 'get',
  path: '/api/v1/bottlenecks',
  summary: 'What holds each endpoint back',
  request: { query: RangeQuery.extend(TargetQuery.shape).extend(PageQuery.shape) },
  responses: {
    200: {
      description: 'By environment, namespace, service, operation, scope; components by p95 they would save',
      content: { 'application/json': { schema: paged('bottlenecks', Bottleneck) } },
    },
    ...ERROR_RESPONSES,
  },
})

const endpointsRoute = createRoute({
  method: 'get',
  path: '/api/v1/endpoints',
  summary: 'All endpoints: rate, errors, duration, leader',
  request: { query: RangeQuery.extend(TargetQuery.shape).extend(PageQuery.shape) },
  responses: {
    200: {
      description: 'Endpoints',
      content: { 'application/json': { schema: paged('endpoints', Endpoint) } },
    },
    ...ERROR_RESPONSES,
  },
})

const componentsRoute = createRoute({
  method: 'get',
  path: '/api/v1/components',
  summary: 'All components over all endpoints, by latency they would save',
  request: { query: RangeQuery.extend(PageQuery.shape) },
  responses: {
    200: {
      description: 'Components; of entries of traces, unless a scope is asked for',
      content: { 'application/json': { schema: paged('components', ComponentTotal) } },
    },
    ...ERROR_RESPONSES,
  },
})

export function addBottleneckRoutes(app: OpenAPIHono, store: Store, limits: FindingLimits): void {
  const modelOf = createModelCache(store)

  app.openapi(bottlenecksRoute, async (c) => {
    const query = c.req.valid('query')
    const range = await openRange(store, query)
    const [page, findings] = await Promise.all([
      endpointPage(store, range, query, { shifts: true, exemplars: true }),
      readFindings(store, filterOf(query), limits),
    ])
    const target = targetOf(query.target)
    const bottlenecks = page.rows.map(({ key, rollup }) => {
      const figures = bottleneckOf(key, rollup, query.target)
      return {
        ...figures,
        components: figures.components.map((component) => ({
          ...component,
          exemplars: componentExemplars(rollup.components.get(componentKey(component))!, store.retention),
        })),
        exemplars: endpointExemplars(rollup, store.retention),
      }
    })
    return c.json(
      {
        ...page.place,
        bottlenecks: await withPairs(store, explain(bottlenecks, findings), target, filterOf(query), modelOf),
        coverage: coverageOf(range.cover),
      } as never,
      200,
    )
  })

  app.openapi(endpointsRoute, async (c) => {
    const query = c.req.valid('query')
    const range = await openRange(store, query)
    const page = await endpointPage(store, range, query, { shifts: true })
    const { fromSeconds, toSeconds } = range.cover
    const seconds = Math.max(1, Math.min(toSeconds, Date.now() / 1000) - fromSeconds)
    const endpoints = []
    const turn = createTurn()
    for (const { key, rollup } of page.rows) {
      if (turn.isOver()) await turn.pass()
      endpoints.push({
        ...endpointOf(bottleneckOf(key, rollup, query.target, 1)),
        ratePerSecond: rollup.weight / seconds,
        errorShare: rollup.weight === 0 ? 0 : rollup.errors / rollup.weight,
      })
    }
    return c.json({ ...page.place, endpoints, coverage: coverageOf(range.cover) } as never, 200)
  })

  app.openapi(componentsRoute, async (c) => {
    const query = c.req.valid('query')
    // Service scope counts the same time again, a level deeper.
    const range = await openRange(store, { ...query, scope: query.scope ?? 'trace' })
    const { rows, ...place } = pageOf(await readTotals(store, range), query)
    const components = await withWorstP95(store, range, rows)
    return c.json({ ...place, components, coverage: coverageOf(range.cover) } as never, 200)
  })
}

/** Endpoints and scopes of a range, by environment, namespace, service, operation, scope (`trace` first). */
async function listEndpoints(
  store: Store,
  cover: RangeRollups['cover'],
  filter: RollupFilter,
): Promise<RollupKey[]> {
  const sums = await readEndpointRollups(store, cover, filter, {})
  return sums.map(({ key }) => key).sort(compareBottlenecks)
}

/** Rollups of the endpoints of a page, in order. */
async function endpointPage(
  store: Store,
  { cover, filter }: RangeRollups,
  query: z.infer<typeof PageQuery>,
  parts: { shifts: boolean; exemplars?: boolean },
) {
  const wanted = { observed: true, ...parts }
  // Those of one name are few: they need not be listed first.
  const all =
    filter.service !== '*' && filter.operation !== '*'
      ? await readEndpointRollups(store, cover, filter, wanted)
      : undefined
  const keys =
    all?.map(({ key }) => key).sort(compareBottlenecks) ?? (await listEndpoints(store, cover, filter))
  const { rows, ...place } = pageOf(keys, query)
  const rollups =
    all ??
    (rows.length === 0 ? [] : await readEndpointRollups(store, cover, { ...filter, endpoints: rows }, wanted))
  const byName = new Map(rollups.map((of) => [endpointName(of.key), of]))
  return { rows: rows.map((key) => byName.get(endpointName(key)) ?? { key, rollup: createRollup() }), place }
}

const asked = new WeakMap<Rollup, { name: string; bottleneck: RollupBottleneck }>()

/** bottleneckOfRollup, remembered for what is asked of a rollup last: those of a page are the same until something changes. */
function bottleneckOf(key: RollupKey, rollup: Rollup, target?: string, most?: number): RollupBottleneck {
  const name = `${target} ${most}`
  const known = asked.get(rollup)
  if (known?.name === name) return known.bottleneck
  const bottleneck = bottleneckOfRollup(key, rollup, targetOf(target), most)
  asked.set(rollup, { name, bottleneck })
  return bottleneck
}

function endpointOf({ observed, components, ...figures }: RollupBottleneck) {
  const leader = components[0]
  const saves = leader !== undefined && leader.ifInstant.p95Ns < observed.p95Ns
  return {
    ...figures,
    p50Ns: observed.p50Ns,
    p95Ns: observed.p95Ns,
    p99Ns: observed.p99Ns,
    leader: saves ? { kind: leader.kind, name: leader.name } : null,
    verdict: saves ? leader.verdict : null,
    p95IntervalWithout: saves ? leader.p95Interval : null,
    ...(saves && leader.structuralRange !== undefined
      ? { p95RangeWithout: leader.structuralRange.p95Ns }
      : {}),
  }
}

type Total = Omit<z.infer<typeof ComponentTotal>, 'worstEndpoint' | 'exemplars'> & {
  worst: RollupKey
  worstNs: number
}

/** More endpoints than this are added up in slices: of each minute there are sums of all that are read together. */
const MOST_TOGETHER = 500

/** Sums only: no histogram is read. */
async function readTotals(store: Store, { cover, filter }: RangeRollups): Promise<Total[]> {
  const totals = new Map<string, Total>()
  let allNs = 0
  const turn = createTurn()
  const keys = await listEndpoints(store, cover, filter)
  const slices = keys.length > MOST_TOGETHER ? namedTogether(keys) : []
  for (const slice of slices.length > 0 ? slices.map((endpoints) => ({ ...filter, endpoints })) : [filter]) {
    const rollups = await readEndpointRollups(store, cover, slice, { components: true })
    // They come in no order; the first of those that save the same is the worst.
    for (const { key, rollup } of [...rollups].sort((a, b) => compareBottlenecks(a.key, b.key))) {
      if (turn.isOver()) await turn.pass()
      allNs += addTotals(totals, key, rollup)
    }
  }
  for (const total of totals.values()) total.criticalShare = allNs === 0 ? 0 : total.criticalShare / allNs
  return [...totals.values()].sort((a, b) => b.savedNs - a.savedNs || compareComponents(a, b))
}

/** Adds an endpoint's components; returns its time in all. */
function addTotals(totals: Map<string, Total>, key: RollupKey, rollup: Rollup): number {
  for (const part of rollup.components.values()) {
    const savedNs = (meanNs(rollup) - meanWithout(rollup, part)) * rollup.weight
    const name = componentKey(part.component)
    let total = totals.get(name)
    if (total === undefined) {
      const { kind, name: of } = part.component
      total = {
        kind,
        name: of,
        endpoints: 0,
        entries: 0,
        criticalShare: 0,
        savedNs: 0,
        worst: key,
        worstNs: -1,
      }
      totals.set(name, total)
    }
    total.endpoints++
    total.entries += part.present
    total.criticalShare += sumValue(part.criticalNs)
    total.savedNs += savedNs
    if (savedNs > total.worstNs) {
      total.worst = key
      total.worstNs = savedNs
    }
  }
  return sumValue(rollup.durationNs)
}

const PARTS = { observed: true, shifts: true, exemplars: true }

/** What each component saves at p95 of the endpoint where it saves most time in all. */
async function withWorstP95(store: Store, { cover, filter }: RangeRollups, totals: readonly Total[]) {
  const endpoints = totals.map(({ worst }) => worst)
  const rollups =
    totals.length === 0 ? [] : await readEndpointRollups(store, cover, { ...filter, endpoints }, PARTS)
  const byName = new Map(rollups.map(({ key, rollup }) => [endpointName(key), rollup]))
  return totals.map(({ worst, worstNs: _, ...total }) => {
    const rollup = byName.get(endpointName(worst)) ?? createRollup()
    const part = rollup.components.get(componentKey(total))
    const only = new Map(part === undefined ? [] : [[componentKey(total), part]])
    const { observed, components } = bottleneckOfRollup(worst, { ...rollup, components: only })
    const { service, operation } = worst
    const savedP95Ns = observed.p95Ns - (components[0]?.ifInstant.p95Ns ?? observed.p95Ns)
    const exemplars =
      part === undefined ? { typical: [], worst: [] } : componentExemplars(part, store.retention)
    return { ...total, worstEndpoint: { service, operation, savedP95Ns }, exemplars }
  })
}
