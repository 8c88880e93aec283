/**
 * The whole service under steady load: memory of its processes, how far the analyzer is behind, what failed, every ten
 * seconds and in a line at the end. Every span sent is a new one.
 *
 *   npm run bench:soak -- [minutes] [spans a second] [apart]
 *
 * `apart`: receiver, and analyzer with API, in processes of their own; memory and figures are then those of the latter.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { createClient } from '@clickhouse/client'
import { enginePid } from '../service/kill.ts'
import { createDataDir, startService } from '../support/service.ts'
import type { LoadResult } from './ingest-load.ts'
import { startLoadGenerator } from './load-generator.ts'

const minutes = Number(process.argv[2] ?? 10)
const rate = Number(process.argv[3] ?? 30_000)
const SHAPE = { spans: 512, attributes: 12, seed: 1 }
const EVERY_MS = 10_000
/** For what is behind to be analyzed. */
const DRAIN_MS = 300_000

type Sample = {
  seconds: number
  acknowledged: number
  analyzed: number
  lagSeconds: number
  queueAgeSeconds: number
  inFlightMiB: number
  serviceMiB: number
  engineMiB: number
  notStored: number
  insertRetries: number
  analyzerFailures: number
}

const data = createDataDir()
const isApart = process.argv[4] === 'apart'
const settle = { LONGPOLE_SETTLE_SECONDS: '10' }
const receiver = await startService(data.path, settle, { args: isApart ? ['--roles', 'receiver'] : [] })
const service = isApart
  ? await startService(
      data.path,
      { ...settle, LONGPOLE_CLICKHOUSE_URL: receiver.clickhouse },
      { args: ['--roles', 'analyzer,api'] },
    )
  : receiver
const engine = enginePid(receiver)
const samples: Sample[] = []
const startedAt = performance.now()
try {
  console.log(
    `${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}, load average ${loadavg()[0]!.toFixed(1)}`,
  )
  console.log(`${JSON.stringify(SHAPE)}, ${rate} spans/s for ${minutes} min`)
  const timer = setInterval(() => void sample(), EVERY_MS)
  const result = await runLoad()
  clearInterval(timer)
  const sentAt = performance.now()
  while ((await sample()).analyzed < result.acknowledged && performance.now() - sentAt < DRAIN_MS) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
  const drainSeconds = (performance.now() - sentAt) / 1000
  const client = createClient({ url: service.clickhouse, database: 'longpole' })
  const answer = await client.query({
    query: 'SELECT count() AS stored FROM otel_traces',
    format: 'JSONEachRow',
  })
  const [{ stored }] = (await answer.json()) as [{ stored: string }]
  await client.close()

  const most = (column: keyof Sample) => Math.max(...samples.map((of) => of[column]))
  const last = samples.at(-1)!
  const middle = samples[samples.length >> 1]!
  console.log(
    '| spans/s | p50 ms | p99 ms | failed | acknowledged | stored | service MiB: middle, end, most | engine MiB | lag s: most, end | drained after s |',
  )
  console.log('|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|')
  const memory = (column: 'serviceMiB' | 'engineMiB') =>
    [middle[column], last[column], most(column)].map((of) => of.toFixed(0)).join(', ')
  const cells = [
    (result.acknowledged / result.seconds).toFixed(0),
    ...[result.p50Ms.toFixed(0), result.p99Ms.toFixed(0), result.failed, result.acknowledged, stored],
    ...[memory('serviceMiB'), memory('engineMiB')],
    ...[`${most('lagSeconds').toFixed(0)}, ${last.lagSeconds.toFixed(0)}`, drainSeconds.toFixed(0)],
  ]
  console.log(`| ${cells.join(' | ')} |`)
  const isLost = Number(stored) < result.acknowledged || last.analyzed < result.acknowledged
  if (isLost || result.failed > 0) process.exitCode = 1
} finally {
  await service.end('SIGTERM')
  if (isApart) await receiver.end('SIGTERM')
  data.remove()
}

async function sample(): Promise<Sample> {
  const text = await (await fetch(`http://${service.api}/metrics`)).text()
  /** Of a metric, or of all that differ in their label. */
  const sum = (name: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`longpole_${name} `) || line.startsWith(`longpole_${name}{`))
      .reduce((total, line) => total + Number(/\S+$/.exec(line)), 0)
  const taken: Sample = {
    seconds: Math.round((performance.now() - startedAt) / 1000),
    acknowledged: sum('receiver_acknowledged_total'),
    analyzed: sum('analyzer_spans_total'),
    lagSeconds: sum('analyzer_lag_seconds'),
    queueAgeSeconds: sum('receiver_queue_age_seconds'),
    inFlightMiB: sum('receiver_bytes_in_flight') / 2 ** 20,
    serviceMiB: residentMiB(service.process.pid!),
    engineMiB: residentMiB(engine),
    notStored: sum('receiver_outcomes_total') - sum('receiver_outcomes_total{outcome="stored"}'),
    insertRetries: sum('receiver_insert_retries_total'),
    analyzerFailures: sum('analyzer_failures_total'),
  }
  samples.push(taken)
  console.log(
    JSON.stringify(taken, (_, value) => (typeof value === 'number' ? Math.round(value * 10) / 10 : value)),
  )
  return taken
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

async function runLoad(): Promise<LoadResult> {
  const generator = startLoadGenerator()
  const result = await generator.run({
    address: receiver.otlpGrpc,
    seconds: minutes * 60,
    gzip: false,
    concurrency: 0,
    rate,
    shape: SHAPE,
  })
  generator.stop()
  return result
}
