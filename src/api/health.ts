import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Store } from '../store/store.ts'
import type { ApiOptions } from './app.ts'
import { ApiError, ERROR_RESPONSES } from './errors.ts'
import type { Metrics } from './metrics.ts'

const Status = z.object({ status: z.enum(['ok', 'ready']) }).openapi('Status')
const statusContent = { 'application/json': { schema: Status } }

const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Whether the process lives; asks for no token',
  responses: { 200: { description: 'It does', content: statusContent } },
})

const readyRoute = createRoute({
  method: 'get',
  path: '/readyz',
  summary: 'Whether spans are taken and answers can be had, or why not; asks for no token',
  responses: { 200: { description: 'They are', content: statusContent }, 503: ERROR_RESPONSES[503] },
})

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'What the parts in this process counted, for Prometheus',
  responses: {
    200: { description: 'Text exposition format', content: { 'text/plain': { schema: z.string() } } },
    401: ERROR_RESPONSES[401],
  },
})

/** `problem`: why the service is not ready, though its store may answer. */
export function addHealthRoutes(
  app: OpenAPIHono,
  store: Store,
  metrics: Metrics,
  problem: NonNullable<ApiOptions['problem']>,
): void {
  app.openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200))
  app.openapi(readyRoute, async (c) => {
    const answers = await store.ping().catch(() => false)
    const message = (await problem()) ?? (answers ? undefined : 'the store does not answer')
    if (message !== undefined) throw new ApiError(503, answers ? 'not-ready' : 'store-unavailable', message)
    return c.json({ status: 'ready' as const }, 200)
  })
  app.openapi(metricsRoute, async (c) =>
    c.text(await metrics.scrape(), 200, { 'Content-Type': metrics.contentType }),
  )
}
