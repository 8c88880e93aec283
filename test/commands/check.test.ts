import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { convert } from 'xmlbuilder2'
import { parseBudgets } from '../../src/commands/budget.ts'
import { run } from '../../src/commands/check.ts'
import { newDirectory } from '../support/directory.ts'
import { capture } from './capture.ts'

const directory = newDirectory()
const ITEM = 'SELECT * FROM item WHERE id = $1'
const ITEMS = Array.from({ length: 8 }, (): [string, number] => [ITEM, 10])

/** One a second; `queriesOf`: text and milliseconds of the queries of each, a millisecond between them. */
function requests(
  count: number,
  queriesOf: (n: number) => [string, number][] = () => ITEMS,
  environment = '',
) {
  const ms = 1_000_000n
  const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } })
  const spans = Array.from({ length: count }, (_, n) => {
    const traceId = `${environment.length}${(n + 1).toString(16).padStart(31, '0')}`
    const start = 1_767_225_600_000_000_123n + BigInt(n) * 1000n * ms
    const spanId = '1'.padStart(16, '0')
    let at = 2
    const queries = queriesOf(n).map(([text, length], i) => {
      const from = at
      at += length + 1
      return {
        traceId,
        spanId: (i + 2).toString(16).padStart(16, '0'),
        parentSpanId: spanId,
        name: 'SELECT item',
        kind: 3,
        startTimeUnixNano: String(start + BigInt(from) * ms),
        endTimeUnixNano: String(start + BigInt(from + length) * ms),
        attributes: [
          attribute('db.system.name', 'postgresql'),
          attribute('db.namespace', 'shop'),
          attribute('db.query.text', text),
        ],
      }
    })
    const server = {
      traceId,
      spanId,
      name: 'GET /orders/{id}',
      kind: 2,
      startTimeUnixNano: String(start),
      endTimeUnixNano: String(start + BigInt(at + 10) * ms),
      attributes: [attribute('http.request.method', 'GET'), attribute('http.route', '/orders/{id}')],
    }
    return [server, ...queries]
  }).flat()
  const attributes = [attribute('service.name', 'shop')]
  if (environment !== '') attributes.push(attribute('deployment.environment.name', environment))
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] }
}

function tracesFile(name: string, traces: unknown): string {
  const path = join(directory, name)
  writeFileSync(path, JSON.stringify(traces))
  return path
}

/** Forty requests of 8 queries under GET /orders/{id}, as OTLP JSON. */
const TRACES = tracesFile('traces.json', requests(40))

async function check(budget: string, ...args: string[]) {
  const path = join(directory, `budget-${Math.random()}.yaml`)
  writeFileSync(path, budget)
  const context = capture()
  const code = await run(['--budget', path, ...args], context)
  return { code, out: context.out(), err: context.err() }
}

test('a missed budget: bottleneck, finding and owner; exit code 1', async () => {
  const { code, out } = await check(
    `
    budgets:
      shop GET /orders/{id}: [p95<50ms, p50<=200ms]
    owners: { shop: team-shop }
    `,
    TRACES,
  )
  expect(code).toBe(1)
  expect(out.split('\n')).toEqual([
    'missed  shop GET /orders/{id}: p95 100 ms, budget p95<50ms (team-shop)',
    '        held back by database postgresql/shop: without its own work p95 20 ms',
    '        N+1 queries, saves 70 ms at p95: shop GET /orders/{id} runs SELECT *',
    '        FROM item WHERE id = ? 8 times a request (80 ms together): load them all',
    '        with one query (a join, or WHERE ... IN).',
    'kept    shop GET /orders/{id}: p50 100 ms, budget p50<=200ms (team-shop)',
    '',
  ])
})

test('the finding behind a missed budget is the one that saves most of what the budget is about', async () => {
  // p50: 8 queries; p95: a slow one; p99: many queries, of one request in fifty.
  const traces = tracesFile(
    'statistics.json',
    requests(50, (n) => {
      if (n === 7) return Array.from({ length: 60 }, () => ['SELECT * FROM line WHERE id = $1', 20])
      return n % 10 === 0 ? [['SELECT sum(x) FROM sales', 700]] : ITEMS
    }),
  )
  const behind = async (target: string) => {
    const { code, out } = await check(`budgets: { "shop GET /orders/{id}": ${target} }`, traces)
    return [code, /([^ ]* queries|Slow query), saves .* at (p\d+|the mean)/.exec(out)?.[0]]
  }
  expect(await behind('p50<50ms')).toEqual([1, 'N+1 queries, saves 70 ms at p50'])
  expect(await behind('p95<50ms')).toEqual([1, 'Slow query, saves 613 ms at p95'])
  expect(await behind('mean<50ms')).toEqual([1, 'Slow query, saves 70 ms at the mean'])
  expect(await behind('p99<1s')).toEqual([1, 'N+1 queries, saves 559 ms at p99'])
  expect(await behind('p99.9<1s')).toEqual([1, 'N+1 queries, saves 559 ms at p99'])
})

test('a finding that saves nothing of what the budget is about is named where no other does', async () => {
  const behind = async (traces: string, target: string) => {
    const budgets = `{ budgets: { "shop GET /orders/{id}": ${target} }, owners: { shop: team-shop } }`
    const { code, out } = await check(budgets, traces)
    const text = out.split('\n').slice(0, 3).join(' ').replace(/ +/g, ' ')
    return [
      code,
      text.includes('(team-shop)'),
      /held back by [^:]*/.exec(text)?.[0],
      /\w+ \w+, saves [^:]*/.exec(text)?.[0],
    ]
  }
  // One in fifty: no p95 sees it.
  const seldom = tracesFile(
    'seldom.json',
    requests(50, (n) => [['SELECT sum(x) FROM sales', n === 7 ? 3000 : 20]]),
  )
  const held = 'held back by database postgresql/shop'
  expect(await behind(seldom, 'mean<50ms')).toEqual([1, true, held, 'Slow query, saves 60 ms at the mean'])
  expect(await behind(seldom, 'p95<10ms')).toEqual([1, true, held, 'Slow query, saves 60 ms at the mean'])
})

test('every environment has to keep the budget of its endpoint', async () => {
  const slow = (): [string, number][] => [['SELECT sum(x) FROM sales', 798]]
  const quick = (): [string, number][] => [['SELECT 1', 17]]
  const prod = tracesFile('prod.json', requests(5, slow, 'prod'))
  const staging = tracesFile('staging.json', requests(40, quick, 'staging'))
  const unnamed = tracesFile('unnamed.json', requests(9, quick))
  const outcome = async (target: string, ...files: string[]) => {
    const { code, out } = await check(`budgets: { "shop GET /orders/{id}": ${target} }`, ...files)
    return [code, out.split('\n')[0]]
  }
  expect(await outcome('p95<500ms', staging, prod, unnamed)).toEqual([
    1,
    'missed  shop GET /orders/{id} in environment prod: p95 811 ms, budget p95<500ms',
  ])
  expect(await outcome('p95<1s', staging, prod)).toEqual([
    0,
    'kept    shop GET /orders/{id} in environment prod: p95 811 ms, budget p95<1s',
  ])
  expect(await outcome('p95<20ms', unnamed, prod)).toEqual([
    1,
    'missed  shop GET /orders/{id} in environment prod: p95 811 ms, budget p95<20ms',
  ])
  expect(await outcome('p95<500ms', staging)).toEqual([
    0,
    'kept    shop GET /orders/{id}: p95 30 ms, budget p95<500ms',
  ])
})

test('all kept: exit code 0', async () => {
  const { code, out } = await check('budgets:\n  shop GET /orders/{id}: p99 < 1s\n', TRACES)
  expect([code, out]).toEqual([0, 'kept    shop GET /orders/{id}: p99 100 ms, budget p99 < 1s\n'])
})

test('an endpoint that nobody called has kept nothing, unless that is allowed', async () => {
  const budget = 'budgets: { shop GET /nowhere: p95<1s }'
  const strict = await check(budget, TRACES)
  expect([strict.code, strict.out]).toEqual([1, 'absent  shop GET /nowhere: no requests, budget p95<1s\n'])
  expect((await check(budget, '--allow-absent', TRACES)).code).toBe(0)
})

test('JUnit XML', async () => {
  const budget = `
    budgets:
      shop GET /orders/{id}: [p95<50ms, p95<500ms]
      shop GET /<nowhere>: p95<1s
    owners: { shop: a & b }`
  const { code, out } = await check(budget, '--format', 'junit', '--allow-absent', TRACES)
  expect(code).toBe(1)
  const { testsuites } = convert(out, { format: 'object' }) as unknown as {
    testsuites: Record<string, unknown>
  }
  expect(testsuites).toMatchObject({ '@tests': '3', '@failures': '1', '@skipped': '1' })
  expect(out).toContain('<testcase classname="shop" name="GET /orders/{id} p95&lt;50ms" time="0.100000">')
  expect(out).toContain('held back by database postgresql/shop')
  expect(out).toContain('owner: a &amp; b')
})

test.each([
  ['budgets: [a]', 'budgets: Invalid input'],
  ['budgets: { a b: fast }', 'a b: not a target'],
  ['budgets: { nameless: p95<1s }', 'expected a service and an operation'],
  ['budgets: { a b: p95<1s }\nowner: { a: x }', 'Unrecognized key'],
  ['budgets: {', 'at line 1'],
])('a budget file that makes no sense is said to: %s', (text, problem) => {
  expect(() => parseBudgets(text)).toThrow(problem)
})

test('usage', async () => {
  await expect(run([], capture())).rejects.toThrow('expected --budget FILE')
  await expect(run(['--budget', '/nowhere.yaml'], capture())).rejects.toThrow('/nowhere.yaml cannot be read')
  await expect(check('budgets: {}', '--format', 'html')).rejects.toThrow('expected text or junit')
  await expect(check('budgets: {}', '--url', 'http://x', TRACES)).rejects.toThrow('not both')
  const help = capture()
  expect(await run(['--help'], help)).toBe(0)
  expect(help.out()).toContain('usage: longpole check')
})

test('nothing to read', async () => {
  const { code, err } = await check('budgets: {}', fileURLToPath(new URL('./nowhere.json', import.meta.url)))
  expect(code).toBe(1)
  expect(err).toContain('nothing could be read')
})

test('requests that took no time keep any budget, a percentile that is not told too', async () => {
  const traces = requests(3, () => [])
  for (const span of traces.resourceSpans[0]!.scopeSpans[0]!.spans) {
    span.endTimeUnixNano = span.startTimeUnixNano
  }
  const { code } = await check(
    'budgets:\n  shop GET /orders/{id}: [p99.9<1ms, p50<1ms]\n',
    tracesFile('none.json', traces),
  )
  expect(code).toBe(0)
})
