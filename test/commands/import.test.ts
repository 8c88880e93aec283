import { writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { run } from '../../src/commands/import.ts'
import { createSender, retryAfterMs } from '../../src/commands/otlp-sender.ts'
import { dump, readColumns, readSpans } from '../formats/read-all.ts'
import { newDirectory } from '../support/directory.ts'
import { capture } from './capture.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/traces/${name}`, import.meta.url))

type Answer = (response: ServerResponse) => void
const ok: Answer = (response) => response.end('{}')
const stops: (() => void)[] = []

/** A receiver that gives these answers in turn, then the last one again and again. */
async function receiver(...answers: Answer[]) {
  const requests: { url: string | undefined; headers: IncomingHttpHeaders; body: string }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    requests.push({ url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() })
    answers[Math.min(requests.length, answers.length) - 1]!(response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  stops.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return { requests, env: { LONGPOLE_OTLP_HTTP: `127.0.0.1:${port}` } }
}

afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

async function importFiles(env: NodeJS.ProcessEnv, ...args: string[]) {
  const context = capture(env)
  const code = await run(args, context)
  return { code, out: context.out(), err: context.err() }
}

const answer =
  (status: number, body: object, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, headers).end(JSON.stringify(body))
  }

test.each(['otlp-request.json', 'jaeger.json', 'zipkin.json'])(
  '%s arrives whole: what is sent reads as the file does',
  async (name) => {
    const { requests, env } = await receiver(ok)
    const { code, out } = await importFiles({ ...env, LONGPOLE_TOKEN: 'secret' }, fixture(name))
    expect([code, out]).toEqual([0, '5 spans stored\n'])
    expect(requests[0]).toMatchObject({
      url: '/v1/traces',
      headers: { 'content-type': 'application/json', authorization: 'Bearer secret' },
    })
    const { columns, problems } = await readColumns(requests.map(({ body }) => body).join('\n'))
    const { columns: expected } = await readColumns(await contentOf(name))
    expect(problems).toEqual([])
    expect(dump(columns)).toEqual(dump(expected))
  },
)

async function contentOf(name: string): Promise<Buffer> {
  const { readFile } = await import('node:fs/promises')
  return await readFile(fixture(name))
}

test('a busy receiver is asked again after the pause it names', async () => {
  const busy = answer(429, { message: 'queue is full' }, { 'retry-after': '0' })
  const { requests, env } = await receiver(busy, answer(503, {}, { 'retry-after': '0' }), ok)
  const { code, err } = await importFiles(env, fixture('zipkin.json'))
  expect(code).toBe(0)
  expect(requests).toHaveLength(3)
  expect(new Set(requests.map(({ body }) => body)).size).toBe(1)
  expect(err.match(/waiting for it/g)).toHaveLength(1)
  expect(err).toMatch(/answered 429: queue is full; waiting for it/)
})

test('patience ends', async () => {
  const { requests, env } = await receiver(answer(503, { message: 'no store' }, { 'retry-after': '0' }))
  const post = createSender(`http://${env.LONGPOLE_OTLP_HTTP}/v1/traces`, {}, { patienceMs: 50 })
  await expect(post('{}')).rejects.toThrow('answered 503: no store')
  expect(requests.length).toBeGreaterThan(1)
})

test('what the receiver refuses is counted, with its reason', async () => {
  const partial = answer(200, { partialSuccess: { rejectedSpans: '3', errorMessage: 'older than 7 days' } })
  const { env } = await receiver(partial)
  const { code, out, err } = await importFiles(env, fixture('zipkin.json'))
  expect([code, out]).toEqual([0, '2 spans stored\n'])
  expect(err).toContain('3 of 5 spans refused by the receiver\n  3: older than 7 days\n')
  expect(err).toContain('--shift-to-now')
})

test('1 when it refuses everything', async () => {
  const { env } = await receiver(
    answer(200, { partialSuccess: { rejectedSpans: 5, errorMessage: 'too old' } }),
  )
  expect((await importFiles(env, fixture('zipkin.json'))).code).toBe(1)
})

test('a refusal for good ends it', async () => {
  const { requests, env } = await receiver(answer(401, { message: 'token required' }))
  await expect(importFiles(env, fixture('zipkin.json'))).rejects.toThrow(/answered 401: token required/)
  expect(requests).toHaveLength(1)
})

test('no service: says where it looked', async () => {
  const { env } = await receiver(ok)
  for (const stop of stops.splice(0)) stop()
  await expect(importFiles(env, fixture('zipkin.json'))).rejects.toThrow(
    `no answer from http://${env.LONGPOLE_OTLP_HTTP}/v1/traces`,
  )
})

test('--shift-to-now moves all times by one amount, the last start to now', async () => {
  const { requests, env } = await receiver(ok)
  const before = BigInt(Date.now()) * 1_000_000n
  const { code } = await importFiles(
    env,
    '--shift-to-now',
    fixture('otlp-request.json'),
    fixture('nope.json'),
  )
  expect(code).toBe(0)
  const sent = (await readSpans(requests.map(({ body }) => body).join('\n'))).spans.map(({ span }) => span)
  const read = (await readSpans(await contentOf('otlp-request.json'))).spans.map(({ span }) => span)
  const shifts = new Set(sent.map((span, i) => span.startNs - read[i]!.startNs))
  expect(shifts.size).toBe(1)
  expect(sent.map((span, i) => span.endNs - read[i]!.endNs)).toEqual(Array(5).fill([...shifts][0]))
  const last = sent
    .map((span) => span.startNs)
    .toSorted((a, b) => Number(a - b))
    .at(-1)!
  expect(last >= before && last <= BigInt(Date.now()) * 1_000_000n).toBe(true)
})

test('--shift-to-now moves files that lie too far apart each on its own', async () => {
  const directory = newDirectory()
  const old = join(directory, 'old.json')
  const span = { traceId: 'a', id: 'b', timestamp: 1_400_000_000_000_000, duration: 5 }
  writeFileSync(old, JSON.stringify([span]))
  const { requests, env } = await receiver(ok)
  const { code, out, err } = await importFiles(env, '--shift-to-now', old, fixture('zipkin.json'))
  expect([code, out]).toEqual([0, '6 spans stored\n'])
  expect(err).toContain('each file is moved on its own')
  const { spans } = await readSpans(requests.map(({ body }) => body).join('\n'))
  const ages = spans.map(({ span: { startNs } }) => Date.now() - Number(startNs / 1_000_000n))
  expect(Math.max(...ages)).toBeLessThan(60_000)
})

describe('bad usage', () => {
  test.each([[[]], [['--shift-to-now', '-']]])('%j', async (args) => {
    const { code, err } = await importFiles({}, ...args)
    expect(code).toBe(2)
    expect(err).toContain('usage: longpole import')
  })

  test('nothing to read is 1', async () => {
    expect((await importFiles({}, fixture('nope.json'))).code).toBe(1)
  })
})

test('Retry-After in seconds and as a date', () => {
  expect(retryAfterMs('2')).toBe(2000)
  expect(retryAfterMs('Wed, 21 Oct 2015 07:28:03 GMT', Date.UTC(2015, 9, 21, 7, 28, 0))).toBe(3000)
  expect(retryAfterMs('Wed, 21 Oct 2015 07:28:03 GMT', Date.UTC(2020, 0))).toBe(0)
  expect(retryAfterMs('soon')).toBeUndefined()
  expect(retryAfterMs(null)).toBeUndefined()
})
