import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import { Client, credentials, status } from '@grpc/grpc-js'
import { afterEach, expect, it } from 'vitest'
import { exportRequests } from '../bench/otlp-requests.ts'
import { openStoreProxy } from '../receiver/store-proxy.ts'
import { createDataDir, type RunningService, startService } from '../support/service.ts'
import { startTestEngine } from '../support/store.ts'
import { exportOnce } from './span-load.ts'

const data = createDataDir()
afterEach(data.remove)

const MIB = 2 ** 20

function residentOf(service: RunningService): number {
  const text = readFileSync(`/proc/${service.process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) * 1024
}

it('far more than fits, while the store hangs: turned away with a hint, memory bounded, then all is well', async () => {
  const server = await startTestEngine()
  const proxy = await openStoreProxy(server.url)
  const service = await startService(data.path, {
    LONGPOLE_CLICKHOUSE_URL: proxy.url,
    LONGPOLE_CLICKHOUSE_DATABASE: 'flooded',
    LONGPOLE_MEMORY_MB: '64',
    LONGPOLE_MAX_MESSAGE_MB: '16',
  })
  const stub = new Client(service.otlpGrpc, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
  })
  try {
    const [body] = exportRequests({ requests: 1, spans: 4096, attributes: 12, seed: 1 }).map((bytes) =>
      Buffer.from(bytes),
    )
    // Everything is compiled, and batches have their memory.
    for (let i = 0; i < 20; i++) expect(await exportOnce(stub, body!, 20_000)).toBeNull()
    const before = residentOf(service)
    proxy.mode = 'hang'
    let most = 0
    const codes = new Map<number, number>()
    const counted = async () => {
      const error = await exportOnce(stub, body!, 15_000)
      const code = error?.code ?? status.OK
      codes.set(code, (codes.get(code) ?? 0) + 1)
      most = Math.max(most, residentOf(service))
    }
    // 1 GiB of them, 32 at a time.
    const loop = async () => {
      for (let sent = 0; sent < (1024 * MIB) / 32; sent += body!.length) await counted()
    }
    await Promise.all(Array.from({ length: 32 }, loop))
    console.log({ codes: Object.fromEntries(codes), grownMiB: Math.round((most - before) / MIB) })
    expect(codes.get(status.OK)).toBeUndefined()
    expect(codes.get(status.RESOURCE_EXHAUSTED)).toBeGreaterThan(100)
    // The budget, what the batches in it take twice over, and what the garbage collector has not got to.
    expect(most - before).toBeLessThan(400 * MIB)

    proxy.mode = 'through'
    let code: number | undefined
    for (let i = 0; i < 100 && code !== status.OK; i++) {
      code = (await exportOnce(stub, body!, 20_000))?.code ?? status.OK
      if (code !== status.OK) await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    expect(code).toBe(status.OK)
  } finally {
    stub.close()
    await service.end('SIGKILL')
    await proxy.close()
    await server.stop()
  }
})

it.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const)('sixty bombs at once over gRPC (%s): a few are unpacked at a time', async (encoding, pack) => {
  const service = await startService(data.path, {})
  const bomb = pack(Buffer.alloc(60 * MIB))
  const prefix = Buffer.from([1, 0, 0, 0, 0])
  prefix.writeUInt32BE(bomb.length, 1)
  const session = connectHttp2(`http://${service.otlpGrpc}`)
  try {
    const before = residentOf(service)
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, residentOf(service))
    }, 50)
    const statuses = await Promise.all(
      Array.from({ length: 60 }, () => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
          'content-type': 'application/grpc',
          'grpc-encoding': encoding,
          te: 'trailers',
        })
        stream.end(Buffer.concat([prefix, bomb]))
        return new Promise<string>((resolve) =>
          stream.on('response', (headers) => resolve(String(headers['grpc-status']))),
        )
      }),
    )
    clearInterval(watch)
    console.log({ encoding, grownMiB: Math.round((most - before) / MIB) })
    expect(new Set(statuses)).toEqual(new Set([String(status.INVALID_ARGUMENT)]))
    expect(most - before).toBeLessThan(800 * MIB)
  } finally {
    session.destroy()
    await service.end('SIGKILL')
  }
})
