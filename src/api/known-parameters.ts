import type { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { errorJson } from './errors.ts'
import { badParameter, PageQuery, RangeQuery } from './parameters.ts'

/** Taken by every route: who asks several the same need not know which of them has pages. */
const EVERYWHERE = [...Object.keys(RangeQuery.shape), ...Object.keys(PageQuery.shape)]
/** `/api/v1/traces/{id}`: what is in braces stands for one part of a path. */
const IN_BRACES = /\{[^}]+\}/g

/** Refuses parameters that a route does not know: with a misspelt filter it would answer for everything. */
export function onlyKnownParameters(app: OpenAPIHono): MiddlewareHandler {
  let routes: ReturnType<typeof routesOf> | undefined
  return async (c, next) => {
    routes ??= routesOf(app)
    const route = routes.find(({ method, path }) => method === c.req.method && path.test(c.req.path))
    const unknown = Object.keys(c.req.query()).find((name) => route?.names.has(name) === false)
    if (route === undefined || unknown === undefined) return next()
    const known = [...route.names].join(', ')
    return errorJson(c, badParameter(unknown, `${unknown}: there is no such parameter, only ${known}`))
  }
}

/** What a path of the API may be asked with; nothing where there is no such path. */
export function methodsOf(app: OpenAPIHono, path: string): string[] {
  return routesOf(app).flatMap((route) => (route.path.test(path) ? [route.method] : []))
}

function routesOf(app: OpenAPIHono) {
  return app.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route') return []
    const { method, path, request } = definition.route
    const query = request?.query
    const own = query !== undefined && 'shape' in query ? Object.keys(query.shape as object) : []
    return [
      {
        method: method.toUpperCase(),
        path: new RegExp(`^${path.replaceAll(IN_BRACES, '[^/]+')}$`),
        names: new Set([...own, ...EVERYWHERE]),
      },
    ]
  })
}
