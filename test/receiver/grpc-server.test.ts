import { readFileSync } from 'node:fs'
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import {
  type ChannelCredentials,
  Client,
  compressionAlgorithms,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { afterEach, describe, expect, it } from 'vitest'
import type { ReceiverHandle } from '../../src/receiver/server.ts'
import { createMemorySink } from './memory-sink.ts'
import { openReceiver, readStatus, stopReceivers, tlsFile, waitFor } from './open-receiver.ts'
import { readableOf, sampleSpan, sampleSpans } from './span-samples.ts'

const clients: Client[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await stopReceivers()
})

const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const METRICS = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'
const LOGS = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
const good = ProtobufTraceSerializer.serializeRequest(readableOf(sampleSpans(3)))!

function clientOf(receiver: ReceiverHandle, gzip = false, creds?: ChannelCredentials): Client {
  const client = new Client(receiver.grpcAddress, creds ?? credentials.createInsecure(), {
    ...(gzip ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
    'grpc.max_send_message_length': -1,
    'grpc.ssl_target_name_override': 'localhost',
  })
  clients.push(client)
  return client
}

/** A call without a client that knows gRPC. */
function openStream(
  receiver: ReceiverHandle,
  { headers = {}, window = 65_535 }: { headers?: Record<string, string>; window?: number } = {},
) {
  const session = connectHttp2(`http://${receiver.grpcAddress}`, { settings: { initialWindowSize: window } })
  session.on('error', () => {})
  const stream = session.request(
    { ':method': 'POST', ':path': TRACES, 'content-type': 'application/grpc', te: 'trailers', ...headers },
    { endStream: false },
  )
  stream.on('error', () => {})
  return { session, stream }
}

/** A message with its prefix, which may lie. */
function framed(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}

/** `grpc-status`, from the trailers or from headers that are both. */
function statusFrom(stream: ClientHttp2Stream): Promise<unknown> {
  return new Promise((resolve) => {
    for (const event of ['response', 'trailers'] as const) {
      stream.on(event, (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] !== undefined) resolve(headers['grpc-status'])
      })
    }
    stream.resume()
  })
}

type Answer = { code: number; body: Buffer; retryAfterMs: number | undefined; message: string }

function call(client: Client, path: string, body: Uint8Array, metadata = new Metadata()): Promise<Answer> {
  const identity = (bytes: Buffer) => bytes
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      identity,
      identity,
      Buffer.from(body),
      metadata,
      { deadline: Date.now() + 20_000 },
      (error: ServiceError | null, value?: Buffer) => {
        const details = error?.metadata.get('grpc-status-details-bin')[0]
        resolve({
          code: error?.code ?? status.OK,
          body: value ?? Buffer.alloc(0),
          message: error?.details ?? '',
          retryAfterMs: details === undefined ? undefined : readStatus(details as Buffer).retryAfterMs,
        })
      },
    )
  })
}

function bearer(token: string): Metadata {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

describe('TraceService/Export', () => {
  it.each([
    ['plain', false],
    ['gzip', true],
  ])('%s: stores, answers, says what was rejected', async (_, gzip) => {
    const { receiver, sink } = await openReceiver()
    const client = clientOf(receiver, gzip)
    expect(await call(client, TRACES, good)).toMatchObject({ code: status.OK, body: Buffer.alloc(0) })
    const spans = readableOf([sampleSpan(), sampleSpan({ startNs: 5n })])
    const { code, body } = await call(client, TRACES, ProtobufTraceSerializer.serializeRequest(spans)!)
    expect(code).toBe(status.OK)
    expect(ProtobufTraceSerializer.deserializeResponse(body)).toEqual({
      partialSuccess: {
        rejectedSpans: 1,
        errorMessage: '1 spans rejected (1: start lies before the retention time)',
      },
    })
    expect(await call(client, TRACES, Buffer.alloc(0))).toMatchObject({ code: status.OK })
    expect(sink.rows).toHaveLength(4)
    expect(receiver.counters).toMatchObject({ requests: { grpc: 3 }, bytesInFlight: 0 })
  })

  it.each([
    ['plain', false],
    ['gzip', true],
  ])('%s: INVALID_ARGUMENT for what is no OTLP, and the next request works', async (_, gzip) => {
    const { receiver, sink } = await openReceiver()
    const client = clientOf(receiver, gzip)
    for (const body of [Buffer.from('no protobuf'), good.subarray(1), good.subarray(0, -1)]) {
      expect(await call(client, TRACES, body)).toMatchObject({
        code: status.INVALID_ARGUMENT,
        message: expect.stringContaining('not an OTLP trace export'),
      })
    }
    expect(sink.inserts).toHaveLength(0)
    expect(receiver.counters.bytesInFlight).toBe(0)
    expect((await call(client, TRACES, good)).code).toBe(status.OK)
  })

  it('deflate, too', async () => {
    const { receiver, sink } = await openReceiver()
    const { session, stream } = openStream(receiver, { headers: { 'grpc-encoding': 'deflate' } })
    stream.end(framed(deflateSync(good), { flag: 1 }))
    expect(await statusFrom(stream)).toBe(String(status.OK))
    session.destroy()
    expect(sink.rows).toHaveLength(3)
  })

  it('a message of more than 4 MiB is taken', async () => {
    const { receiver, sink } = await openReceiver()
    const spans = sampleSpans(300).map((span) => ({ ...span, attributes: { big: 'x'.repeat(30_000) } }))
    const body = ProtobufTraceSerializer.serializeRequest(readableOf(spans))!
    expect(body.length).toBeGreaterThan(8 * 1024 * 1024)
    expect((await call(clientOf(receiver), TRACES, body)).code).toBe(status.OK)
    expect(sink.rows).toHaveLength(300)
  })
})

describe('limits', () => {
  it('RESOURCE_EXHAUSTED for a message that is too large, packed or not, without a hint to retry', async () => {
    const { receiver } = await openReceiver({ limits: { maxMessageBytes: 1_000_000 } })
    const large = Buffer.alloc(50_000_000)
    for (const gzip of [false, true]) {
      const answer = await call(clientOf(receiver, gzip), TRACES, large)
      expect(answer).toMatchObject({ code: status.RESOURCE_EXHAUSTED, retryAfterMs: undefined })
    }
    await waitFor(() => receiver.counters.bytesInFlight === 0)
    expect((await call(clientOf(receiver), TRACES, good)).code).toBe(status.OK)
  })

  it('RESOURCE_EXHAUSTED with RetryInfo over the memory budget, before and while a message is read', async () => {
    const sink = createMemorySink()
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    sink.before = () => opened
    const { receiver } = await openReceiver({ sink, limits: { memoryBytes: 3_000_000 } })
    const client = clientOf(receiver)
    const large = ProtobufTraceSerializer.serializeRequest(readableOf(sampleSpans(2500)))!
    const waiting = call(client, TRACES, large)
    await waitFor(() => sink.inserts.length === 1)
    expect(receiver.counters.bytesInFlight).toBeLessThan(3_000_000)
    const whileRead = await call(client, TRACES, Buffer.alloc(3_000_000))
    expect(whileRead).toMatchObject({ code: status.RESOURCE_EXHAUSTED, retryAfterMs: 1000 })

    receiver.counters.bytesInFlight += 3_000_000
    const before = await call(client, TRACES, good)
    expect(before).toMatchObject({ code: status.RESOURCE_EXHAUSTED, retryAfterMs: 1000 })
    receiver.counters.bytesInFlight -= 3_000_000
    open()
    expect((await waiting).code).toBe(status.OK)
    await waitFor(() => receiver.counters.bytesInFlight === 0)
    expect(receiver.counters.outcomes).toMatchObject({ busy: 2, stored: 1 })
    expect((await call(client, TRACES, good)).code).toBe(status.OK)
  })

  it('UNAVAILABLE with RetryInfo while the store is down', async () => {
    const sink = createMemorySink()
    sink.before = () => {
      throw new Error('connection refused')
    }
    const { receiver } = await openReceiver({ sink, batches: { retryForMs: 0 } })
    for (let i = 0; i < 2; i++) {
      const answer = await call(clientOf(receiver), TRACES, good)
      expect(answer).toMatchObject({ code: status.UNAVAILABLE, retryAfterMs: 1000 })
    }
    expect(receiver.counters.outcomes.unavailable).toBe(2)
  })

  it('a message that never comes to its end, or whose sender goes away or is done too early, frees its memory', async () => {
    const { receiver } = await openReceiver({ limits: { requestTimeoutMs: 300 } })
    const open = () => {
      const { session, stream } = openStream(receiver)
      stream.write(framed(Buffer.from('abc'), { length: 1000 }))
      return { session, stream }
    }
    const slow = open()
    const leaving = open()
    const halfClosed = open()
    await waitFor(() => receiver.counters.bytesInFlight === 24)
    halfClosed.stream.end()
    await waitFor(() => receiver.counters.bytesInFlight === 16)
    halfClosed.session.destroy()
    leaving.session.destroy()
    await waitFor(() => receiver.counters.bytesInFlight === 8)
    expect(await statusFrom(slow.stream)).toBe(String(status.ABORTED))
    await waitFor(() => receiver.counters.bytesInFlight === 0)
    // One whose other end still does nothing is closed.
    await new Promise((resolve) => slow.stream.on('close', resolve))
    slow.session.destroy()
    expect(receiver.counters).toMatchObject({ requests: { grpc: 3 }, outcomes: { malformed: 1, aborted: 2 } })
  })

  it('an answer that is not taken holds no memory, and its stream is closed', async () => {
    const { receiver } = await openReceiver({ limits: { requestTimeoutMs: 300 } })
    const { session, stream } = openStream(receiver, { window: 0 })
    await new Promise((resolve) => session.once('remoteSettings', resolve))
    const spans = readableOf([sampleSpan(), sampleSpan({ startNs: 5n })])
    stream.end(framed(ProtobufTraceSerializer.serializeRequest(spans)!))
    await waitFor(() => receiver.counters.outcomes.stored === 1)
    await waitFor(() => receiver.counters.bytesInFlight === 0)
    await new Promise((resolve) => stream.on('close', resolve).resume())
    session.destroy()
  })

  it.each([
    ['of two', Buffer.concat([framed(good), framed(good)]), {}, status.UNIMPLEMENTED, 'malformed'],
    ['of none', Buffer.alloc(0), {}, status.UNIMPLEMENTED, 'malformed'],
    [
      'packed in a way that is unknown',
      framed(good, { flag: 1 }),
      { 'grpc-encoding': 'zstd' },
      status.UNIMPLEMENTED,
      'malformed',
    ],
    [
      'packed and cut off',
      framed(deflateSync(good).subarray(0, -9), { flag: 1 }),
      { 'grpc-encoding': 'deflate' },
      status.INVALID_ARGUMENT,
      'malformed',
    ],
    ['larger than may be', framed(good, { length: 2 ** 31 }), {}, status.RESOURCE_EXHAUSTED, 'too-large'],
  ] as const)('a message %s is answered and counted', async (_, bytes, headers, code, outcome) => {
    const { receiver, sink } = await openReceiver()
    const { session, stream } = openStream(receiver, { headers })
    stream.end(bytes)
    expect(await statusFrom(stream)).toBe(String(code))
    session.destroy()
    expect(sink.rows.length).toBe(0)
    expect(receiver.counters.requests.grpc).toBe(1)
    expect(receiver.counters.outcomes[outcome]).toBe(1)
  })

  it('many gzip bombs at once do not harm the next request', async () => {
    const { receiver } = await openReceiver({ limits: { maxMessageBytes: 1_000_000 } })
    const client = clientOf(receiver)
    const metadata = () => {
      const of = new Metadata()
      of.set('grpc-encoding', 'gzip')
      return of
    }
    // Sent as they are: the bytes are packed already, twice the same way a client does it.
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => call(client, TRACES, bomb, metadata())),
    )
    expect(answers.every(({ code }) => code === status.RESOURCE_EXHAUSTED)).toBe(true)
    expect((await call(client, TRACES, good)).code).toBe(status.OK)
    expect(receiver.counters.bytesInFlight).toBe(0)
  })
})

describe('other signals', () => {
  it('are accepted, counted and discarded with one warning each', async () => {
    const { receiver, sink, logged } = await openReceiver()
    const client = clientOf(receiver)
    for (const path of [METRICS, METRICS, LOGS]) {
      expect(await call(client, path, Buffer.from('anything'))).toMatchObject({
        code: status.OK,
        body: Buffer.alloc(0),
      })
    }
    expect(receiver.counters.discarded).toEqual({ metrics: 2, logs: 1 })
    expect(sink.inserts).toHaveLength(0)
    expect(logged().filter((line) => line.msg.includes('discarded'))).toHaveLength(2)
  })
})

describe('access', () => {
  it('wants the token where one is set', async () => {
    const { receiver, sink } = await openReceiver({ token: 'secret' })
    const client = clientOf(receiver)
    expect((await call(client, TRACES, good)).code).toBe(status.UNAUTHENTICATED)
    expect((await call(client, TRACES, good, bearer('wrong'))).code).toBe(status.UNAUTHENTICATED)
    expect((await call(client, METRICS, good, bearer('wrong'))).code).toBe(status.UNAUTHENTICATED)
    expect(sink.inserts).toHaveLength(0)
    expect((await call(client, TRACES, good, bearer('secret'))).code).toBe(status.OK)
    expect(receiver.counters.outcomes.unauthenticated).toBe(2)
  })

  it('speaks TLS, and wants a client certificate where a CA is set', async () => {
    const ca = readFileSync(tlsFile('ca.pem'))
    const tls = { certFile: tlsFile('server.pem'), keyFile: tlsFile('server-key.pem') }
    const plain = await openReceiver({ tls })
    const send = async (receiver: ReceiverHandle, creds: ChannelCredentials) =>
      (await call(clientOf(receiver, false, creds), TRACES, good)).code
    expect(await send(plain.receiver, credentials.createSsl(ca))).toBe(status.OK)
    const mutual = await openReceiver({ tls: { ...tls, clientCaFile: tlsFile('ca.pem') } })
    expect(await send(mutual.receiver, credentials.createSsl(ca))).toBe(status.UNAVAILABLE)
    const certified = credentials.createSsl(
      ca,
      readFileSync(tlsFile('client-key.pem')),
      readFileSync(tlsFile('client.pem')),
    )
    expect(await send(mutual.receiver, certified)).toBe(status.OK)
    const ofOthers = await openReceiver({ tls: { ...tls, clientCaFile: tlsFile('server.pem') } })
    expect(await send(ofOthers.receiver, certified)).toBe(status.UNAVAILABLE)
    expect(ofOthers.receiver.counters.received).toBe(0)
  })
})

describe('stopping', () => {
  it('stores and acknowledges what is in flight, then closes', async () => {
    const { receiver, sink } = await openReceiver({ batches: { waitMs: 1e9, quietMs: 1e9 } })
    const client = clientOf(receiver)
    const sent = call(client, TRACES, good)
    await waitFor(() => receiver.counters.received === 3)
    const stopped = receiver.stop(5000)
    expect((await sent).code).toBe(status.OK)
    await stopped
    expect(sink.rows).toHaveLength(3)
    expect((await call(client, TRACES, good)).code).toBe(status.UNAVAILABLE)
  })
})
