import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { foldedText } from '../../src/analysis/flame.ts'
import { run } from '../../src/commands/analyze.ts'
import { newDirectory } from '../support/directory.ts'
import { capture } from './capture.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/traces/${name}`, import.meta.url))

async function analyze(...args: string[]) {
  const context = capture()
  return { code: await run(args, context), out: context.out(), err: context.err() }
}

const FOLDED = [
  'gateway GET /checkout/{id} 15000000',
  'gateway GET /checkout/{id};gateway GET;orders GET /orders/{id} 12000000',
  'gateway GET /checkout/{id};gateway GET;orders GET /orders/{id};orders SELECT orders;database postgresql/shop 60000000',
  'gateway GET /checkout/{id};gateway GET;transit gateway->orders 3000000',
  'worker poll 250000',
  '',
]

test('folded: critical time by stack, which adds up to the entries', async () => {
  const { code, out } = await analyze('--format', 'folded', fixture('otlp-request.json'))
  expect([code, out.split('\n')]).toEqual([0, FOLDED])
})

test('--endpoint picks the entries', async () => {
  const { out } = await analyze('--format', 'folded', '--endpoint', 'worker', fixture('otlp-request.json'))
  expect(out).toBe('worker poll 250000\n')
})

test('speedscope: the same', async () => {
  const { out } = await analyze('--format', 'speedscope', fixture('otlp-request.json'))
  const { shared, profiles, $schema } = JSON.parse(out)
  expect($schema).toBe('https://www.speedscope.app/file-format-schema.json')
  const [{ type, unit, samples, weights, endValue }] = profiles
  expect([type, unit, endValue]).toEqual(['sampled', 'nanoseconds', 90_250_000])
  const lines = samples.map(
    (stack: number[], i: number) =>
      `${stack.map((frame) => shared.frames[frame].name).join(';')} ${weights[i]}`,
  )
  expect([...lines, '']).toEqual(FOLDED)
})

/** Zipkin halves of one call, sharing an id: the server's children hang below the server, the caller's own below it. */
test('halves of a call that share an id are taken apart', async () => {
  const zipkin = (
    id: string,
    kind: string | undefined,
    service: string,
    timestamp: number,
    duration: number,
    parentId?: string,
  ) => ({
    ...{ traceId: 'a', id, name: kind === undefined ? `own ${id}` : kind.toLowerCase(), timestamp, duration },
    ...(kind === undefined ? {} : { kind }),
    ...(parentId === undefined ? {} : { parentId }),
    localEndpoint: { serviceName: service },
  })
  const file = join(newDirectory(), 'shared.json')
  const spans = [
    zipkin('1', undefined, 'web', 1000, 100),
    zipkin('2', 'CLIENT', 'web', 1010, 80, '1'),
    zipkin('2', 'SERVER', 'api', 1020, 60, '1'),
    zipkin('3', undefined, 'api', 1030, 40, '2'),
  ]
  writeFileSync(file, JSON.stringify(spans))
  const { out } = await analyze('--format', 'folded', file)
  expect(out.split('\n')).toEqual([
    'web own 1 20000',
    'web own 1;web client;api server 20000',
    'web own 1;web client;api server;api own 3 40000',
    'web own 1;web client;transit web->api 20000',
    '',
  ])
})

test('a sampled request counts for those it stands for; no name breaks a line or a stack', async () => {
  const file = join(newDirectory(), 'sampled.json')
  const one = (id: string, serviceName: string, tags: object, duration: number) => ({
    ...{ traceId: id, id, timestamp: 1_000_000, duration, name: 'x', tags, localEndpoint: { serviceName } },
  })
  writeFileSync(
    file,
    JSON.stringify([
      one('1', 'a\n;b', { 'sampling.probability': '0.25' }, 10),
      one('2', 'a\n;b', { 'sampling.probability': '1' }, 100),
    ]),
  )
  expect((await analyze('--format', 'folded', file)).out).toBe('a ,b x 140000\n')
  const { profiles } = JSON.parse((await analyze('--format', 'speedscope', file)).out)
  expect(profiles[0].weights).toEqual([140_000])
  expect(foldedText([{ frames: ['a\n;b', 'c'], selfNs: 7 }])).toBe('a ,b;c 7\n')
})

test('a chain of 2,000 spans and a cycle end', async () => {
  const file = join(newDirectory(), 'deep.json')
  const chain = Array.from({ length: 2000 }, (_, i) => ({
    traceId: 'a',
    id: String(i + 1),
    ...(i > 0 ? { parentId: String(i) } : {}),
    timestamp: 1_000_000 + i,
    duration: 10_000 - 2 * i,
    name: `span ${i % 7}`,
  }))
  const cycle = ['1', '2', '3'].map((id, i, ids) => ({
    traceId: 'b',
    id,
    parentId: ids[(i + 1) % 3],
    timestamp: 1_000_000,
    duration: 9 - i,
  }))
  writeFileSync(file, JSON.stringify([...chain, ...cycle]))
  const { code, out } = await analyze('--format', 'folded', file)
  expect(code).toBe(0)
  const lines = out.trimEnd().split('\n')
  expect(Math.max(...lines.map((line) => line.split(';').length))).toBe(128)
  const total = lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  // The cycle's entry counts as an orphan, which is no sample.
  expect(total).toBe(10_000_000)
})

test.each([
  [['--format', 'svg', 'f'], '--format: expected speedscope or folded, found svg'],
  [['--format', 'folded', '--json', 'f'], '--format and --json exclude each other'],
])('2: %j', async (args, message) => {
  const { code, err } = await analyze(...args)
  expect(code).toBe(2)
  expect(err).toContain(message)
})
