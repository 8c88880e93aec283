import { isMasked, isWholeQuery, normalizeQuery } from './query-text.ts'
import { type AttributeMap, SHAPE_SEPARATOR } from './shape.ts'

/**
 * A span's **detail** is what findings need to know about it besides its shape: what it asked for and how that went.
 * It travels like a shape: as a key of fields joined by `SHAPE_SEPARATOR`, computed by the store in SQL by the same
 * rules (see schema/), interned once. Of each field the newer semantic convention counts before the older one.
 */
export const DETAIL_FIELDS = [
  'query', // db.query.text, else db.statement, without its values
  'method', // http.request.method, else http.method
  'statusCode', // http.response.status_code, http.status_code, rpc.response.status_code, rpc.grpc.status_code
  'errorType', // error.type
  'resendCount', // http.request.resend_count, else http.resend_count
  'rpcService', // rpc.service
  'urlTemplate', // url.template
  'coldStart', // '1' where faas.coldstart is true
  'timeLimitSeconds', // faas.timeout: no convention has one
  'peer', // of what calls: server.address (else net.peer.name) and its port, else the authority of the URL
  'destination', // messaging.destination.name, else messaging.destination
] as const

export type DetailFields = Record<(typeof DETAIL_FIELDS)[number], string>

/** What findings need of a span as numbers. */
export type SpanFigures = {
  /** Larger of request and response body, bytes; 0: not known. */
  bodyBytes: number
  /** db.response.returned_rows; 0: not known. */
  returnedRows: number
  /** Equal where a query, or an HTTP method of a URL, asks for the very same; 0: not known. */
  valueHash: number
}

export const NO_FIGURES: SpanFigures = { bodyBytes: 0, returnedRows: 0, valueHash: 0 }

const BODY_SIZES = [
  'http.response.body.size',
  'http.request.body.size',
  'http.response_content_length',
  'http.request_content_length',
  'messaging.message.body.size',
  'messaging.message.payload_size_bytes',
  'messaging.message_payload_size_bytes',
] as const
const PARAMETERS = ['db.query.parameter.', 'db.operation.parameter.'] as const

/** Figures that do not fit are cut to this. */
const MOST = 2 ** 32 - 1

/** `https://user:secret@api.example:8443/path?q` -> `api.example:8443` */
const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#]*@)?([^/?#@]*)/

/** `kind` is a name out of SPAN_KINDS. */
export function detailKeyFrom(kind: string, attributes: AttributeMap): string {
  const first = firstOf(attributes)
  return [
    normalizeQuery(first('db.query.text', 'db.statement'), first('db.system.name', 'db.system')),
    first('http.request.method', 'http.method'),
    first(
      'http.response.status_code',
      'http.status_code',
      'rpc.response.status_code',
      'rpc.grpc.status_code',
    ),
    first('error.type'),
    first('http.request.resend_count', 'http.resend_count'),
    first('rpc.service'),
    first('url.template'),
    first('faas.coldstart') === 'true' ? '1' : '',
    first('faas.timeout'),
    peerOf(kind, first),
    first('messaging.destination.name', 'messaging.destination'),
  ]
    .map((value) => (value.includes(SHAPE_SEPARATOR) ? value.replaceAll(SHAPE_SEPARATOR, ' ') : value))
    .join(SHAPE_SEPARATOR)
}

/** A SERVER's or a CONSUMER's own address is no peer, and who calls it has another port each time. */
function peerOf(kind: string, first: First): string {
  if (kind === 'SERVER' || kind === 'CONSUMER') return ''
  const name = first('server.address', 'net.peer.name')
  if (name === '') return authorityOf(first('url.full', 'http.url'))
  const port = first('server.port', 'net.peer.port')
  return port === '' ? name : `${name}:${port}`
}

export function authorityOf(url: string): string {
  return AUTHORITY.exec(url)?.[1] ?? ''
}

export function detailFieldsOf(key: string): DetailFields {
  const values = key.split(SHAPE_SEPARATOR)
  return Object.fromEntries(DETAIL_FIELDS.map((field, i) => [field, values[i] ?? ''])) as DetailFields
}

export function figuresFrom(attributes: AttributeMap): SpanFigures {
  const first = firstOf(attributes)
  let bodyBytes = 0
  for (const name of BODY_SIZES) {
    if (attributes[name] !== undefined) bodyBytes = Math.max(bodyBytes, wholeNumber(first(name)))
  }
  return {
    bodyBytes,
    returnedRows: wholeNumber(first('db.response.returned_rows')),
    valueHash: valueHashOf(attributes, first),
  }
}

/** Digits only, as the store's toUInt64OrZero takes them. */
function wholeNumber(text: string): number {
  return /^[0-9]+$/.test(text) ? Math.min(MOST, Number(text)) : 0
}

function valueHashOf(attributes: AttributeMap, first: First): number {
  const query = first('db.query.text', 'db.statement')
  if (query !== '') {
    let parameters = ''
    for (const key in attributes) {
      if (!PARAMETERS.some((prefix) => key.startsWith(prefix))) continue
      if (isMasked(first(key))) return 0
      parameters += `${key}=${first(key)}\n`
    }
    if (parameters === '' && !isWholeQuery(query, first('db.system.name', 'db.system'))) return 0
    return hashOf(`${query}\n${parameters}`)
  }
  if (first('http.request.method', 'http.method') === '') return 0
  const url = first('url.full', 'http.url')
  return url === '' ? 0 : hashOf(url)
}

/** FNV-1a over UTF-16 units, never 0. Only ever compared within a trace. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash | 1) >>> 0
}

type First = (...keys: string[]) => string

function firstOf(attributes: AttributeMap): First {
  return (...keys) => {
    for (const key of keys) {
      const value = attributes[key]
      if (value === undefined || value === null || value === '') continue
      return typeof value === 'object' ? JSON.stringify(value) : String(value)
    }
    return ''
  }
}

/** Flags of a detail. */
export const IS_RESENT = 1 // not the first attempt
export const IS_COLD_START = 2
export const IS_THROTTLED = 4 // 429, RESOURCE_EXHAUSTED
export const IS_TIMEOUT = 8 // 408, 504, DEADLINE_EXCEEDED, an error type that says so
export const HAS_TIME_LIMIT = 16
export const IS_FINAL = 32 // a failure that the same call would meet again: a wrong request, no such thing, not allowed
export const IS_REDIRECT = 64 // 3xx

const THROTTLED = new Set(['429', '8', 'RESOURCE_EXHAUSTED'])
const TIMED_OUT = new Set(['408', '504', '4', 'DEADLINE_EXCEEDED'])
/** `java.net.SocketTimeoutException`, `timeout`, `context deadline exceeded`, `ETIMEDOUT`. */
const TIMEOUT_NAME = /time(d)?[-_ ]?out|deadline/i

/** 4xx that later may be another: 408 Request Timeout, 425 Too Early, 429 Too Many Requests (RFC 9110, 8470, 6585). */
const PASSING = new Set(['408', '425', '429'])
/**
 * INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED,
 * UNAUTHENTICATED: what gRPC says a client should not send again as it is.
 */
const FINAL_CODE =
  /^(3|5|6|7|9|11|12|16|INVALID_ARGUMENT|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|FAILED_PRECONDITION|OUT_OF_RANGE|UNIMPLEMENTED|UNAUTHENTICATED)$/
/**
 * SQLSTATE classes 22 (data), 23 (constraints), 42 (syntax, rights); `UniqueViolation`, `org.x.DuplicateKeyException`. Not
 * `ENOTFOUND`: a name server may answer later.
 */
const FINAL_ERROR =
  /^(22|23|42)[0-9A-Z]{3}$|unique|duplicate|constraint|integrity|syntax|(?<!^E)not[-_ ]?found|unauthori[sz]ed|forbidden|bad[-_ ]?request/i

function isFinal({ statusCode, errorType }: DetailFields): boolean {
  const code = statusCode || errorType
  if (/^4[0-9][0-9]$/.test(code)) return !PASSING.has(code)
  return FINAL_CODE.test(code) || FINAL_ERROR.test(errorType)
}

export function detailFlagsOf(fields: DetailFields): number {
  return (
    (Number(fields.resendCount) > 0 ? IS_RESENT : 0) |
    (fields.coldStart === '1' ? IS_COLD_START : 0) |
    (THROTTLED.has(fields.statusCode) ? IS_THROTTLED : 0) |
    (TIMED_OUT.has(fields.statusCode) || TIMEOUT_NAME.test(fields.errorType) ? IS_TIMEOUT : 0) |
    (Number(fields.timeLimitSeconds) > 0 ? HAS_TIME_LIMIT : 0) |
    (isFinal(fields) ? IS_FINAL : 0) |
    (/^3[0-9][0-9]$/.test(fields.statusCode) ? IS_REDIRECT : 0)
  )
}

/** Details interned; id 0 is the one of a span that says nothing. Arrays are replaced when they grow. */
export type DetailDictionary = {
  id(key: string): number
  fields(detail: number): DetailFields
  readonly count: number
  readonly flags: Uint8Array
  /** Number of the normalised query, 0: none. */
  readonly query: Int32Array
}

export function createDetailDictionary(): DetailDictionary {
  const nothing = SHAPE_SEPARATOR.repeat(DETAIL_FIELDS.length - 1)
  const ids = new Map<string, number>([
    ['', 0],
    [nothing, 0],
  ])
  const fields: DetailFields[] = [detailFieldsOf(nothing)]
  const queries = new Map<string, number>([['', 0]])
  const details = {
    count: 1,
    flags: new Uint8Array(256),
    query: new Int32Array(256),
    id(key: string): number {
      const known = ids.get(key)
      if (known !== undefined) return known
      const id = details.count++
      ids.set(key, id)
      if (id === details.flags.length) {
        const flags = new Uint8Array(2 * id)
        flags.set(details.flags)
        details.flags = flags
        const query = new Int32Array(2 * id)
        query.set(details.query)
        details.query = query
      }
      const of = detailFieldsOf(key)
      fields.push(of)
      details.flags[id] = detailFlagsOf(of)
      let query = queries.get(of.query)
      if (query === undefined) {
        query = queries.size
        queries.set(of.query, query)
      }
      details.query[id] = query
      return id
    },
    fields: (detail: number) => fields[detail]!,
  }
  return details
}
