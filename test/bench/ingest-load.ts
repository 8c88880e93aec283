/**
 * Sends export requests over gRPC from a process of its own, every span a new one; reports on its channel. It speaks
 * HTTP/2 itself and uses its memory again: a gRPC client would take as much of the processor as the receiver.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import { promisify } from 'node:util'
import { gzip as gzipped } from 'node:zlib'
import { exportRequests, renew, traceIdPlaces } from './otlp-requests.ts'

export type Load = {
  address: string
  seconds: number
  /** Stops earlier, after so many. */
  requests?: number
  gzip: boolean
  /** Requests under way at a time; each answer is followed by the next request. */
  concurrency: number
  /** Spans a second, sent whether or not answers come; undefined: as fast as they are answered. */
  rate?: number
  shape: { spans: number; attributes: number; seed: number }
}

export type LoadResult = {
  acknowledged: number
  failed: number
  seconds: number
  /** Of this process, over the same time. */
  cpuMs: number
  p50Ms: number
  p99Ms: number
}

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const CONNECTIONS = 4
/** Of a gRPC message: whether it is packed, and its length. */
const PREFIX_BYTES = 5

process.once('message', (load: Load) => {
  void run(load).then((result) => process.send?.(result, () => process.exit()))
})

async function run({ address, seconds, gzip, concurrency, rate, shape, ...load }: Load): Promise<LoadResult> {
  const requests = exportRequests({ requests: 64, ...shape }).map((bytes) => Buffer.from(bytes))
  const places = requests.map(traceIdPlaces)
  const largest = PREFIX_BYTES + Math.max(...requests.map((request) => request.length))
  const run = Math.floor(Math.random() * 2 ** 32)
  // What waits to be sent is more than a session may hold unless told otherwise.
  const sessions = Array.from({ length: CONNECTIONS }, () =>
    connect(`http://${address}`, { maxSessionMemory: 1000 }),
  )
  const free: Buffer[] = []
  const latenciesMs: number[] = []
  let sent = 0
  let failed = 0
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000
  const isOver = () => performance.now() >= until || sent >= (load.requests ?? Number.POSITIVE_INFINITY)
  const sendOne = async () => {
    const at = performance.now()
    const n = sent++
    const request = requests[n % requests.length]!
    const memory = free.pop() ?? Buffer.alloc(largest)
    const message = memory.subarray(0, PREFIX_BYTES + request.length)
    message.writeUInt32BE(request.length, 1)
    request.copy(message, PREFIX_BYTES)
    renew(message.subarray(PREFIX_BYTES), places[n % requests.length]!, (run + n) >>> 0)
    const session = sessions[n % CONNECTIONS]!
    const isTaken = gzip
      ? await call(session, await packed(message.subarray(PREFIX_BYTES)), 'gzip')
      : await call(session, message, 'identity')
    free.push(memory)
    if (isTaken) latenciesMs.push(performance.now() - at)
    else failed++
  }

  if (rate === undefined) {
    const loop = async () => {
      while (!isOver()) await sendOne()
    }
    await Promise.all(Array.from({ length: concurrency }, loop))
  } else {
    const under: Promise<void>[] = []
    while (!isOver()) {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * (rate / shape.spans))
      while (sent < due) under.push(sendOne())
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await Promise.all(under)
  }
  const elapsed = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  for (const session of sessions) session.close()
  latenciesMs.sort((a, b) => a - b)
  const quantile = (q: number) => latenciesMs[Math.floor(q * (latenciesMs.length - 1))] ?? Number.NaN
  return {
    acknowledged: latenciesMs.length * shape.spans,
    failed,
    seconds: elapsed,
    cpuMs: (user + system) / 1000,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }
}

/** One unary call; true: its status is OK. */
function call(session: ClientHttp2Session, message: Buffer, encoding: string): Promise<boolean> {
  return new Promise((resolve) => {
    let status: unknown
    const stream = session.request({
      ':method': 'POST',
      ':path': EXPORT,
      'content-type': 'application/grpc',
      'grpc-encoding': encoding,
      te: 'trailers',
    })
    // A call that fails at once has its status in the headers.
    stream.on('response', (headers) => {
      status = headers['grpc-status']
    })
    stream.on('trailers', (headers) => {
      status = headers['grpc-status']
    })
    stream.on('error', () => {})
    stream.on('close', () => resolve(status === '0'))
    stream.resume()
    stream.end(message)
  })
}

const compress = promisify(gzipped)

async function packed(message: Buffer): Promise<Buffer> {
  const bytes = await compress(message)
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix[0] = 1
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}
