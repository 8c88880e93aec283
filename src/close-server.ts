import type { Server } from 'node:http'

const CHECK_MS = 20

/**
 * Takes no more connections; resolves once the requests under way are answered. Node closes the connections that are idle when a
 * server closes, and keeps alive one that was busy then.
 */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => server.closeIdleConnections(), CHECK_MS)
    server.close(() => {
      clearInterval(timer)
      resolve()
    })
  })
}
