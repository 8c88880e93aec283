import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import {
  Metadata,
  Server,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type StatusObject,
  type sendUnaryData,
} from '@grpc/grpc-js'
import type { MemoryBudget } from './budget.ts'
import type { Intake } from './intake.ts'
import { createMessageMemory, createMessageReader, type MessageMemory } from './message-reader.ts'
import { codeOf, type FailedOutcome, messageOf, responseBytes, statusBytes } from './outcome.ts'

export type GrpcOptions = {
  intake: Intake
  budget: MemoryBudget
  isAllowed: (authorization: string | undefined) => boolean
  maxMessageBytes: number
  /** A request has this long to arrive. */
  requestTimeoutMs: number
}

const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const SIGNALS = {
  '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export': 'metrics',
  '/opentelemetry.proto.collector.logs.v1.LogsService/Export': 'logs',
} as const

/** OTLP/gRPC. Messages are handed on as bytes. https://opentelemetry.io/docs/specs/otlp/#otlpgrpc */
export function createGrpcServer(options: GrpcOptions): Server {
  const { intake, maxMessageBytes } = options
  const memory = createMessageMemory()
  const handled = new WeakSet<Metadata>()
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': 1024 * 1024,
    'grpc.max_concurrent_streams': 512,
    // A peer that is gone without a word is noticed after so long, and its memory freed.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.enable_channelz': 0,
    interceptors: [gate(options, memory, handled)],
  })
  addUnary(server, TRACES, (call, callback) => {
    handled.add(call.metadata)
    const isPacked = isGzip(call.request) || isZlib(call.request)
    const accepted = intake.accept(call.request, isPacked ? 'packed' : 'identity', 'protobuf')
    // Decoded already, unless it has to be unpacked.
    if (!isPacked) memory.give(call.request)
    void accepted.then(
      (outcome) => {
        intake.count('grpc', outcome)
        if (outcome.kind === 'stored') callback(null, Buffer.from(responseBytes(outcome)))
        else callback(statusOf(outcome))
      },
      (error: Error) => callback(error),
    )
  })
  for (const [path, signal] of Object.entries(SIGNALS)) {
    addUnary(server, path, (_call, callback) => {
      intake.discard(signal)
      callback(null, Buffer.alloc(0))
    })
  }
  return server
}

type Handler = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void

function addUnary(server: Server, path: string, handler: Handler): void {
  const identity = (bytes: Buffer) => bytes
  server.addService(
    {
      Export: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    { Export: handler },
  )
}

/** No protobuf of an export begins like this: it would be field 3 as varint, which has never been there. */
function isGzip(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** What gRPC calls `deflate`. As protobuf it would be field 15 as varint. */
function isZlib(bytes: Buffer): boolean {
  return bytes.length > 2 && bytes[0] === 0x78 && bytes.readUInt16BE(0) % 31 === 0
}

/**
 * What the calls of grpc-js have and do not show. The stream is there to count a message's bytes as they arrive. With
 * the encoding unset, a packed message is handed on as it came, to be unpacked in one go within our own limits: grpc-js
 * unpacks any number at a time. The decoder puts messages together.
 */
type InnerCall = { stream?: ServerHttp2Stream; incomingEncoding?: string; decoder?: object }

/**
 * HTTP/2's own 64 KiB window and 16 KiB frames cost a message of some hundred KiB several round trips, and a sixth of
 * the CPU time.
 */
const STREAM_WINDOW_BYTES = 1024 * 1024
const SESSION_WINDOW_BYTES = 4 * 1024 * 1024
const FRAME_BYTES = 256 * 1024

/**
 * Turns calls away before their message is read, counts what is read, and ends what never arrives or is never taken.
 * `handled`: metadata of calls whose message has come; how those end is counted elsewhere.
 */
function gate(
  { intake, budget, isAllowed, maxMessageBytes, requestTimeoutMs }: GrpcOptions,
  memory: MessageMemory,
  handled: WeakSet<Metadata>,
): ServerInterceptor {
  const widened = new WeakSet<Http2Session>()
  return (method, call) => {
    const { stream, incomingEncoding } = call as InnerCall
    const session = stream?.session
    if (session != null && !session.destroyed && !widened.has(session)) {
      widened.add(session)
      session.settings({ initialWindowSize: STREAM_WINDOW_BYTES, maxFrameSize: FRAME_BYTES })
      session.setLocalWindowSize(SESSION_WINDOW_BYTES)
    }
    let taken = 0
    let timer: NodeJS.Timeout | undefined
    let closing: NodeJS.Timeout | undefined
    let hasMessage = false
    let received: Metadata | undefined
    let isCounted = method.path !== TRACES
    const count = (outcome: FailedOutcome) => {
      if (!isCounted) intake.count('grpc', outcome)
      isCounted = true
    }
    const free = () => {
      clearTimeout(timer)
      budget.give(taken)
      taken = 0
    }
    /** The call has ended; a stream whose other end does nothing about it goes, too. */
    const letGo = () => {
      free()
      if (stream === undefined || stream.destroyed || closing !== undefined) return
      closing = setTimeout(() => stream.destroy(), requestTimeoutMs).unref()
      stream.once('close', () => clearTimeout(closing))
    }
    const turnAway = (outcome: FailedOutcome) => {
      count(outcome)
      call.sendStatus(statusOf(outcome))
    }
    const reader = createMessageReader(maxMessageBytes, memory)
    ;(call as InnerCall).decoder = {
      write(data: Buffer) {
        try {
          const messages = reader.write(data)
          hasMessage ||= messages.length > 0
          return messages
        } catch (error) {
          count({ kind: 'too-large', message: (error as Error).message })
          throw error
        }
      },
    }
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            const authorization = metadata.get('authorization')[0]
            if (!isAllowed(typeof authorization === 'string' ? authorization : undefined)) {
              return turnAway({ kind: 'unauthenticated' })
            }
            const refused = intake.refusal()
            if (method.path === TRACES && refused !== undefined) return turnAway(refused as FailedOutcome)
            received = metadata
            if (incomingEncoding === 'gzip' || incomingEncoding === 'deflate') {
              ;(call as InnerCall).incomingEncoding = 'identity'
            }
            stream?.on('data', (chunk: Buffer) => {
              // Once the call has ended nothing is kept of what still comes.
              if (stream.writableEnded) return
              taken += chunk.length
              budget.take(chunk.length)
              const full = intake.refusal()
              if (full?.kind === 'busy') turnAway(full)
            })
            timer = setTimeout(() => turnAway({ kind: 'aborted' }), requestTimeoutMs)
            pass(metadata)
          },
          onReceiveHalfClose(pass) {
            clearTimeout(timer)
            pass()
          },
          // Comes at the end of every call, however it ends.
          onCancel() {
            letGo()
            if (received !== undefined && handled.has(received)) return
            // None in what was sent, more than one, or one that is packed in a way that is not known here.
            const isMalformed = hasMessage || (stream?.readableEnded === true && !stream.aborted)
            count(isMalformed ? { kind: 'malformed', message: 'not one message' } : { kind: 'aborted' })
          },
        })
      },
      // Whether the answer is taken or not, the request is held no longer.
      sendMessage(message, next) {
        letGo()
        next(message)
      },
    })
  }
}

function statusOf(outcome: FailedOutcome): StatusObject {
  const metadata = new Metadata()
  metadata.set('grpc-status-details-bin', Buffer.from(statusBytes(outcome)))
  return { code: codeOf(outcome), details: messageOf(outcome), metadata }
}
