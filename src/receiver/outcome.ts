import { createBytes, pushVarint } from './column-buffers.ts'
import { pushString } from './text.ts'

/** How an export ended. Each edge has one mapper from this to its status. */
export type ExportOutcome =
  /** All spans but the rejected ones are in the store. */
  | { kind: 'stored'; rejected: number; message: string }
  | { kind: 'malformed'; message: string }
  | { kind: 'too-large'; message: string }
  /** Over the memory budget: nothing was read, the same request is welcome later. */
  | { kind: 'busy'; retryAfterMs: number }
  | { kind: 'unavailable'; retryAfterMs: number; message: string }
  | { kind: 'unauthenticated' }
  | { kind: 'aborted' }

/** google.rpc.Code. */
const CODES = {
  malformed: 3,
  'too-large': 8,
  busy: 8,
  unavailable: 14,
  unauthenticated: 16,
  aborted: 10,
} as const

const HTTP_STATUSES = {
  stored: 200,
  malformed: 400,
  'too-large': 413,
  busy: 429,
  unavailable: 503,
  unauthenticated: 401,
  aborted: 408,
} as const

export type FailedOutcome = Exclude<ExportOutcome, { kind: 'stored' }>

export function httpStatusOf(outcome: ExportOutcome): number {
  return HTTP_STATUSES[outcome.kind]
}

export function codeOf(outcome: FailedOutcome): number {
  return CODES[outcome.kind]
}

export function messageOf(outcome: FailedOutcome): string {
  switch (outcome.kind) {
    case 'malformed':
      return `not an OTLP trace export: ${outcome.message}`
    case 'too-large':
    case 'unavailable':
      return outcome.message
    case 'busy':
      return 'too much is in flight: try again later'
    case 'unauthenticated':
      return 'a valid bearer token is required'
    case 'aborted':
      return 'the request was not sent in time'
  }
}

/** When to come back; undefined: the same request will fare no better. */
export function retryAfterMsOf(outcome: ExportOutcome): number | undefined {
  return outcome.kind === 'busy' || outcome.kind === 'unavailable' ? outcome.retryAfterMs : undefined
}

/** ExportTraceServiceResponse. */
export function responseBytes(outcome: Extract<ExportOutcome, { kind: 'stored' }>): Uint8Array {
  if (outcome.rejected === 0) return new Uint8Array(0)
  const partial = createBytes(256)
  pushVarint(partial, 0x08) // rejected_spans
  pushVarint(partial, outcome.rejected)
  pushVarint(partial, 0x12) // error_message
  pushString(partial, outcome.message)
  return lengthDelimited(0x0a, partial.bytes.subarray(0, partial.length))
}

export function responseJson(outcome: Extract<ExportOutcome, { kind: 'stored' }>): string {
  if (outcome.rejected === 0) return '{}'
  return JSON.stringify({
    partialSuccess: { rejectedSpans: String(outcome.rejected), errorMessage: outcome.message },
  })
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo'

/** google.rpc.Status: what the body of a failed OTLP/HTTP request and gRPC's `grpc-status-details-bin` are. */
export function statusBytes(outcome: FailedOutcome): Uint8Array {
  const status = createBytes(256)
  pushVarint(status, 0x08) // code
  pushVarint(status, codeOf(outcome))
  pushVarint(status, 0x12) // message
  pushString(status, messageOf(outcome))
  const retryAfterMs = retryAfterMsOf(outcome)
  const head = status.bytes.slice(0, status.length)
  if (retryAfterMs === undefined) return head
  const duration = createBytes(32)
  pushVarint(duration, 0x08) // seconds
  pushVarint(duration, Math.floor(retryAfterMs / 1000))
  pushVarint(duration, 0x10) // nanos
  pushVarint(duration, (retryAfterMs % 1000) * 1e6)
  const any = createBytes(128)
  pushVarint(any, 0x0a) // type_url
  pushString(any, RETRY_INFO)
  const retryInfo = lengthDelimited(0x0a, duration.bytes.subarray(0, duration.length)) // retry_delay
  const value = lengthDelimited(0x12, retryInfo)
  const details = lengthDelimited(0x1a, Buffer.concat([any.bytes.subarray(0, any.length), value]))
  return Buffer.concat([head, details])
}

export function statusJson(outcome: FailedOutcome): string {
  const retryAfterMs = retryAfterMsOf(outcome)
  const details =
    retryAfterMs === undefined ? [] : [{ '@type': RETRY_INFO, retryDelay: `${retryAfterMs / 1000}s` }]
  return JSON.stringify({ code: codeOf(outcome), message: messageOf(outcome), details })
}

function lengthDelimited(tag: number, bytes: Uint8Array): Uint8Array {
  const head = createBytes(16)
  pushVarint(head, tag)
  pushVarint(head, bytes.length)
  return Buffer.concat([head.bytes.subarray(0, head.length), bytes])
}
