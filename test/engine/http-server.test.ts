import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
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
