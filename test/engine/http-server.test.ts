import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import type { Session } from 'chdb'
import { expect, it } from 'vitest'
import { serveEngine } from '../../src/engine/http-server.ts'

it('closes once a request under way is answered, although its connection is kept alive', async () => {
  const noSession = () => {
    throw new Error('no statement is run')
  }
  const server = await serveEngine(noSession, { host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true })
  // Answered at once: it is known to be there.
  const headers = { expect: '100-continue' }
  const underWay = request({ agent, host: '127.0.0.1', port: server.port, method: 'POST', headers })
  underWay.flushHeaders()
  await once(underWay, 'continue')
  const closed = server.close()
  underWay.end('SELECT 1')
  const [answer] = (await once(underWay, 'response')) as [IncomingMessage]
  answer.resume()
  expect([answer.statusCode, answer.headers.connection]).toEqual([500, 'keep-alive'])
  await closed
  agent.destroy()
})

const isOfFailedWrites = (text: string) => text.includes('system.events')

it.each([
  ['what is written before a write fails', '', 200],
  ['nothing after it', '1\n', 500],
])('acknowledges %s', async (_, failed, status) => {
  const queryAsync = async (text: string) => ({
    text: () => (isOfFailedWrites(text) ? failed : ''),
    rowsRead: 0,
    bytes: () => Buffer.alloc(0),
  })
  const openSession = () => ({ query() {}, queryAsync, close() {} }) as unknown as Session
  const server = await serveEngine(openSession, { host: '127.0.0.1', port: 0 })
  try {
    for (const body of ['INSERT INTO t FORMAT CSV 1', 'INSERT INTO t SELECT 1', 'OPTIMIZE TABLE t']) {
      const answer = await fetch(`http://127.0.0.1:${server.port}/`, { method: 'POST', body })
      expect([body, answer.status, await answer.text()]).toEqual([
        body,
        status,
        status === 200 ? '' : expect.stringContaining('Code: 243.'),
      ])
    }
  } finally {
    await server.close()
  }
})
