import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export const MODES = ['error', 'hang', 'close', 'close after'] as const
export type StoreProxy = {
  url: string
  mode: 'through' | (typeof MODES)[number]
  close(): Promise<void>
}

/** Stands before the store and passes requests on, or does not: answers 500, never, or closes the connection. */
export async function openStoreProxy(target: string): Promise<StoreProxy> {
  const { hostname, port } = new URL(target)
  const server = createServer((incoming, outgoing) => {
    const { mode } = proxy
    incoming.on('error', () => {})
    if (mode === 'hang') return void incoming.resume()
    if (mode === 'error') {
      incoming.resume()
      incoming.on('end', () => outgoing.writeHead(500).end('no database here'))
      return
    }
    if (mode === 'close') {
      incoming.once('data', () => incoming.socket.destroy())
      return
    }
    const { method, url, headers } = incoming
    const onward = request({ hostname, port, path: url, method, headers }, (answer) => {
      if (mode === 'close after') {
        // It is done, and the one who asked does not hear of it.
        answer.resume()
        answer.on('close', () => incoming.socket.destroy())
        return
      }
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.on('close', () => answer.complete || incoming.socket.destroy())
      answer.pipe(outgoing)
    })
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: StoreProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: 'through',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}
