import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { run } from '../../src/commands/analyze.ts'
import { newDirectory } from '../support/directory.ts'
import { capture } from './capture.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/traces/${name}`, import.meta.url))

async function analyze(...args: string[]) {
  const context = capture()
  const code = await run(args, context)
  return { code, out: context.out(), err: context.err() }
}

const ALL = [
  'otlp-request.json',
  'otlp-array.json',
  'otlp-lines.jsonl',
  'jaeger.json',
  'jaeger-array.json',
  'zipkin.json',
  'zipkin-traces.json',
]

test.each(ALL)('%s: the trace and its bottlenecks as JSON', async (name) => {
  const { code, out, err } = await analyze('--json', fixture(name))
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const { traces, bottlenecks } = JSON.parse(out)
  expect(traces.map((trace: { traceId: string }) => trace.traceId)).toEqual([
    '000000000000000000f067aa0ba902b7',
    '4bf92f3577b34da6a3ce929d0e0e4736',
  ])
  expect(traces[1].entries).toEqual([
    {
      spanId: '00f067aa0ba902b7',
      service: 'gateway',
      operation: 'GET /checkout/{id}',
      kind: 'root',
      startUnixNano: '1700000000000000000',
      durationNs: 90_000_000,
      queueWaitNs: 0,
      criticalPath: [
        { spanId: '00f067aa0ba902b7', component: service('gateway'), startNs: 0, endNs: 5_000_000 },
        { spanId: '00f067aa0ba90001', component: TRANSIT, startNs: 5_000_000, endNs: 6_000_000 },
        { spanId: '00f067aa0ba90002', component: service('orders'), startNs: 6_000_000, endNs: 10_000_000 },
        { spanId: '00f067aa0ba90003', component: DATABASE, startNs: 10_000_000, endNs: 70_000_000 },
        { spanId: '00f067aa0ba90002', component: service('orders'), startNs: 70_000_000, endNs: 78_000_000 },
        { spanId: '00f067aa0ba90001', component: TRANSIT, startNs: 78_000_000, endNs: 80_000_000 },
        { spanId: '00f067aa0ba902b7', component: service('gateway'), startNs: 80_000_000, endNs: 90_000_000 },
      ],
      components: [
        { ...DATABASE, criticalNs: 60_000_000, ifInstantNs: 30_000_000 },
        { ...service('gateway'), criticalNs: 15_000_000, ifInstantNs: 75_000_000 },
        { ...service('orders'), criticalNs: 12_000_000, ifInstantNs: 78_000_000 },
        { ...TRANSIT, criticalNs: 3_000_000, ifInstantNs: 87_000_000 },
      ],
    },
  ])
  expect(bottlenecks.map((b: { service: string; scope: string }) => [b.service, b.scope])).toEqual([
    ['gateway', 'trace'],
    ['orders', 'service'],
    ['worker', 'trace'],
  ])
})

const service = (name: string) => ({ kind: 'service', name })
const TRANSIT = { kind: 'network', name: 'gateway->orders' }
const DATABASE = { kind: 'database', name: 'postgresql/shop' }

test('the same spans twice are duplicates, which do not change the answer', async () => {
  const once = JSON.parse((await analyze('--json', fixture('jaeger.json'))).out)
  const twice = JSON.parse(
    (await analyze('--json', fixture('jaeger.json'), fixture('jaeger-array.json'))).out,
  )
  expect(twice.traces[1].entries).toEqual(once.traces[1].entries)
  expect(twice.traces[1].repairs.map((repair: { kind: string }) => repair.kind)).toEqual(
    Array(4).fill('duplicate'),
  )
})

test('--summary, --endpoint, --top', async () => {
  const endpoints = async (...args: string[]) => {
    const json = JSON.parse((await analyze('--json', ...args, fixture('otlp-request.json'))).out)
    return [json.traces?.length, json.bottlenecks.map((b: { service: string }) => b.service)]
  }
  expect(await endpoints('--summary')).toEqual([undefined, ['gateway', 'orders', 'worker']])
  expect(await endpoints('--endpoint', 'checkout')).toEqual([1, ['gateway']])
  expect(await endpoints('--top', '2')).toEqual([2, ['gateway', 'orders']])
  expect(await endpoints('--top', '1', '--endpoint', 'ORDERS get')).toEqual([0, ['orders']])
})

test('--target gives verdicts', async () => {
  const { out } = await analyze(
    '--json',
    '--target',
    'p95<50ms',
    '--endpoint',
    'gateway',
    fixture('otlp-request.json'),
  )
  const [{ components }] = JSON.parse(out).bottlenecks
  expect(components[0]).toMatchObject({ name: 'postgresql/shop', verdict: 'bottleneck' })
})

test('--target names the pair that suffices where no single component does', async () => {
  const args = ['--json', '--endpoint', 'gateway', fixture('otlp-request.json')]
  const { out } = await analyze('--target', 'p95<25ms', ...args)
  const [{ components, pair, pairFigures }] = JSON.parse(out).bottlenecks
  expect(components.map(({ verdict }: { verdict: string }) => verdict)).not.toContain('bottleneck')
  expect(pair).toEqual([DATABASE, service('gateway')])
  expect(pairFigures).toMatchObject({ samples: 1, ifInstant: { p95Ns: 15_000_000 }, p95Interval: null })
  // One is enough, or two are not.
  for (const target of ['p95<50ms', 'p95<10ms']) {
    expect(JSON.parse((await analyze('--target', target, ...args)).out).bottlenecks[0].pair).toBeUndefined()
  }
})

test('--timings writes one line of JSON', async () => {
  const { err } = await analyze('--timings', fixture('otlp-request.json'))
  const timings = JSON.parse(err)
  expect(timings).toMatchObject({ traces: 2, spans: 5 })
  expect(Object.keys(timings)).toEqual([
    'traces',
    'spans',
    'readMs',
    'decodeMs',
    'learnMs',
    'assembleMs',
    'criticalPathMs',
    'whatIfMs',
    'findingsMs',
    'totalMs',
  ])
})

describe('the report for the terminal', () => {
  test('fits 80 columns and names the trace, its path and the endpoint', async () => {
    const { code, out } = await analyze(fixture('otlp-request.json'))
    expect(code).toBe(0)
    expect(out).toContain('trace 4bf92f3577b34da6a3ce929d0e0e4736: 4 spans')
    expect(out).toContain('database postgresql/shop')
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })

  test('of many traces, the slowest only', async () => {
    const directory = newDirectory()
    const file = join(directory, 'many.json')
    const spans = Array.from({ length: 50 }, (_, i) => ({
      traceId: String(i + 1),
      id: '1',
      timestamp: 1_700_000_000_000_000,
      duration: 1000 + i,
      name: 'get',
      localEndpoint: { serviceName: 's' },
    }))
    writeFileSync(file, JSON.stringify(spans))
    const { out } = await analyze(file)
    expect(out).toMatch(/^the 3 slowest of 50 traces\n/)
    expect(out.match(/^trace /gm)).toHaveLength(3)
    expect((await analyze('--summary', file)).out).not.toMatch(/^trace /m)
  })
})

describe('exit codes', () => {
  test.each([
    [[], 'expected at least one FILE'],
    [['--target', 'fast', 'f'], '--target: not a target'],
    [['--top', '0', 'f'], '--top: expected a whole number above 0, found 0'],
    [['--dependencies', 'some', 'f'], '--dependencies: expected single or learned, found some'],
  ])('2: %j', async (args, message) => {
    const { code, err, out } = await analyze(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
  })

  test('an unknown option is refused as node:util does', async () => {
    await expect(analyze('--nope')).rejects.toMatchObject({ code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
  })

  test('1 when nothing could be read', async () => {
    const { code, err } = await analyze('--json', fixture('nope.json'), fileURLToPath(import.meta.url))
    expect(code).toBe(1)
    expect(err).toMatch(/nope\.json: ENOENT/)
    expect(err).toMatch(/analyze\.test\.ts: byte 0: expected a trace file/)
    expect(err).toMatch(/nothing could be read/)
  })

  test('0 when some of it could; what is wrong is said', async () => {
    const directory = newDirectory()
    const broken = join(directory, 'broken.json')
    writeFileSync(broken, readFileSync(fixture('zipkin.json')).subarray(0, 900))
    const { code, out, err } = await analyze('--json', broken, fixture('jaeger.json'))
    expect(code).toBe(0)
    expect(JSON.parse(out).traces).toHaveLength(2)
    expect(err).toMatch(/broken\.json: line \d+, byte 900: the file ends in the middle of a value\n/)
    expect(err).toMatch(/broken\.json: 2 spans could be read\n/)
  })

  test('0 and the help text', async () => {
    const { code, out } = await analyze('--help')
    expect([code, out]).toEqual([0, expect.stringContaining('usage: longpole analyze')])
  })
})
