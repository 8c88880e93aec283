import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { afterEach, describe, expect, it } from 'vitest'
import type { ReceiverHandle } from '../../src/receiver/server.ts'
import { createMemorySink } from './memory-sink.ts'
import { openReceiver, readStatus, stopReceivers, tlsFile, waitFor } from './open-receiver.ts'
import { readableOf, sampleSpan, sampleSpans } from './span-samples.ts'

afterEach(stopReceivers)

const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const JSON_TYPE = { 'content-type': 'application/json' }
const good = ProtobufTraceSerializer.serializeRequest(readableOf(sampleSpans(3)))!
const goodJson = JsonTraceSerializer.serializeRequest(readableOf(sampleSpans(3)))!

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer }

function post(
  receiver: ReceiverHandle,
  path: string,
  headers: Record<string, string | number>,
  body: Uint8Array,
  method = 'POST',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `http://${receiver.httpAddress}${path}`
    const request = httpRequest(url, { method, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

describe('/v1/traces', () => {
  it('answers in the type of the request', async () => {
    const { receiver, sink } = await openReceiver()
    const protobuf = await post(receiver, '/v1/traces', PROTOBUF, good)
    expect(protobuf).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/x-protobuf' },
      body: Buffer.alloc(0),
    })
    const json = await post(
      receiver,
      '/v1/traces',
      { 'content-type': 'application/json; charset=utf-8' },
      goodJson,
    )
    expect(json).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    expect(json.body.toString()).toBe('{}')
    expect(sink.rows).toHaveLength(6)
  })

  it('says how many spans were rejected, and why', async () => {
    const { receiver, sink } = await openReceiver()
    const spans = readableOf([sampleSpan(), sampleSpan({ startNs: 5n }), sampleSpan({ startNs: 6n })])
    const message = '2 spans rejected (2: start lies before the retention time)'
    const json = await post(receiver, '/v1/traces', JSON_TYPE, JsonTraceSerializer.serializeRequest(spans)!)
    expect(json.status).toBe(200)
    expect(JSON.parse(json.body.toString())).toEqual({
      partialSuccess: { rejectedSpans: '2', errorMessage: message },
    })
    const protobuf = await post(
      receiver,
      '/v1/traces',
      PROTOBUF,
      ProtobufTraceSerializer.serializeRequest(spans)!,
    )
    expect(ProtobufTraceSerializer.deserializeResponse(protobuf.body)).toEqual({
      partialSuccess: { rejectedSpans: 2, errorMessage: message },
    })
    expect(sink.rows).toHaveLength(2)
  })

  it.each([
    ['protobuf', PROTOBUF, Buffer.from('no protobuf')],
    ['protobuf in gzip', { ...PROTOBUF, 'content-encoding': 'gzip' }, gzipSync(good.subarray(1))],
    ['gzip', { ...PROTOBUF, 'content-encoding': 'gzip' }, good],
    ['whole gzip', { ...PROTOBUF, 'content-encoding': 'gzip' }, gzipSync(good).subarray(0, -20)],
    ['JSON', JSON_TYPE, Buffer.from('{"resourceSpans": [')],
    ['OTLP in JSON', JSON_TYPE, Buffer.from('{"resourceSpans": {}}')],
    ['object in JSON', JSON_TYPE, Buffer.from('[]')],
  ])('400 where it is no %s, with a status in the type of the request', async (_, headers, body) => {
    const { receiver, sink } = await openReceiver()
    const answer = await post(receiver, '/v1/traces', headers, body)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe(headers['content-type'])
    const status = headers === JSON_TYPE ? JSON.parse(answer.body.toString()) : readStatus(answer.body)
    expect(status).toMatchObject({ code: 3, message: expect.stringContaining('not an OTLP trace export') })
    expect(sink.inserts).toHaveLength(0)
    expect(receiver.counters.bytesInFlight).toBe(0)
    expect((await post(receiver, '/v1/traces', PROTOBUF, good)).status).toBe(200)
  })

  it('a sender that asks first is told to go on, or why not', async () => {
    const { receiver, sink } = await openReceiver({ token: 'secret' })
    const ask = (token: string) =>
      new Promise<{ status: number; wentOn: boolean }>((resolve, reject) => {
        let wentOn = false
        const request = httpRequest(`http://${receiver.httpAddress}/v1/traces`, {
          method: 'POST',
          headers: { ...PROTOBUF, authorization: `Bearer ${token}`, expect: '100-continue' },
        })
        request.on('continue', () => {
          wentOn = true
          request.end(good)
        })
        request.on('response', (response) => {
          response.resume()
          resolve({ status: response.statusCode ?? 0, wentOn })
          request.destroy()
        })
        request.on('error', reject)
        request.flushHeaders()
      })
    expect(await ask('secret')).toEqual({ status: 200, wentOn: true })
    expect(await ask('wrong')).toEqual({ status: 401, wentOn: false })
    expect(sink.rows).toHaveLength(3)
  })

  it('the name of an encoding is read in any case', async () => {
    const { receiver, sink } = await openReceiver()
    const headers = { ...PROTOBUF, 'content-encoding': 'GZip' }
    expect((await post(receiver, '/v1/traces', headers, gzipSync(good))).status).toBe(200)
    expect(sink.rows).toHaveLength(3)
  })

  it('other paths, methods, types and encodings are refused', async () => {
    const { receiver } = await openReceiver()
    const statusOf = async (...args: Parameters<typeof post>) => (await post(...args)).status
    expect(await statusOf(receiver, '/', PROTOBUF, good)).toBe(404)
    expect(await statusOf(receiver, '/v1/traces', PROTOBUF, Buffer.alloc(0), 'GET')).toBe(405)
    expect(await statusOf(receiver, '/v1/traces', { 'content-type': 'text/plain' }, good)).toBe(415)
    expect(await statusOf(receiver, '/v1/traces', { ...PROTOBUF, 'content-encoding': 'br' }, good)).toBe(415)
  })
})

describe('limits', () => {
  const big = ProtobufTraceSerializer.serializeRequest(readableOf(sampleSpans(2000)))!
  const limits = { maxMessageBytes: 50_000 }

  it.each([
    ['announced', PROTOBUF, big],
    ['chunked', { ...PROTOBUF, 'transfer-encoding': 'chunked' }, big],
    ['unpacked', { ...PROTOBUF, 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(200_000_000))],
  ])('413 for a message that is too large, %s', async (_, headers, body) => {
    const maxMessageBytes = body === big ? 50_000 : 10_000_000
    const { receiver } = await openReceiver({ limits: { ...limits, maxMessageBytes } })
    const answer = await post(receiver, '/v1/traces', headers, body)
    expect(answer.status).toBe(413)
    expect(readStatus(answer.body)).toMatchObject({ code: 8 })
    expect(receiver.counters.bytesInFlight).toBe(0)
  })

  it('413 for JSON that says little in many objects, before it is read', async () => {
    const { receiver } = await openReceiver({ limits: { memoryBytes: 20_000_000 } })
    const json = (objects: number) => Buffer.from(`{"resourceSpans":[${'{},'.repeat(objects)}{}]}`)
    expect((await post(receiver, '/v1/traces', JSON_TYPE, json(300_000))).status).toBe(413)
    expect((await post(receiver, '/v1/traces', JSON_TYPE, json(30_000))).status).toBe(200)
    expect(receiver.counters).toMatchObject({ bytesInFlight: 0, outcomes: { 'too-large': 1, stored: 1 } })
  })

  it('429 before the body is read, over the memory budget', async () => {
    const sink = createMemorySink()
    let open = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    sink.before = () => opened
    const { receiver } = await openReceiver({ sink, limits: { memoryBytes: 5_000_000 } })
    const waiting = post(receiver, '/v1/traces', PROTOBUF, big)
    await waitFor(() => sink.inserts.length === 1)
    // 100 MB are announced and never sent.
    const answer = await new Promise<Answer>((resolve, reject) => {
      const request = httpRequest(
        `http://${receiver.httpAddress}/v1/traces`,
        { method: 'POST', headers: { ...PROTOBUF, 'content-length': 60_000_000 } },
        (response) => {
          response.resume()
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.alloc(0) })
            request.destroy()
          })
        },
      )
      request.on('error', reject)
      request.flushHeaders()
    })
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    open()
    expect((await waiting).status).toBe(200)
    expect(receiver.counters).toMatchObject({ bytesInFlight: 0, outcomes: { busy: 1, stored: 1 } })
    expect((await post(receiver, '/v1/traces', PROTOBUF, good)).status).toBe(200)
  })

  it('503 with a hint while the store is down', async () => {
    const sink = createMemorySink()
    sink.before = () => {
      throw new Error('connection refused')
    }
    const { receiver } = await openReceiver({ sink, batches: { retryForMs: 0 } })
    for (const headers of [PROTOBUF, JSON_TYPE]) {
      const answer = await post(receiver, '/v1/traces', headers, headers === PROTOBUF ? good : goodJson)
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
      if (headers === JSON_TYPE) {
        expect(JSON.parse(answer.body.toString())).toMatchObject({
          code: 14,
          details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }],
        })
      }
    }
  })

  it('a body that never comes, or whose sender goes away or is done too early, frees its memory', async () => {
    const { receiver } = await openReceiver({ limits: { requestTimeoutMs: 300 } })
    const [host, port] = receiver.httpAddress.split(':') as [string, string]
    const open = () => {
      const socket = connect(Number(port), host)
      socket.on('error', () => {})
      socket.write(
        'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\nabc',
      )
      return socket
    }
    const slow = open()
    const leaving = open()
    const halfClosed = open()
    await waitFor(() => receiver.counters.bytesInFlight === 9)
    halfClosed.end()
    await waitFor(() => receiver.counters.bytesInFlight === 6)
    leaving.destroy()
    await waitFor(() => receiver.counters.bytesInFlight === 3)
    await new Promise((resolve) => slow.on('close', resolve).resume())
    await waitFor(() => receiver.counters.bytesInFlight === 0)
    expect(receiver.counters.outcomes.aborted).toBe(3)
  })

  it('a hundred gzip bombs at once do not harm the next request', async () => {
    const { receiver } = await openReceiver({ limits: { maxMessageBytes: 1_000_000 } })
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    const headers = { ...PROTOBUF, 'content-encoding': 'gzip' }
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post(receiver, '/v1/traces', headers, bomb)),
    )
    expect(answers.every(({ status }) => status === 413)).toBe(true)
    expect((await post(receiver, '/v1/traces', PROTOBUF, good)).status).toBe(200)
  })
})

describe('other signals', () => {
  it('are accepted, counted, discarded, and named in one warning each', async () => {
    const { receiver, sink, logged } = await openReceiver()
    for (let i = 0; i < 3; i++) {
      expect((await post(receiver, '/v1/metrics', PROTOBUF, Buffer.from('anything'))).status).toBe(200)
      const logs = await post(receiver, '/v1/logs', JSON_TYPE, Buffer.from('{"resourceLogs": []}'))
      expect(logs).toMatchObject({ status: 200, body: Buffer.from('{}') })
    }
    expect(receiver.counters.discarded).toEqual({ metrics: 3, logs: 3 })
    expect(sink.inserts).toHaveLength(0)
    expect(logged().filter((line) => line.msg.includes('discarded'))).toMatchObject([
      { signal: 'metrics' },
      { signal: 'logs' },
    ])
  })
})

describe('access', () => {
  it('wants the token where one is set', async () => {
    const { receiver, sink } = await openReceiver({ token: 'secret' })
    const send = (authorization?: string) =>
      post(
        receiver,
        '/v1/traces',
        { ...PROTOBUF, ...(authorization === undefined ? {} : { authorization }) },
        good,
      )
    for (const wrong of [undefined, 'Bearer wrong', 'Basic secret', 'secret', 'Bearer ', 'Bearer secrets']) {
      const answer = await send(wrong)
      expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
      expect(readStatus(answer.body)).toMatchObject({ code: 16 })
    }
    expect((await post(receiver, '/v1/metrics', PROTOBUF, good)).status).toBe(401)
    expect(sink.inserts).toHaveLength(0)
    expect((await send('Bearer secret')).status).toBe(200)
    expect((await send('bearer secret')).status).toBe(200)
  })

  it('speaks TLS, and wants a client certificate where a CA is set', async () => {
    const tls = { certFile: tlsFile('server.pem'), keyFile: tlsFile('server-key.pem') }
    const send = (receiver: ReceiverHandle, client: object) =>
      new Promise<number>((resolve, reject) => {
        const request = httpsRequest(
          `https://${receiver.httpAddress}/v1/traces`,
          { method: 'POST', headers: PROTOBUF, ca: readFileSync(tlsFile('ca.pem')), agent: false, ...client },
          (response) => {
            response.resume()
            resolve(response.statusCode ?? 0)
          },
        )
        request.on('error', reject)
        request.end(good)
      })
    const plain = await openReceiver({ tls })
    expect(await send(plain.receiver, {})).toBe(200)
    const mutual = await openReceiver({ tls: { ...tls, clientCaFile: tlsFile('ca.pem') } })
    await expect(send(mutual.receiver, {})).rejects.toThrow()
    const certificate = {
      cert: readFileSync(tlsFile('client.pem')),
      key: readFileSync(tlsFile('client-key.pem')),
    }
    expect(await send(mutual.receiver, certificate)).toBe(200)
    const ofOthers = await openReceiver({ tls: { ...tls, clientCaFile: tlsFile('server.pem') } })
    await expect(send(ofOthers.receiver, certificate)).rejects.toThrow()
    expect(ofOthers.receiver.counters.received).toBe(0)
  })
})

describe('files for TLS', () => {
  const files = { certFile: tlsFile('server.pem'), keyFile: tlsFile('server-key.pem') }

  it.each([
    ['LONGPOLE_TLS_CERT', { ...files, certFile: tlsFile('none.pem') }, 'no such file'],
    ['LONGPOLE_TLS_CERT', { ...files, certFile: tlsFile('README.md') }, 'PEM'],
    ['LONGPOLE_TLS_KEY', { ...files, keyFile: tlsFile('server.pem') }, ''],
    [
      'LONGPOLE_TLS_KEY',
      { ...files, keyFile: tlsFile('client-key.pem') },
      'not the key of LONGPOLE_TLS_CERT',
    ],
    ['LONGPOLE_TLS_CLIENT_CA', { ...files, clientCaFile: tlsFile('server-key.pem') }, 'PEM'],
  ])('that cannot be used are named with their setting: %s', async (setting, tls, why) => {
    await expect(openReceiver({ tls })).rejects.toThrow(new RegExp(`^${setting}=.*${why}`))
  })
})

describe('addresses', () => {
  it('a port that is taken is named with its setting', async () => {
    const { receiver } = await openReceiver()
    const { grpcAddress, httpAddress } = receiver
    await expect(openReceiver({ http: httpAddress })).rejects.toThrow(
      `LONGPOLE_OTLP_HTTP=${httpAddress}: the port is taken`,
    )
    await expect(openReceiver({ grpc: grpcAddress })).rejects.toThrow(
      `LONGPOLE_OTLP_GRPC=${grpcAddress}: the port is taken`,
    )
  })
})

describe('stopping', () => {
  it('stores and acknowledges what is in flight, then closes', async () => {
    const { receiver, sink } = await openReceiver({ batches: { waitMs: 1e9, quietMs: 1e9 } })
    const sent = post(receiver, '/v1/traces', PROTOBUF, good)
    await waitFor(() => receiver.counters.received === 3)
    const stopped = receiver.stop(5000)
    expect((await sent).status).toBe(200)
    await stopped
    expect(sink.rows).toHaveLength(3)
    await expect(post(receiver, '/v1/traces', PROTOBUF, good)).rejects.toThrow()
  })
})
