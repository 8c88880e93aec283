import { afterEach, expect, it } from 'vitest'
import { createDataDir, type RunningService, startService, until } from '../support/service.ts'

const data = createDataDir()
const running: RunningService[] = []
afterEach(async () => {
  for (const service of running.reverse()) await service.end('SIGKILL')
  data.remove()
})

it('two processes share the work: one receives, the other analyzes and answers', async () => {
  const receiver = await startService(data.path, {}, { args: ['--roles', 'receiver'] })
  running.push(receiver)
  const answerer = await startService(
    data.path,
    { LONGPOLE_CLICKHOUSE_URL: receiver.clickhouse },
    { args: ['--roles', 'analyzer, api'] },
  )
  running.push(answerer)
  expect([receiver.api, answerer.otlpGrpc, answerer.otlpHttp]).toEqual([undefined, undefined, undefined])
  // The line that scripts wait for.
  expect(JSON.parse(receiver.lines.at(-1)!)).toMatchObject({
    msg: 'ready',
    pid: receiver.process.pid,
    otlpGrpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    otlpHttp: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    clickhouse: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  })

  const startTimeUnixNano = String(BigInt(Date.now() - 5000) * 1_000_000n)
  const span = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), name: 'GET /', kind: 2, startTimeUnixNano }
  const sent = await fetch(`http://${receiver.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, endTimeUnixNano: startTimeUnixNano }] }] }],
    }),
  })
  expect(sent.status).toBe(200)
  const { total } = await until(
    async () => (await fetch(`http://${answerer.api}/api/v1/endpoints`)).json() as Promise<{ total: number }>,
    (answer) => answer.total > 0,
  )
  expect(total).toBe(1)
  const metrics = async () => (await fetch(`http://${answerer.api}/metrics`)).text()
  await until(metrics, (text) => /^longpole_analyzer_traces_total 1$/m.test(text))
  expect(await metrics()).toMatch(/^longpole_analyzer_restarts_total 0$/m)
  expect(await answerer.end('SIGTERM')).toBe(0)
  expect(await receiver.end('SIGTERM')).toBe(0)
})
