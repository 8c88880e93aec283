import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RefusedStatement } from './refused.ts'

/** Only programs on this machine: a web page can send requests here (its Origin shows), or rebind a name to loopback. */
export function refuseForeign(request: IncomingMessage): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':')
  if (host !== 'localhost' && !isAddress)
    throw new RefusedStatement('Host is not this machine', 497, 'ACCESS_DENIED')
  if (request.headers.origin !== undefined || header(request, 'sec-fetch-site') === 'cross-site') {
    throw new RefusedStatement('requests from web pages are refused', 497, 'ACCESS_DENIED')
  }
}

const USERS = new Set(['', 'default', 'reader'])

/** @throws RefusedStatement where there is no such user, or the password is not `password` */
export function userOf(
  request: IncomingMessage,
  parameters: URLSearchParams,
  password: string | undefined,
): string {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  const [basicUser, ...basicPassword] = Buffer.from(basic ?? '', 'base64')
    .toString('utf8')
    .split(':')
  const user = header(request, 'x-clickhouse-user') ?? parameters.get('user') ?? basicUser!
  const given = header(request, 'x-clickhouse-key') ?? parameters.get('password') ?? basicPassword.join(':')
  if (!USERS.has(user) || (password !== undefined && !isSame(given, password))) {
    throw new RefusedStatement(`no user ${user}, or not this password`, 516, 'AUTHENTICATION_FAILED')
  }
  return user
}

/** How long it takes says nothing about either. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

export function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
