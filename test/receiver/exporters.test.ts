import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ReceiverHandle, startReceiver } from '../../src/receiver/server.ts'
import { createMemorySink, type MemorySink } from './memory-sink.ts'
import { anySpan, readableOf, rowOf, type SampleSpan } from './span-samples.ts'

/** ExportResultCode.SUCCESS and CompressionAlgorithm.GZIP, of packages that only the exporters depend on. */
const SUCCESS = 0
const GZIP = 'gzip' as never

let sink: MemorySink
let receiver: ReceiverHandle

beforeAll(async () => {
  sink = createMemorySink()
  receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    sink,
    retentionDays: 7,
    log: pino({ level: 'silent' }),
  })
})
afterAll(() => receiver.stop(1000))

const EXPORTERS: [name: string, create: () => SpanExporter][] = [
  ['gRPC', () => new GrpcExporter({ url: `http://${receiver.grpcAddress}` })],
  ['gRPC, gzip', () => new GrpcExporter({ url: `http://${receiver.grpcAddress}`, compression: GZIP })],
  ['HTTP/protobuf', () => new ProtoExporter({ url: `http://${receiver.httpAddress}/v1/traces` })],
  [
    'HTTP/protobuf, gzip',
    () =>
      new ProtoExporter({
        url: `http://${receiver.httpAddress}/v1/traces`,
        compression: GZIP,
      }),
  ],
  ['HTTP/JSON', () => new JsonExporter({ url: `http://${receiver.httpAddress}/v1/traces` })],
  [
    'HTTP/JSON, gzip',
    () =>
      new JsonExporter({
        url: `http://${receiver.httpAddress}/v1/traces`,
        compression: GZIP,
      }),
  ],
]

describe.each(EXPORTERS)('the SDK exporter over %s', (_, create) => {
  it('is acknowledged with every span stored, as it was', async () => {
    const exporter = create()
    const seed = Date.now() & 0x7fffffff
    const batches = fc.sample(fc.array(anySpan, { minLength: 1, maxLength: 20 }), { numRuns: 5, seed })
    for (const spans of batches) {
      const before = sink.rows.length
      const result = await send(exporter, spans)
      expect(result, `seed ${seed}`).toBe(SUCCESS)
      const key = (row: object) => Object.values(row).slice(1, 3).join()
      const sort = <T extends object>(rows: T[]) => rows.sort((a, b) => (key(a) < key(b) ? -1 : 1))
      expect(sort(sink.rows.slice(before)), `seed ${seed}`).toEqual(sort(spans.map(rowOf)))
    }
    await exporter.shutdown()
  })
})

function send(exporter: SpanExporter, spans: SampleSpan[]): Promise<number> {
  return new Promise((resolve) => exporter.export(readableOf(spans), ({ code }) => resolve(code)))
}
