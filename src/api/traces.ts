import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { analyzeSpans } from '../analysis/analyze.ts'
import { traceJson } from '../analysis/report-json.ts'
import { createModelCache } from '../store/models.ts'
import {
  listTraces,
  readModelVersion,
  readTraceSpans,
  type StoredSpan,
  toColumns,
} from '../store/read-traces.ts'
import type { Store } from '../store/store.ts'
import { ApiError, ERROR_RESPONSES, NOT_FOUND } from './errors.ts'
import { filterOf, PageQuery, RangeQuery } from './parameters.ts'
import { Trace, TraceSummary } from './schemas.ts'

const tracesRoute = createRoute({
  method: 'get',
  path: '/api/v1/traces',
  summary: 'Samples, slowest or newest first',
  request: {
    query: RangeQuery.extend(PageQuery.shape).extend({
      component: z.string().optional().openapi({
        description: 'On the critical path: a name, or kind:name',
        example: 'database:postgresql/orders',
      }),
      minDurationMs: z.coerce.number().min(0).default(0),
      sort: z.enum(['duration', 'start']).default('duration'),
    }),
  },
  responses: {
    200: {
      description: 'Summaries',
      content: {
        'application/json': {
          schema: z.object({ traces: z.array(TraceSummary), nextOffset: z.number().int().nullable() }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

const traceRoute = createRoute({
  method: 'get',
  path: '/api/v1/traces/{id}',
  summary: 'One trace: its spans, repairs, entries with critical path and components',
  request: {
    params: z.object({
      id: z
        .string()
        .regex(/^[0-9a-fA-F]{32}$/, 'expected 32 hex digits')
        .openapi({ param: { name: 'id', in: 'path' } }),
    }),
  },
  responses: {
    200: { description: 'The trace', content: { 'application/json': { schema: Trace } } },
    ...NOT_FOUND,
    ...ERROR_RESPONSES,
  },
})

export function addTraceRoutes(app: OpenAPIHono, store: Store): void {
  const modelOf = createModelCache(store)
  app.openapi(tracesRoute, async (c) => {
    const query = c.req.valid('query')
    const { limit, offset, sort } = query
    // One more than asked for tells whether there is a next page.
    const rows = await listTraces(store, {
      ...filterOf(query),
      component: query.component ?? '*',
      // No sample is longer than the store can say.
      minDurationNs: Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(query.minDurationMs * 1e6)),
      sort,
      limit: limit + 1,
      offset,
    })
    return c.json(
      { traces: rows.slice(0, limit), nextOffset: rows.length > limit ? offset + limit : null },
      200,
    )
  })

  app.openapi(traceRoute, async (c) => {
    const traceId = c.req.valid('param').id.toLowerCase()
    const spans = await readTraceSpans(store, traceId)
    if (spans.length === 0) throw new ApiError(404, 'trace-not-found', `no trace ${traceId} is stored`)
    // With the model that the stored results were made with, so that the numbers are theirs.
    const modelVersion = await readModelVersion(store, traceId)
    const model = await modelOf(modelVersion)
    const { repairs, entries } = traceJson(analyzeSpans(toColumns(traceId, spans), { model }), 0)
    return c.json({ traceId, modelVersion, spans: spans.map(spanJson), repairs, entries }, 200)
  })
}

function spanJson(span: StoredSpan) {
  return {
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    service: span.service,
    operation: span.name,
    kind: span.kind,
    startUnixNano: span.timestampNs,
    durationNs: Number(span.durationNs),
    status: span.status,
    statusMessage: span.statusMessage,
    attributes: span.attributes,
    resource: span.resource,
    events: span.events.map(([timeUnixNano, name, attributes]) => ({ timeUnixNano, name, attributes })),
    links: span.links.map(([traceId, spanId, traceState, attributes]) => ({
      traceId,
      spanId,
      traceState,
      attributes,
    })),
  }
}
