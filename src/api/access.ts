import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { ApiError, errorJson } from './errors.ts'

export type Access = {
  /** Asked for as `Authorization: Bearer`, where set; /healthz and /readyz answer without. */
  token?: string | undefined
  /** The API listens on loopback: without a token it answers those only who name this machine as such. */
  localOnly?: boolean | undefined
}

const OPEN = new Set(['/healthz', '/readyz'])
/** `localhost`, `127.0.0.1`, `[::1]`: no name that somebody else can point here. */
const ADDRESS = /^(localhost|[\d.]+|\[[\da-f:.]+\])$/i

/** Refuses pages of other sites, also those that point a name of theirs at this machine, and who has no token. */
export function guard({ token, localOnly = false }: Access): MiddlewareHandler {
  return async (c, next) => {
    const host = (c.req.header('host') ?? '').replace(/:\d+$/, '')
    const origin = c.req.header('origin')
    const isForeign = origin !== undefined && !(URL.canParse(origin) && new URL(origin).hostname === host)
    if (isForeign || (localOnly && token === undefined && !ADDRESS.test(host))) {
      return errorJson(c, new ApiError(403, 'foreign-origin', 'requests from other sites are refused'))
    }
    if (token !== undefined && !OPEN.has(c.req.path) && !isToken(c.req.header('authorization'), token)) {
      c.header('WWW-Authenticate', 'Bearer')
      return errorJson(c, new ApiError(401, 'unauthorized', 'a bearer token is needed'))
    }
    return next()
  }
}

/** In constant time: hashes have one length. */
function isToken(authorization: string | undefined, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  const given = /^Bearer +(.*)$/i.exec(authorization ?? '')?.[1]
  return given !== undefined && timingSafeEqual(hash(given.trim()), hash(token))
}
