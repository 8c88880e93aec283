import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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
    const native = Buffer.from('rows')
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
