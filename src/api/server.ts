import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { closeServer } from '../close-server.ts'
import { readTls, type TlsFiles } from '../tls.ts'
import { type ApiOptions, createApi } from './app.ts'
import { headersOfWarmUp, startWarmUp } from './warm-up.ts'

const LOOPBACK = /^(127\.|localhost$|\[::1\]$)/

/** An endpoint is named in the path, and of what the receivers let pass each byte takes three there; Node has 16 KiB. */
const MOST_HEADER_BYTES = 256 * 1024

/** Questions are short: who has not asked by then never will. In ms. */
const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: MOST_HEADER_BYTES,
} as const

/** Answers under way get this long. */
const STOP_MS = 5000

export type ApiHandle = { address: string; stop(): Promise<void> }

/** Serves the API. @throws Error that names the setting if the address cannot be used */
export async function startApi(
  options: ApiOptions & { address: string; tls?: TlsFiles | undefined },
): Promise<ApiHandle> {
  const colon = options.address.lastIndexOf(':')
  const host = options.address.slice(0, colon)
  const api = createApi({ localOnly: LOOPBACK.test(host), ...options })
  const listener = getRequestListener(api.fetch)
  const tls = options.tls === undefined ? undefined : readTls(options.tls, options.log)
  const server =
    tls === undefined
      ? createServer(LIMITS, listener)
      : createTlsServer({ ...LIMITS, cert: tls.cert, key: tls.key }, listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'the port is taken' : cause.message
      reject(new Error(`LONGPOLE_API=${options.address}: ${why}`, { cause }))
    })
    server.listen(Number(options.address.slice(colon + 1)), host.replace(/^\[|\]$/g, ''), resolve)
  })
  const { port } = server.address() as AddressInfo
  const headers = headersOfWarmUp(options.token)
  const endWarmUp = startWarmUp(async (question) => (await api.request(question, { headers })).arrayBuffer())
  return {
    address: `${host}:${port}`,
    async stop() {
      endWarmUp()
      const cut = setTimeout(() => server.closeAllConnections(), STOP_MS)
      await closeServer(server)
      clearTimeout(cut)
    },
  }
}
