import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import {
  type Bottleneck as BottleneckFigures,
  bottleneckOf,
  compareBottlenecks,
} from '../analysis/bottlenecks.ts'
import { compareComponents } from '../analysis/measure.ts'
import { weightedMean } from '../analysis/ranked.ts'
import type { Target } from '../analysis/target.ts'
import { readSampleGroups, type StoredGroup } from '../store/read-samples.ts'
import type { Store } from '../store/store.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { componentExemplars, endpointExemplars } from './exemplars.ts'
import { filterOf, PageQuery, pageOf, RangeQuery, TargetQuery, targetOf } from './parameters.ts'
import { Bottleneck, ComponentTotal, Endpoint } from './schemas.ts'

const paged = <T extends z.ZodType>(name: string, rows: T) =>
  z.object({
    [name]: z.array(rows),
    total: z.number().int(),
    nextOffset: z.number().int().nullable(),
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

export function addBottleneckRoutes(app: OpenAPIHono, store: Store): void {
  app.openapi(bottlenecksRoute, async (c) => {
    const query = c.req.valid('query')
    const groups = await readSampleGroups(store, filterOf(query))
    const page = pageOf(judge(groups, targetOf(query.target)), query)
    const bottlenecks = page.rows.map(({ group, figures }) => withExemplars(group, figures))
    return c.json({ bottlenecks, total: page.total, nextOffset: page.nextOffset } as never, 200)
  })

  app.openapi(endpointsRoute, async (c) => {
    const query = c.req.valid('query')
    const filter = filterOf(query)
    const page = pageOf(judge(await readSampleGroups(store, filter), targetOf(query.target)), query)
    const seconds = Math.max(1, (filter.toMs - filter.fromMs) / 1000)
    const endpoints = page.rows.map(({ group, figures }) => endpointOf(group, figures, seconds))
    return c.json({ endpoints, total: page.total, nextOffset: page.nextOffset } as never, 200)
  })

  app.openapi(componentsRoute, async (c) => {
    const query = c.req.valid('query')
    // Service scope counts the same time again, a level deeper.
    const groups = await readSampleGroups(store, { ...filterOf(query), scope: query.scope ?? 'trace' })
    const page = pageOf(totalsOf(groups), query)
    return c.json({ components: page.rows, total: page.total, nextOffset: page.nextOffset } as never, 200)
  })
}

type Judged = { group: StoredGroup; figures: BottleneckFigures }

function judge(groups: readonly StoredGroup[], target: Target | undefined): Judged[] {
  return groups
    .map((group) => ({ group, figures: bottleneckOf(group, target) }))
    .sort((a, b) => compareBottlenecks(a.figures, b.figures))
}

function withExemplars(group: StoredGroup, figures: BottleneckFigures) {
  const columns = new Map(
    group.components.map((part) => [`${part.component.kind}\n${part.component.name}`, part]),
  )
  return {
    ...figures,
    components: figures.components.map((component) => ({
      ...component,
      exemplars: componentExemplars(group, columns.get(`${component.kind}\n${component.name}`)!),
    })),
    exemplars: endpointExemplars(group),
  }
}

function endpointOf(
  group: StoredGroup,
  { observed, components, ...figures }: BottleneckFigures,
  seconds: number,
) {
  const leader = components[0]
  const saves = leader !== undefined && leader.ifInstant.p95Ns < observed.p95Ns
  return {
    ...figures,
    ratePerSecond: (figures.sampling?.represents ?? figures.entries) / seconds,
    errorShare: weightedMean(Float64Array.from(group.failed), group.weights),
    p50Ns: observed.p50Ns,
    p95Ns: observed.p95Ns,
    p99Ns: observed.p99Ns,
    leader: saves ? { kind: leader.kind, name: leader.name } : null,
    verdict: saves ? leader.verdict : null,
  }
}

function totalsOf(groups: readonly StoredGroup[]) {
  type Total = z.infer<typeof ComponentTotal>
  const totals = new Map<string, Total>()
  let allNs = 0
  for (const group of groups) {
    const figures = bottleneckOf(group)
    allNs += figures.observed.meanNs * figures.entries
    for (const component of figures.components) {
      const key = `${component.kind}\n${component.name}`
      const savedP95Ns = figures.observed.p95Ns - component.ifInstant.p95Ns
      const worst = { service: figures.service, operation: figures.operation, savedP95Ns }
      let total = totals.get(key)
      if (total === undefined) {
        const { kind, name } = component
        total = { kind, name, endpoints: 0, entries: 0, criticalShare: 0, savedNs: 0, worstEndpoint: worst }
        totals.set(key, total)
      }
      total.endpoints++
      total.entries += Math.round(component.presentShare * figures.entries)
      total.criticalShare += component.criticalShare * figures.observed.meanNs * figures.entries
      total.savedNs += (figures.observed.meanNs - component.ifInstant.meanNs) * figures.entries
      if (savedP95Ns > total.worstEndpoint.savedP95Ns) total.worstEndpoint = worst
    }
  }
  for (const total of totals.values()) total.criticalShare = allNs === 0 ? 0 : total.criticalShare / allNs
  return [...totals.values()].sort((a, b) => b.savedNs - a.savedNs || compareComponents(a, b))
}
