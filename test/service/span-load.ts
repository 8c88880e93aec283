import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { readStatus } from '../receiver/open-receiver.ts'
import { readableOf, type SampleSpan, sampleSpan } from '../receiver/span-samples.ts'

/** How often a request is repeated, with the Collector's names. Times in ms. */
export type RetryPolicy = {
  timeoutMs: number
  initialMs: number
  maxMs: number
  maxElapsedMs: number
}

/**
 * What the Collector does unless told otherwise: half to one and a half times the interval, which grows by half.
 * https://github.com/open-telemetry/opentelemetry-collector/blob/main/config/configretry/README.md
 */
export const COLLECTOR: RetryPolicy = {
  timeoutMs: 5000,
  initialMs: 5000,
  maxMs: 30_000,
  maxElapsedMs: 300_000,
}
/** Repeats soon and for ever, for tests that have no time. */
export const IMPATIENT: RetryPolicy = {
  timeoutMs: 20_000,
  initialMs: 50,
  maxMs: 200,
  maxElapsedMs: Number.POSITIVE_INFINITY,
}

/** Codes that the Collector repeats; RESOURCE_EXHAUSTED only where told when. */
const RETRYABLE = new Set<number>([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
])
const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

export const SPANS_A_TRACE = 5
const TRACES_A_REQUEST = 10

/** A request of ten traces: a SERVER span with four calls below it. Ids count on from `n`. */
export function requestOf(n: number): { spans: SampleSpan[]; body: Buffer } {
  const startNs = BigInt(Date.now()) * 1_000_000n
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  const spans = Array.from({ length: TRACES_A_REQUEST * SPANS_A_TRACE }, (_, i) => {
    const trace = n * TRACES_A_REQUEST + Math.floor(i / SPANS_A_TRACE) + 1
    const place = i % SPANS_A_TRACE
    const id = (at: number) => hex(trace * 16 + at, 16)
    return sampleSpan({
      traceId: hex(trace, 32),
      spanId: id(place),
      parentSpanId: place === 0 ? '' : id(0),
      name: place === 0 ? 'GET /cart' : `call ${place}`,
      kind: place === 0 ? 1 : 0,
      startNs: startNs + BigInt(place) * 1_000_000n,
      endNs: startNs + (place === 0 ? 10_000_000n : BigInt(place) * 1_000_000n + 900_000n),
      resource: { 'service.name': 'load' },
    })
  })
  return { spans, body: Buffer.from(ProtobufTraceSerializer.serializeRequest(readableOf(spans))!) }
}

/** null: acknowledged. */
export function exportOnce(stub: Client, body: Buffer, timeoutMs: number): Promise<ServiceError | null> {
  const identity = (bytes: Buffer) => bytes
  const deadline = Date.now() + timeoutMs
  return new Promise((resolve) => {
    stub.makeUnaryRequest(TRACES, identity, identity, body, { deadline }, resolve)
  })
}

export type SpanLoad = {
  sent: number
  /** Requests that were given up, with what was said last. */
  lost: string[]
  attempts: number
  acknowledged: Set<string>
  /** Sends no more, and returns once all is acknowledged or lost. */
  finish(): Promise<void>
  /** Gives up what is not acknowledged. */
  abandon(): Promise<void>
}

/** Sends requests from so many senders, each repeated until it is acknowledged, to wherever `address` says. */
export function startLoad(options: {
  address: () => string
  senders: number
  /** Between two requests of a sender. */
  pauseMs: number
  policy: RetryPolicy
  /** Number of the first request. */
  from?: number
}): SpanLoad {
  const { address, policy } = options
  let next = options.from ?? 0
  let client: { address: string; stub: Client } | undefined
  const stub = () => {
    if (client?.address !== address()) {
      client?.stub.close()
      client = {
        address: address(),
        stub: new Client(address(), credentials.createInsecure(), {
          // The channel comes back as soon as the service does: the time between repetitions is the policy's.
          'grpc.initial_reconnect_backoff_ms': 100,
          'grpc.max_reconnect_backoff_ms': 500,
        }),
      }
    }
    return client.stub
  }
  let isOver = false
  let isAbandoned = false
  const load: SpanLoad = {
    sent: 0,
    lost: [],
    attempts: 0,
    acknowledged: new Set(),
    async finish() {
      isOver = true
      await running
      client?.stub.close()
    },
    abandon() {
      isAbandoned = true
      return load.finish()
    },
  }

  const sendUntilAcknowledged = async ({ spans, body }: ReturnType<typeof requestOf>) => {
    const giveUpAt = Date.now() + policy.maxElapsedMs
    let intervalMs = policy.initialMs
    for (;;) {
      load.attempts++
      const error = await exportOnce(stub(), body, policy.timeoutMs)
      if (error === null) {
        for (const { spanId } of spans) load.acknowledged.add(spanId)
        return
      }
      const details = error.metadata.get('grpc-status-details-bin')[0]
      const toldMs = details === undefined ? undefined : readStatus(details as Buffer).retryAfterMs
      const isRetryable =
        RETRYABLE.has(error.code) || (error.code === status.RESOURCE_EXHAUSTED && toldMs !== undefined)
      const waitMs = Math.max(toldMs ?? 0, intervalMs * (0.5 + Math.random()))
      if (!isRetryable || isAbandoned || Date.now() + waitMs > giveUpAt) {
        load.lost.push(error.message)
        return
      }
      await pause(waitMs)
      intervalMs = Math.min(1.5 * intervalMs, policy.maxMs)
    }
  }

  const sender = async () => {
    while (!isOver) {
      load.sent++
      await sendUntilAcknowledged(requestOf(next++))
      await pause(options.pauseMs)
    }
  }
  const running = Promise.all(Array.from({ length: options.senders }, sender))
  return load
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
