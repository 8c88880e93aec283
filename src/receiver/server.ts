import type { AddressInfo } from 'node:net'
import { type Server as GrpcServer, ServerCredentials, setLogger } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { closeServer } from '../close-server.ts'
import { readTls, type TlsFiles, type TlsMaterial } from '../tls.ts'
import { tokenCheck } from './access.ts'
import { type BatchLimits, createBatcher, DEFAULT_BATCH_LIMITS } from './batcher.ts'
import { createBudget } from './budget.ts'
import { createCounters, type ReceiverCounters } from './counters.ts'
import { createSpanDecoder } from './decode-spans.ts'
import { createGrpcServer } from './grpc-server.ts'
import { createHttpServer } from './http-server.ts'
import { createIntake } from './intake.ts'
import { createJsonReader } from './json-reader.ts'
import { DEFAULT_RECEIVER_LIMITS, type ReceiverLimits } from './limits.ts'
import type { SpanSink } from './sink.ts'
import { createUnpack } from './unpack.ts'

export type ReceiverOptions = {
  /** `host:port`; port 0 picks one that is free. */
  grpc: string
  http: string
  sink: SpanSink
  retentionDays: number
  log: Logger
  limits?: Partial<ReceiverLimits> | undefined
  batches?: Partial<BatchLimits> | undefined
  token?: string | undefined
  tls?: TlsFiles | undefined
}

export type ReceiverHandle = {
  grpcAddress: string
  httpAddress: string
  counters: ReceiverCounters
  /** Why nothing is acknowledged at the moment; undefined: it is, as far as is known. */
  problem(): string | undefined
  /** Takes no more, stores and answers what is there within `graceMs`, then closes what is left. */
  stop(graceMs: number): Promise<void>
}

const DAY_NS = 86_400e9
/** For the last answers to be written when stopping. */
const WRITE_MS = 1000

/** Opens the OTLP receivers. @throws Error that names the setting if an address cannot be used */
export async function startReceiver(options: ReceiverOptions): Promise<ReceiverHandle> {
  const { log, sink } = options
  const limits = { ...DEFAULT_RECEIVER_LIMITS, ...options.limits }
  const { maxMessageBytes, requestTimeoutMs } = limits
  const tls = options.tls === undefined ? undefined : readTls(options.tls, options.log)
  const isAllowed = tokenCheck(options.token)
  const counters = createCounters()
  const budget = createBudget(limits.memoryBytes, counters)
  const batcher = createBatcher({
    sink,
    decode: createSpanDecoder({
      limits: limits.spans,
      maxRowBytes: limits.memoryBytes / 2,
    }),
    window: () => {
      const nowNs = Date.now() * 1e6
      return { earliestNs: nowNs - options.retentionDays * DAY_NS, latestNs: nowNs + DAY_NS }
    },
    limits: { ...DEFAULT_BATCH_LIMITS, ...options.batches },
    budget,
    maxKeptBytes: limits.memoryBytes / 8,
    counters,
    log,
  })
  const json = createJsonReader(limits.memoryBytes, log)
  const intake = createIntake({
    batcher,
    unpack: createUnpack(maxMessageBytes),
    json,
    counters,
    log,
  })
  const edge = { intake, budget, isAllowed, maxMessageBytes, requestTimeoutMs }

  // Else grpc-js writes to standard error beside what is logged or thrown.
  setLogger({ error: (...detail: unknown[]) => log.debug({ detail: detail.join(' ') }, 'grpc-js') })
  const grpc = createGrpcServer(edge)
  const http = createHttpServer({ ...edge, tls })
  const grpcPort = await bindGrpc(grpc, options.grpc, tls)
  let httpPort: number
  try {
    httpPort = await listen(http, options.http)
  } catch (error) {
    grpc.forceShutdown()
    throw error
  }

  return {
    grpcAddress: withPort(options.grpc, grpcPort),
    httpAddress: withPort(options.http, httpPort),
    counters,
    problem: batcher.problem,
    async stop(graceMs) {
      const closed = Promise.all([
        new Promise<void>((resolve) => grpc.tryShutdown(() => resolve())),
        closeServer(http),
      ])
      await batcher.stop(graceMs)
      json.close()
      // What was settled just now still has to be written.
      const timer = setTimeout(() => {
        grpc.forceShutdown()
        http.closeAllConnections()
      }, WRITE_MS)
      await closed
      clearTimeout(timer)
    },
  }
}

function bindGrpc(server: GrpcServer, address: string, tls: TlsMaterial | undefined): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          tls.clientCa ?? null,
          [{ private_key: tls.key, cert_chain: tls.cert }],
          tls.clientCa !== undefined,
        )
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port)
      else reject(cannotListen('LONGPOLE_OTLP_GRPC', address, error))
    })
  })
}

function listen(server: ReturnType<typeof createHttpServer>, address: string): Promise<number> {
  const { host, port } = splitAddress(address)
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen('LONGPOLE_OTLP_HTTP', address, error)))
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })
}

function cannotListen(setting: string, address: string, cause: Error): Error {
  const why = cause.message.includes('EADDRINUSE') ? 'the port is taken' : cause.message
  return new Error(`${setting}=${address}: ${why}`, { cause })
}

/** `127.0.0.1:4317`, `[::1]:4317`. */
function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon)
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port: Number(address.slice(colon + 1)) }
}

function withPort(address: string, port: number): string {
  return `${address.slice(0, address.lastIndexOf(':'))}:${port}`
}
