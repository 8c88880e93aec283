import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from '../../src/commands/doctor.ts'
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
