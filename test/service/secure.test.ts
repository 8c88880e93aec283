import { readFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tlsFile } from '../receiver/open-receiver.ts'
import { createDataDir, type RunningService, startService, until } from '../support/service.ts'
import { requestOf } from './span-load.ts'

const TOKEN = 'a secret'
const data = createDataDir()
const ca = readFileSync(tlsFile('ca.pem'))
const client = { key: readFileSync(tlsFile('client-key.pem')), cert: readFileSync(tlsFile('client.pem')) }
const { spans, body } = requestOf(1)
let service: RunningService

beforeAll(async () => {
  service = await startService(data.path, {
    LONGPOLE_TOKEN: TOKEN,
    LONGPOLE_TLS_CERT: tlsFile('server.pem'),
    LONGPOLE_TLS_KEY: tlsFile('server-key.pem'),
    LONGPOLE_TLS_CLIENT_CA: tlsFile('ca.pem'),
  })
})
afterAll(async () => {
  expect(await service?.end('SIGTERM')).toBe(0)
  data.remove()
})

function ask(
  url: string,
  options: RequestOptions,
  content?: Buffer,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca, agent: false, ...options }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end(content)
  })
}

function exportTo(creds: ReturnType<typeof credentials.createSsl>, token?: string): Promise<number> {
  const stub = new Client(service.otlpGrpc, creds, { 'grpc.ssl_target_name_override': 'localhost' })
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
  const identity = (bytes: Buffer) => bytes
  const deadline = Date.now() + 20_000
  return new Promise((resolve) => {
    stub.makeUnaryRequest(
      path,
      identity,
      identity,
      body,
      metadata,
      { deadline },
      (error: ServiceError | null) => {
        stub.close()
        resolve(error?.code ?? status.OK)
      },
    )
  })
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

it('gRPC asks for a certificate and for the token', async () => {
  const certified = credentials.createSsl(ca, client.key, client.cert)
  expect(await exportTo(credentials.createSsl(ca), TOKEN)).toBe(status.UNAVAILABLE)
  expect(await exportTo(credentials.createInsecure(), TOKEN)).toBe(status.UNAVAILABLE)
  expect(await exportTo(certified)).toBe(status.UNAUTHENTICATED)
  expect(await exportTo(certified, 'another')).toBe(status.UNAUTHENTICATED)
  expect(await exportTo(certified, TOKEN)).toBe(status.OK)
})

it('so does HTTP', async () => {
  const url = `https://${service.otlpHttp}/v1/traces`
  const post = (options: RequestOptions, token: string) =>
    ask(
      url,
      {
        method: 'POST',
        ...options,
        headers: { 'content-type': 'application/x-protobuf', ...bearer(token) },
      },
      body,
    )
  await expect(post({}, TOKEN)).rejects.toThrow()
  expect((await post(client, 'another')).status).toBe(401)
  expect((await post(client, TOKEN)).status).toBe(200)
  await expect(fetch(url.replace('https', 'http'), { method: 'POST' })).rejects.toThrow()
})

it('the API speaks TLS and asks for the token, but for whether it lives', async () => {
  const url = `https://${service.api}`
  await expect(fetch(`http://${service.api}/healthz`)).rejects.toThrow()
  expect((await ask(`${url}/healthz`, {})).status).toBe(200)
  expect((await ask(`${url}/readyz`, {})).status).toBe(200)
  for (const path of ['/', '/metrics', '/openapi.json', '/api/v1/endpoints', '/api/v1/traces']) {
    expect([path, (await ask(url + path, {})).status]).toEqual([path, 401])
    expect([path, (await ask(url + path, { headers: bearer('another') })).status]).toEqual([path, 401])
    expect([path, (await ask(url + path, { headers: bearer(TOKEN) })).status]).toEqual([path, 200])
  }
})

it('the engine asks for the token as password', async () => {
  const url = `${service.clickhouse}/?query=SELECT+1`
  expect((await fetch(url)).status).toBe(401)
  expect((await fetch(`${url}&user=reader&password=another`)).status).toBe(401)
  expect((await fetch(`${url}&user=reader&password=${encodeURIComponent(TOKEN)}`)).status).toBe(200)
})

it('/metrics has what was received, acknowledged, inserted and analyzed', async () => {
  const scrape = async () => {
    const { text } = await ask(`https://${service.api}/metrics`, { headers: bearer(TOKEN) })
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(samples.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line))]))
  }
  // The same request was accepted over gRPC and HTTP: twice the spans, the same traces.
  const metrics = await until(scrape, (of) => (of.get('longpole_analyzer_traces_total') ?? 0) >= 10)
  expect(metrics.get('longpole_receiver_received_total')).toBe(2 * spans.length)
  expect(metrics.get('longpole_receiver_acknowledged_total')).toBe(2 * spans.length)
  expect(metrics.get('longpole_receiver_batch_rows_sum')).toBe(2 * spans.length)
  expect(metrics.get('longpole_receiver_insert_seconds_count')).toBeGreaterThan(0)
  expect(metrics.get('longpole_receiver_rejected_total{reason="too-old"}')).toBe(0)
  expect(metrics.get('longpole_receiver_outcomes_total{outcome="unauthenticated"}')).toBe(3)
  for (const gauge of ['receiver_bytes_in_flight', 'receiver_queue_age_seconds', 'analyzer_lag_seconds']) {
    expect(metrics.get(`longpole_${gauge}`), gauge).toBeGreaterThanOrEqual(0)
  }
  expect(metrics.get('longpole_analyzer_repairs_total{kind="orphan"}')).toBe(0)
})

it('no secret is logged', () => {
  expect(service.lines.filter((line) => line.includes(TOKEN) || line.includes('a%20secret'))).toEqual([])
})
