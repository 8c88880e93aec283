import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import type { Session } from 'chdb'
import { expect, it, vi } from 'vitest'
import { serveEngine } from '../../src/engine/http-server.ts'
import { createLine } from '../../src/engine/turns.ts'

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

it('inserts in line begin one after the other, with all prepared, others at once', async () => {
  const events: string[] = []
  const ends = new Map<string, (failure?: Error) => void>()
  const openSession = () => {
    let token = ''
    const session = {
      query(text: string) {
        token = /insert_deduplication_token = '(\w+)'/.exec(text)?.[1] ?? token
        if (token !== '') events.push(`ready ${token}`)
      },
      queryAsync: (text: string) =>
        isOfFailedWrites(text)
          ? Promise.resolve({ text: () => '' })
          : new Promise<void>((resolve, reject) => {
              events.push(`begin ${token}`)
              ends.set(token, (failure) => (failure === undefined ? resolve() : reject(failure)))
            }),
      close() {},
    }
    return session as unknown as Session
  }
  const server = await serveEngine(openSession, { host: '127.0.0.1', port: 0 })
  writeFileSync(join(server.spool, 'rows'), 'rows')
  const insert = (token: string, line: string) =>
    fetch(
      `http://127.0.0.1:${server.port}/?query=INSERT+INTO+t+FORMAT+Native&spooled=rows&insert_deduplication_token=${token}${line}`,
      { method: 'POST' },
    ).then((answer) => events.push(`${token} ${answer.status}`))
  const sees = (event: string) => vi.waitFor(() => expect(events).toContain(event))
  try {
    const sent = [insert('a', '&in_line=1')]
    await sees('begin a')
    sent.push(insert('b', '&in_line=1'))
    await sees('ready b')
    sent.push(insert('c', ''))
    await sees('begin c')
    expect(events).not.toContain('begin b')
    // How the one before it ends makes no difference.
    ends.get('a')!(new Error('failed'))
    await sees('begin b')
    sent.push(insert('d', '&in_line=1'))
    await sees('ready d')
    ends.get('c')!()
    ends.get('b')!()
    await sees('begin d')
    ends.get('d')!()
    await Promise.all(sent)
    expect(events.filter((event) => /\d/.test(event)).sort()).toEqual(['a 500', 'b 200', 'c 200', 'd 200'])
  } finally {
    await server.close()
  }
})

it('an insert in line waits no longer than a while for one that hangs', async () => {
  const line = createLine(20)
  let end = () => {}
  const hangs = line(
    () =>
      new Promise<void>((resolve) => {
        end = resolve
      }),
  )
  expect(await line(async () => 'begun')).toBe('begun')
  end()
  await hangs
})
