import { execFileSync } from 'node:child_process'
import { createClient } from '@clickhouse/client'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, it } from 'vitest'
import { createDataDir, type RunningService, startService, until } from '../support/service.ts'

const data = createDataDir()
let service: RunningService | undefined
afterEach(async () => {
  await service?.end('SIGKILL')
  data.remove()
})

/** Exports small requests one after the other until told to stop; ids of acknowledged spans. */
function startLoad(address: () => string): { acknowledged: Set<string>; stop(): Promise<void> } {
  const memory = new InMemorySpanExporter()
  const tracer = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'load' }),
    spanProcessors: [new SimpleSpanProcessor(memory)],
  }).getTracer('load')
  const acknowledged = new Set<string>()
  let stopped = false
  const run = async () => {
    while (!stopped) {
      const exporter = new OTLPTraceExporter({ url: `http://${address()}`, timeoutMillis: 2000 })
      for (let i = 0; i < 20 && !stopped; i++) {
        for (let n = 0; n < 50; n++) tracer.startSpan(`call ${n}`).end()
        const spans = memory.getFinishedSpans()
        memory.reset()
        const code = await new Promise<ExportResultCode>((resolve) => {
          exporter.export(spans, (result) => resolve(result.code))
        })
        if (code === ExportResultCode.SUCCESS)
          for (const span of spans) acknowledged.add(span.spanContext().spanId)
        else break
      }
      await exporter.shutdown().catch(() => {})
    }
  }
  const running = run()
  return {
    acknowledged,
    stop: () => {
      stopped = true
      return running
    },
  }
}

async function storedSpans(clickhouse: string): Promise<Set<string>> {
  const client = createClient({ url: clickhouse, database: 'longpole', log: { level: 127 } })
  try {
    const answer = await client.query({
      query: 'SELECT DISTINCT SpanId AS id FROM otel_traces',
      format: 'JSONEachRow',
    })
    return new Set((await answer.json<{ id: string }>()).map((row) => row.id))
  } finally {
    await client.close()
  }
}

const enginePid = (of: RunningService) =>
  Number(
    // The engine is the service's child that runs engine/child.ts.
    execFileSync('pgrep', ['-P', String(of.process.pid), '-f', 'engine/child'], { encoding: 'utf8' }).trim(),
  )

it('kill -9 of the engine, then of the whole service, loses no acknowledged span', async () => {
  service = await startService(data.path)
  const load = startLoad(() => service!.otlpGrpc)
  await until(
    async () => load.acknowledged.size,
    (n) => n > 500,
  )

  const before = service
  process.kill(enginePid(before), 'SIGKILL')
  const atKill = load.acknowledged.size
  await until(
    async () => load.acknowledged.size,
    (n) => n > atKill + 500,
  )
  expect(before.lines.some((line) => line.includes('the engine runs again'))).toBe(true)

  await service.end('SIGKILL')
  service = await startService(data.path)
  const restarted = load.acknowledged.size
  await until(
    async () => load.acknowledged.size,
    (n) => n > restarted + 500,
  )
  await load.stop()

  const stored = await storedSpans(service.clickhouse)
  expect([...load.acknowledged].filter((id) => !stored.has(id))).toEqual([])
  expect(load.acknowledged.size).toBeGreaterThan(1500)
})
