import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const run = promisify(execFile)
let url = ''
let demo: ReturnType<typeof spawn>

/** The demo's shop, whose traffic is the same every time. */
beforeAll(async () => {
  demo = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'demo'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: demo.stdout! })) {
    url = /(http:\S+)\/#\/endpoints/.exec(line)?.[1] ?? ''
    if (url !== '') break
  }
})

afterAll(async () => {
  const ended = new Promise((resolve) => demo.once('exit', resolve))
  demo.kill('SIGINT')
  await ended
})

/** What the page has drawn, once its answers have come. Debian's package is called chromium. */
async function drawn(hash: string): Promise<string> {
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--virtual-time-budget=10000',
    '--dump-dom',
  ]
  const { stdout } = await run('chromium', [...flags, `${url}/${hash}`], { maxBuffer: 1e8 })
  return stdout
}

const range = 'from=now-6h'

it('lists endpoints with their leaders, and leads to one of them', async () => {
  const page = await drawn(`#/endpoints?${range}`)
  expect(page).toContain('GET /catalog/{sku}')
  expect(page).toContain('postgresql/catalog')
  const link = /href="(#\/endpoint\?[^"]*catalog[^"]*)"/.exec(page)![1]!.replaceAll('&amp;', '&')
  const endpoint = await drawn(link)
  expect(endpoint).toContain('Slow query')
  expect(endpoint).toMatch(/verdict leader/)
  // The chart, and frames of the flame graph.
  expect(endpoint).toContain('u-wrap')
  expect(endpoint).toContain('database postgresql/catalog: SELECT reviews')
  const trace = await drawn(/href="(#\/trace\/[0-9a-f]{32}[^"]*)"/.exec(endpoint)![1]!)
  expect(trace).toContain('SELECT reviews')
  expect(trace).toMatch(/class="segment database"/)
})

it('says whether a target is missed, and by whom', async () => {
  const query = `${range}&service=gateway&operation=GET%20/home&scope=trace&target=p95%3C200ms`
  const page = await drawn(`#/endpoint?${query}`)
  expect(page).toContain('No single component meets')
  expect(page).toMatch(/adverts.* and .*recommendations.* suffice/)
})

it('lists known mistakes, and says what it cannot show', async () => {
  expect(await drawn(`#/findings?${range}`)).toContain('One instance slower than its siblings')
  expect(await drawn(`#/trace/${'0'.repeat(32)}`)).toContain('is stored')
  expect(await drawn('#/endpoints?from=yesterday')).toContain('expected an ISO 8601 time')
})
