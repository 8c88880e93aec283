import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from '../../src/commands/doctor.ts'
import { UsageError } from '../../src/commands/usage.ts'
import { capture } from './capture.ts'

const FILE = fileURLToPath(new URL('../fixtures/traces/otlp-request.json', import.meta.url))

async function doctor(...args: string[]) {
  const context = capture()
  return { code: await run(args, context), out: context.out(), err: context.err() }
}

test('of files, as text and as JSON', async () => {
  const { code, out } = await doctor(FILE)
  expect(code).toBe(0)
  expect(out).toContain('5 spans of 2 traces')
  expect(out).toContain('WARN  100 % of the spans do not say service.instance.id')
  const json = JSON.parse((await doctor('--json', FILE)).out)
  expect(json).toMatchObject({ spans: 5, traces: 2, grade: 'warn' })
  expect(json.checks.map(({ check }: { check: string }) => check)).toContain('propagation')
})

test('a file that is not there', async () => {
  const { code, err } = await doctor('/nowhere.json')
  expect(code).toBe(1)
  expect(err).toContain('nothing could be read')
})

test('what only a running service can be asked is refused of files', async () => {
  await expect(doctor('--service', 'shop', FILE)).rejects.toThrow('--service: goes with a running service')
  await expect(doctor('--url', 'http://127.0.0.1:1', FILE)).rejects.toThrow(UsageError)
})

test('what the API says makes no sense is bad usage, what fails is not', async () => {
  let status = 400
  const server = createServer((_, answer) => {
    answer.writeHead(status, { 'Content-Type': 'application/json' })
    answer.end(JSON.stringify({ error: { code: 'x', message: 'from: expected an ISO 8601 time' } }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await expect(doctor('--url', url, '--from', 'soon')).rejects.toThrow(UsageError)
    await expect(doctor('--url', url, '--from', 'soon')).rejects.toThrow('from: expected an ISO 8601 time')
    status = 503
    await expect(doctor('--url', url)).rejects.not.toBeInstanceOf(UsageError)
  } finally {
    server.close()
  }
})
