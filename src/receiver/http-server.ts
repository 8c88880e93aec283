import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { TlsMaterial } from '../tls.ts'
import type { MemoryBudget } from './budget.ts'
import type { Intake } from './intake.ts'
import {
  type ExportOutcome,
  httpStatusOf,
  responseBytes,
  responseJson,
  retryAfterMsOf,
  statusBytes,
  statusJson,
} from './outcome.ts'

export type HttpOptions = {
  intake: Intake
  budget: MemoryBudget
  isAllowed: (authorization: string | undefined) => boolean
  tls: TlsMaterial | undefined
  maxMessageBytes: number
  /** A request has this long to arrive. */
  requestTimeoutMs: number
}

type Format = 'protobuf' | 'json'
const CONTENT_TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const
const SIGNALS: Record<string, 'metrics' | 'logs'> = { '/v1/metrics': 'metrics', '/v1/logs': 'logs' }
const MAX_CONNECTIONS = 4096

/** OTLP/HTTP. https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export function createHttpServer(options: HttpOptions): Server {
  const { intake, budget, isAllowed, tls, maxMessageBytes } = options

  const listener: RequestListener = (request, response) => {
    void handle(request, response)
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A connection that breaks is noticed where it is read from.
    request.on('error', () => {})
    response.on('error', () => {})
    const path = request.url?.split('?', 1)[0] ?? ''
    const signal = SIGNALS[path]
    if (path !== '/v1/traces' && signal === undefined) return sendText(response, 404, 'not found')
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST')
      return sendText(response, 405, 'only POST is allowed here')
    }
    const format = formatOf(request.headers['content-type'])
    if (format === undefined) {
      return sendText(response, 415, 'expected application/x-protobuf or application/json')
    }
    const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase()
    if (encoding !== 'gzip' && encoding !== 'identity') {
      return sendText(response, 415, 'expected content-encoding gzip or none')
    }
    if (!isAllowed(request.headers.authorization)) {
      return send(response, format, { kind: 'unauthenticated' }, signal === undefined)
    }
    if (signal !== undefined) {
      intake.discard(signal)
      request.resume()
      response.writeHead(200, { 'content-type': CONTENT_TYPES[format] })
      response.end(format === 'json' ? '{}' : undefined)
      return
    }
    const announced = Number(request.headers['content-length'] ?? 0)
    if (announced > maxMessageBytes) return send(response, format, tooLarge(), true)
    const refused = intake.refusal(announced)
    if (refused !== undefined) return send(response, format, refused, true)
    if (request.headers.expect === '100-continue') response.writeContinue()

    let taken = 0
    const take = (bytes: number) => {
      taken += bytes
      budget.take(bytes)
    }
    try {
      const body = await readBody(request, take)
      if (!(body instanceof Uint8Array)) {
        send(response, format, body, true)
        return
      }
      const outcome = await intake
        .accept(body, encoding === 'gzip' ? 'packed' : encoding, format)
        .finally(() => {
          budget.give(taken)
          taken = 0
        })
      send(response, format, outcome, true)
    } catch (error) {
      send(response, format, { kind: 'unavailable', retryAfterMs: 1000, message: 'internal error' }, true)
      throw error
    } finally {
      budget.give(taken)
    }
  }

  /** Reads it whole, within the limits; else says how it ended, and lets go of what was read. */
  function readBody(
    request: IncomingMessage,
    take: (bytes: number) => void,
  ): Promise<Uint8Array | ExportOutcome> {
    return new Promise((resolve) => {
      let chunks: Buffer[] = []
      let size = 0
      const end = (outcome: Uint8Array | ExportOutcome) => {
        chunks = []
        request.off('data', onData)
        // What still comes is read and dropped; the server's request timeout ends it.
        request.resume()
        resolve(outcome)
      }
      const onData = (chunk: Buffer) => {
        size += chunk.length
        if (size > maxMessageBytes) return end(tooLarge())
        const refused = intake.refusal(chunk.length)
        if (refused !== undefined) return end(refused)
        take(chunk.length)
        chunks.push(chunk)
      }
      request.on('data', onData)
      request.on('end', () => end(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
      request.on('close', () => end({ kind: 'aborted' }))
    })
  }

  function send(response: ServerResponse, format: Format, outcome: ExportOutcome, isExport: boolean): void {
    if (isExport) intake.count('http', outcome)
    if (response.headersSent || response.destroyed) return
    const retryAfterMs = retryAfterMsOf(outcome)
    if (retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000))
    if (outcome.kind === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer')
    const isStored = outcome.kind === 'stored'
    const body =
      format === 'json'
        ? isStored
          ? responseJson(outcome)
          : statusJson(outcome)
        : isStored
          ? responseBytes(outcome)
          : statusBytes(outcome)
    response.writeHead(httpStatusOf(outcome), { 'content-type': CONTENT_TYPES[format] })
    response.end(body)
  }

  function tooLarge(): ExportOutcome {
    return { kind: 'too-large', message: `the request is larger than ${maxMessageBytes} bytes` }
  }

  const timeouts = {
    requestTimeout: options.requestTimeoutMs,
    headersTimeout: Math.min(10_000, options.requestTimeoutMs),
    connectionsCheckingInterval: Math.min(1000, options.requestTimeoutMs),
    keepAliveTimeout: 65_000,
  }
  const server =
    tls === undefined
      ? createServer(timeouts, listener)
      : createTlsServer(
          {
            ...timeouts,
            cert: tls.cert,
            key: tls.key,
            ...(tls.clientCa === undefined
              ? {}
              : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          },
          listener,
        )
  server.maxConnections = MAX_CONNECTIONS
  server.on('checkContinue', listener)
  return server
}

function formatOf(contentType: string | undefined): Format | undefined {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'application/x-protobuf' || type === 'application/protobuf') return 'protobuf'
  return type === 'application/json' ? 'json' : undefined
}

function sendText(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' })
  response.end(`${message}\n`)
}
