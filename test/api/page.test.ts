import { expect, it } from 'vitest'
import { createApi } from '../../src/api/app.ts'
import { openStore } from '../../src/store/store.ts'
import { quiet } from '../support/store.ts'

const store = openStore({
  url: 'http://127.0.0.1:9',
  database: 'away',
  retentionDays: 7,
  rollupRetentionDays: 400,
  log: quiet,
})
const asBrowser = { headers: { accept: 'text/html,application/xhtml+xml' } }

it('browsers get the page at /, and everything it names; scripts are told where the API begins', async () => {
  const api = createApi({ store, log: quiet })
  const page = await api.request('/', asBrowser)
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  const names = [...(await page.text()).matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, name]) => name)
  expect(names.sort()).toEqual(['page.css', 'page.js'])
  for (const name of names) expect((await api.request(`/${name}`)).status).toBe(200)
  expect(await (await api.request('/')).json()).toMatchObject({ name: 'longpole' })
})

it('is not sent again while it is the same', async () => {
  const api = createApi({ store, log: quiet })
  const etag = (await api.request('/page.js')).headers.get('etag')!
  expect((await api.request('/page.js', { headers: { 'if-none-match': etag } })).status).toBe(304)
  expect((await api.request('/page.js', { headers: { 'if-none-match': '"older"' } })).status).toBe(200)
})

it('comes without the token that it asks for, and holds no data', async () => {
  const api = createApi({ store, log: quiet, token: 'secret' })
  expect((await api.request('/', asBrowser)).status).toBe(200)
  expect((await api.request('/page.js')).status).toBe(200)
  for (const path of ['/', '/api/v1/endpoints']) expect((await api.request(path)).status).toBe(401)
})
