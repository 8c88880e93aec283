import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openStore } from '../../src/store/store.ts'
import { quiet } from '../support/store.ts'

it('spans are inserted with their token, into views as well, and answered once stored', async () => {
  const asked: { url: URL; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      asked.push({ url: new URL(request.url!, 'http://store'), body })
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const store = openStore({ url, database: 'd', retentionDays: 7, rollupRetentionDays: 7, log: quiet })
  try {
    const native = [Buffer.from('ro'), Buffer.from('ws')]
    await store.insertSpans({ rows: 1, native, columns: ['TraceId', 'Events.Name'], token: 'once' })
    expect(asked.map(({ body }) => body)).toEqual(['rows'])
    const parameters = Object.fromEntries(asked[0]!.url.searchParams)
    expect(parameters).toMatchObject({
      query: 'INSERT INTO received_spans (`TraceId`, `Events.Name`) FORMAT Native',
      database: 'd',
      insert_deduplication_token: 'once',
      deduplicate_blocks_in_dependent_materialized_views: '1',
      async_insert: '0',
    })
  } finally {
    await store.close()
    server.close()
  }
})

it('a store on this machine finds the rows in a file, which is used again, but not after a failure', async () => {
  const spool = mkdtempSync(join(tmpdir(), 'longpole-spool-'))
  const asked: { query: string; file: string | undefined; body: string }[] = []
  let place: string | undefined = spool
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { searchParams } = new URL(request.url!, 'http://store')
      const name = searchParams.get('spooled')
      asked.push({
        query: searchParams.get('query') ?? body,
        file: name === null ? undefined : readFileSync(join(spool, name), 'latin1'),
        body: name === null ? body : '',
      })
      response.statusCode = asked.length === 2 ? 500 : 200
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const options = { url, database: 'd', retentionDays: 7, rollupRetentionDays: 7, log: quiet }
  const store = openStore({ ...options, spool: () => place })
  const batch = {
    rows: 1,
    native: [Buffer.from('ro'), Buffer.from('ws')],
    columns: ['TraceId'],
    token: 'once',
  }
  const query = 'INSERT INTO received_spans (`TraceId`) FORMAT Native'
  try {
    await store.insertSpans(batch)
    const files = readdirSync(spool)
    expect(files).toHaveLength(1)
    await expect(store.insertSpans(batch)).rejects.toThrow()
    expect(readdirSync(spool)).toEqual([])
    place = undefined
    await store.insertSpans(batch)
    expect(asked).toEqual([
      { query, file: 'rows', body: '' },
      { query, file: 'rows', body: '' },
      { query, file: undefined, body: 'rows' },
    ])
  } finally {
    await store.close()
    server.close()
    rmSync(spool, { recursive: true })
  }
})

it('a large answer comes in a file, which is gone once it is read, and through the socket where there is none', async () => {
  const spool = mkdtempSync(join(tmpdir(), 'longpole-spool-'))
  const asked: [query: string, named: boolean][] = []
  let place: string | undefined = spool
  let works = true
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const name = new URL(request.url!, 'http://store').searchParams.get('spool_answer')
      asked.push([body.trim(), name !== null])
      if (name !== null) writeFileSync(join(spool, name), works ? 'in a file' : 'half of')
      response.statusCode = name === null || works ? 200 : 500
      response.end(name === null ? 'through the socket' : '')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const options = { url, database: 'd', retentionDays: 7, rollupRetentionDays: 7, log: quiet }
  const store = openStore({ ...options, spool: () => place })
  const query = 'SELECT 1 FORMAT Native'
  try {
    expect(await store.queryLarge('SELECT 1', {}, String)).toBe('in a file')
    works = false
    expect(await store.queryLarge('SELECT 1', {}, String)).toBe('through the socket')
    place = undefined
    expect(await store.queryLarge('SELECT 1', {}, String)).toBe('through the socket')
    expect(asked).toEqual([
      [query, true],
      [query, true],
      [query, false],
      [query, false],
    ])
    expect(readdirSync(spool)).toEqual([])
  } finally {
    await store.close()
    server.close()
    rmSync(spool, { recursive: true })
  }
})
