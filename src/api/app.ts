import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { Logger } from 'pino'
import { type FindingLimits, limitsOf } from '../findings/settings.ts'
import type { Store } from '../store/store.ts'
import { type Access, guard } from './access.ts'
import { addBottleneckRoutes } from './bottlenecks.ts'
import { addCapacityRoute } from './capacity.ts'
import { addCompareRoutes } from './compare.ts'
import { addDoctorRoute } from './doctor.ts'
import { ApiError, errorJson } from './errors.ts'
import { addEventRoute } from './events.ts'
import { addFindingRoutes } from './findings.ts'
import { addFlamegraphRoute } from './flamegraph.ts'
import { addHealthRoutes } from './health.ts'
import { methodsOf, onlyKnownParameters } from './known-parameters.ts'
import { addMarkRoutes } from './marks.ts'
import { createMetrics, type MetricSources } from './metrics.ts'
import { addPage } from './page.ts'
import { addTimelineRoute } from './timeline.ts'
import { addTraceRoutes } from './traces.ts'
import { addWhatIfRoutes } from './what-if.ts'

export type ApiOptions = Access & {
  store: Store
  log: Logger
  metrics?: MetricSources
  /** Brings `metrics` up to date. */
  refreshMetrics?: () => Promise<void>
  /** Why the service is not ready, though its store answers. */
  problem?: () => string | undefined | Promise<string | undefined>
  /** Thresholds of findings; their own, if not given. */
  findingLimits?: FindingLimits | undefined
}

/** What a store that is away looks like: refused, reset, timed out. */
const AWAY = /ECONN|EPIPE|ENOTFOUND|socket hang up|Timeout/i

/** What-if questions and marks; one with a thousand components has a tenth of it. */
const MOST_BODY_BYTES = 1024 * 1024

export function createApi({
  store,
  log,
  token,
  localOnly,
  metrics = {},
  refreshMetrics,
  problem = () => undefined,
  findingLimits = limitsOf({}),
}: ApiOptions): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, c) => {
      if (result.success) return
      const details = result.error.issues.map((issue) => ({
        parameter: issue.path.join('.'),
        message: issue.message,
      }))
      const message = details
        .map((d) => [d.parameter, d.message].filter((part) => part !== '').join(': '))
        .join('; ')
      return errorJson(c, new ApiError(400, 'bad-parameter', message, details))
    },
  })

  // Before what is guarded: the page holds no data, and asks for the token itself.
  addPage(app)
  app.use(guard({ token, localOnly }))
  app.use('/api/v1/*', onlyKnownParameters(app))
  app.use(
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError(c) {
        // What still comes is not waited for.
        c.header('Connection', 'close')
        return errorJson(
          c,
          new ApiError(413, 'too-large', `the body is larger than ${MOST_BODY_BYTES} bytes`),
        )
      },
    }),
  )
  app.onError((error, c) => {
    if (error instanceof ApiError) return errorJson(c, error)
    // A body that is no JSON, or does not say that it is.
    if (error instanceof HTTPException && error.status < 500) {
      return errorJson(c, new ApiError(error.status, 'bad-request', error.message))
    }
    if (AWAY.test(`${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}`)) {
      return errorJson(c, new ApiError(503, 'store-unavailable', 'the store does not answer'))
    }
    log.error({ err: error, path: c.req.path }, 'request failed')
    return errorJson(c, new ApiError(500, 'internal', 'the request failed; the log says why'))
  })
  app.notFound((c) => {
    const { method, path } = c.req
    const methods = methodsOf(app, path).join(', ')
    if (methods === '') {
      return errorJson(c, new ApiError(404, 'no-such-route', `there is no ${method} ${path}`))
    }
    c.header('Allow', methods)
    return errorJson(c, new ApiError(405, 'wrong-method', `there is no ${method} ${path}, only ${methods}`))
  })

  addHealthRoutes(app, store, createMetrics(metrics, refreshMetrics), problem)
  app.get('/', (c) =>
    c.json({
      name: 'longpole',
      start: [
        '/api/v1/endpoints',
        '/api/v1/bottlenecks',
        '/api/v1/components',
        '/api/v1/findings',
        '/api/v1/traces',
      ],
      openapi: '/openapi.json',
    }),
  )
  addBottleneckRoutes(app, store, findingLimits)
  addFindingRoutes(app, store, findingLimits)
  addTraceRoutes(app, store)
  addTimelineRoute(app, store)
  addEventRoute(app, store)
  addCompareRoutes(app, store)
  addMarkRoutes(app, store)
  addFlamegraphRoute(app, store)
  addCapacityRoute(app, store)
  addWhatIfRoutes(app, store)
  addDoctorRoute(app, store)
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Longpole',
      version: '1',
      description:
        'If this component were infinitely fast, would the endpoint still be slow? Times in ns end in Ns. Predictions ' +
        'are for the requests as they were, load and queues included: real savings can be larger.',
    },
  })
  return app
}
