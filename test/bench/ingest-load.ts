/** Sends export requests over gRPC from a process of its own, every span a new one; reports on its channel. */
import { Client, compressionAlgorithms, credentials } from '@grpc/grpc-js'
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

process.once('message', (load: Load) => {
  void run(load).then((result) => process.send?.(result, () => process.exit()))
})

async function run({ address, seconds, gzip, concurrency, rate, shape, ...load }: Load): Promise<LoadResult> {
  const requests = exportRequests({ requests: 64, ...shape }).map((bytes) => Buffer.from(bytes))
  const places = requests.map(traceIdPlaces)
  const run = Math.floor(Math.random() * 2 ** 32)
  const clients = Array.from(
    { length: CONNECTIONS },
    (_, i) =>
      new Client(address, credentials.createInsecure(), {
        // Otherwise all share one connection.
        'grpc.use_local_subchannel_pool': 1,
        'longpole.connection': i,
        ...(gzip ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
      }),
  )
  const identity = (bytes: Buffer) => bytes
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
      const n = sent++
      const request = Buffer.from(requests[n % requests.length]!)
      renew(request, places[n % requests.length]!, (run + n) >>> 0)
      clients[n % CONNECTIONS]!.makeUnaryRequest(EXPORT, identity, identity, request, (error) => {
        if (error === null) latenciesMs.push(performance.now() - at)
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
  for (const client of clients) client.close()
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
