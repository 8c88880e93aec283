import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { PATTERNS } from '../findings/patterns.ts'
import type { FindingLimits } from '../findings/settings.ts'
import { readFindings } from '../store/read-findings.ts'
import type { Store } from '../store/store.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { filterOf, PageQuery, pageOf, RangeQuery } from './parameters.ts'
import { Finding } from './schemas.ts'

const findingsRoute = createRoute({
  method: 'get',
  path: '/api/v1/findings',
  summary: 'Known mistakes behind latency, and what fixing each would save',
  request: {
    query: RangeQuery.extend(PageQuery.shape).extend({
      pattern: Finding.shape.pattern.optional(),
    }),
  },
  responses: {
    200: {
      description: [
        'By p95 saved. The saving is that of the requests run again without the mistake, load and queues as they were.',
        ...PATTERNS.map(({ id, title, thresholds }) => {
          const from = Object.entries(thresholds).map(
            ([name, { value, unit }]) => `${name}: ${value} ${unit}`,
          )
          return `- \`${id}\`: ${title} (${from.join('; ')})`
        }),
      ].join('\n'),
      content: {
        'application/json': {
          schema: z.object({
            findings: z.array(Finding),
            total: z.number().int(),
            nextOffset: z.number().int().nullable(),
          }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

export function addFindingRoutes(app: OpenAPIHono, store: Store, limits: FindingLimits): void {
  app.openapi(findingsRoute, async (c) => {
    const query = c.req.valid('query')
    const found = await readFindings(store, filterOf(query), limits)
    const wanted = found.filter(({ pattern }) => query.pattern === undefined || pattern === query.pattern)
    const page = pageOf(wanted, query)
    return c.json({ findings: page.rows, total: page.total, nextOffset: page.nextOffset } as never, 200)
  })
}
