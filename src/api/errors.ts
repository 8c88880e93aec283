import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** An answer that is an error; everything else that is thrown becomes a 500 without details. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly details: unknown
  constructor(status: ContentfulStatusCode, code: string, message: string, details?: unknown) {
    super(message)
    this.status = status
    this.code = code
    this.details = details
  }
}

export const ErrorBody = z
  .object({
    error: z.object({ code: z.string(), message: z.string(), details: z.unknown() }),
  })
  .openapi('Error')

export function errorJson(c: Context, error: ApiError) {
  const { code, message, details = null } = error
  return c.json({ error: { code, message, details } }, error.status)
}

const errorContent = { 'application/json': { schema: ErrorBody } }

/** What every route may answer beside its own. */
export const ERROR_RESPONSES = {
  400: { description: 'A parameter makes no sense', content: errorContent },
  401: { description: 'The bearer token is missing or wrong', content: errorContent },
  403: { description: 'A page of another site asks', content: errorContent },
  503: { description: 'The store does not answer', content: errorContent },
} as const

/** Of routes with a body. */
export const NO_JSON = {
  413: { description: 'The body is larger than 1 MiB', content: errorContent },
  415: { description: 'The body is not said to be application/json', content: errorContent },
} as const

export const NOT_FOUND = { 404: { description: 'There is none', content: errorContent } } as const
