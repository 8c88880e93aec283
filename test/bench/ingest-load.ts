/**
 * Sends export requests over gRPC from a process of its own, every span a new one: what it is told on its channel, one load
 * after the other, until that closes. Its requests stay where they are, and get new trace ids when it is their turn.
 */
import { promisify } from 'node:util'
import { gzip as gzipped } from 'node:zlib'
import { type Message, openExportConnection } from './export-connection.ts'
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

const CONNECTIONS = 4
/** Of a gRPC message: whether it is packed, and its length. */
const PREFIX_BYTES = 5

process.on('message', (load: Load) => {
  void run(load).then((result) => process.send?.(result))
})
process.on('disconnect', () => process.exit())

async function run({ address, seconds, gzip, concurrency, rate, shape, ...load }: Load): Promise<LoadResult> {
  const nextMessage = createMessages(shape, gzip)
  const connections = Array.from({ length: CONNECTIONS }, () =>
    openExportConnection(address, gzip ? 'gzip' : 'identity'),
  )
  const latenciesMs: number[] = []
  let sent = 0
  let failed = 0
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000
  const isOver = () => performance.now() >= until || sent >= (load.requests ?? Number.POSITIVE_INFINITY)
  const sendOne = () =>
    new Promise<void>((resolve) => {
      const at = performance.now()
      connections[sent++ % CONNECTIONS]!.send(nextMessage, (isOk) => {
        if (isOk) latenciesMs.push(performance.now() - at)
        else failed++
        resolve()
      })
    })

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
  for (const connection of connections) connection.close()
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

/** The answer gives the next message: one of 64, whose spans have become new ones. */
function createMessages(shape: Load['shape'], gzip: boolean): () => Message | Promise<Message> {
  const run = Math.floor(Math.random() * 2 ** 32)
  let sent = 0
  const free = exportRequests({ requests: 64, ...shape }).map((request) => {
    const bytes = Buffer.concat([Buffer.alloc(PREFIX_BYTES), request])
    bytes.writeUInt32BE(request.length, 1)
    return { bytes, places: traceIdPlaces(bytes) }
  })
  return () => {
    const message = free.shift()!
    renew(message.bytes, message.places, (run + sent++) >>> 0)
    const isFree = () => void free.push(message)
    return gzip ? packed(message.bytes, isFree) : { bytes: message.bytes, sent: isFree }
  }
}

const compress = promisify(gzipped)

async function packed(message: Buffer, isPacked: () => void): Promise<Message> {
  const body = await compress(message.subarray(PREFIX_BYTES))
  isPacked()
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix[0] = 1
  prefix.writeUInt32BE(body.length, 1)
  return { bytes: Buffer.concat([prefix, body]), sent() {} }
}
