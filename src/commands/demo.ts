import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { credentials } from '@grpc/grpc-js'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import Table from 'cli-table3'
import { readConfig } from '../config.ts'
import { type CheckedTruth, checkAnswerKey } from '../demo/answer-key.ts'
import { runTraffic, TRAFFIC_MS } from '../demo/traffic.ts'
import { createLog } from '../log.ts'
import { readBottlenecks } from './api-client.ts'
import type { CommandContext } from './context.ts'
import { busiest } from './report.ts'
import { renderReport } from './report-table.ts'
import { awaitSignal, withDependencies } from './serve.ts'
import { startService } from './service.ts'
import { countOption } from './usage.ts'

export const summary = 'a shop with planted bottlenecks, and the report that finds them'

const HELP = `usage: longpole demo [--exit] [--seed N] [--requests N]

Starts everything on a throw-away store and free ports, sends the traffic of a
shop of eight services through real OpenTelemetry exporters over gRPC, prints
what was planted in it beside what the report found, and keeps serving.

  --exit        stop after the report; exit code 0 only if all was found
  --seed N      other traffic (default 1)
  --requests N  more or less of it (default 2500)
  --dependencies learned|single
                what calls waited for: learned over many traces (default), or
                from each trace alone
  -h, --help    this text
`

/** Spans a request of the exporter: what the SDK's batch processor sends by default. */
const SPANS_A_REQUEST = 512
/** Requests under way at the same time. */
const CONCURRENT = 4
/** The newest request began this long ago. */
const QUIET_MS = 60_000

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      exit: { type: 'boolean' },
      seed: { type: 'string', default: '1' },
      requests: { type: 'string', default: '2500' },
      dependencies: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const { stdout } = context
  if (values.help) {
    stdout.write(HELP)
    return 0
  }
  const seed = countOption('seed', values.seed)
  const requests = countOption('requests', values.requests)
  const dataDir = mkdtempSync(join(tmpdir(), 'longpole-demo-'))
  const config = {
    ...readConfig(withDependencies(context.env, values.dependencies)),
    otlpGrpc: '127.0.0.1:0',
    otlpHttp: '127.0.0.1:0',
    api: '127.0.0.1:0',
    clickhouseHttp: '127.0.0.1:0',
    dataDir,
    // On a server: a database that nobody has.
    clickhouseDatabase: `longpole_demo_${randomBytes(6).toString('hex')}`,
    settleSeconds: 1,
    token: undefined,
    tls: undefined,
  }
  const signal = awaitSignal()
  try {
    const started = Date.now()
    stdout.write('starting the store, receivers, analyzer and API ...\n')
    const service = await startService(
      config,
      createLog(context.env.LONGPOLE_LOG_LEVEL ?? 'error', context.stderr),
    )
    try {
      const { spans } = runTraffic({
        seed,
        requests,
        startMs: Date.now() - TRAFFIC_MS - QUIET_MS,
      })
      stdout.write(
        `sending ${spans.length.toLocaleString('en')} spans of ${requests.toLocaleString('en')} requests over gRPC ...\n`,
      )
      await sendSpans(service.addresses.otlpGrpc!, spans)
      stdout.write('waiting for the analyzer ...\n\n')
      await service.analyzer!.drain()

      const url = `http://${service.addresses.api}`
      const bottlenecks = await readBottlenecks({
        url,
        token: undefined,
        query: { from: 'now-2h', scope: 'trace' },
      })
      stdout.write(renderReport(busiest(bottlenecks, 4)))
      const truths = checkAnswerKey(bottlenecks)
      stdout.write(`\n${truthsTable(truths)}\n`)
      const missed = truths.filter((truth) => !truth.ok).length
      const seconds = ((Date.now() - started) / 1000).toFixed(0)
      stdout.write(
        missed === 0 ? `\nall that was planted was found (${seconds} s)\n` : `\n${missed} missed\n`,
      )
      if (values.exit) return missed === 0 ? 0 : 1

      stdout.write(`\nstill serving until Ctrl-C; next:
  ${url}/#/endpoints?from=now-6h (in a browser)
  curl -s '${url}/api/v1/bottlenecks?from=now-2h&scope=trace'
  curl -s '${url}/api/v1/traces?from=now-2h&sort=duration&limit=3'
  OTEL_EXPORTER_OTLP_ENDPOINT=http://${service.addresses.otlpGrpc} your-service
`)
      await signal
      return 0
    } finally {
      await service.store.client.command({ query: `DROP DATABASE ${config.clickhouseDatabase}` })
      await service.stop()
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Sends through the SDK's exporter, a few requests at a time; each is acknowledged when it is stored. */
async function sendSpans(address: string, spans: readonly ReadableSpan[]): Promise<void> {
  const exporter = new OTLPTraceExporter({
    url: `http://${address}`,
    credentials: credentials.createInsecure(),
    // A request counts as under way a moment longer than its result takes.
    concurrencyLimit: 2 * CONCURRENT,
    timeoutMillis: 60_000,
  })
  const batches: ReadableSpan[][] = []
  for (let from = 0; from < spans.length; from += SPANS_A_REQUEST) {
    batches.push(spans.slice(from, from + SPANS_A_REQUEST))
  }
  const worker = async () => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      const sent = batch
      await new Promise<void>((resolve, reject) => {
        exporter.export(sent, ({ code, error }) => {
          if (code === ExportResultCode.SUCCESS) resolve()
          else reject(new Error('the exporter could not send its spans', { cause: error }))
        })
      })
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, worker))
  await exporter.shutdown()
}

function truthsTable(truths: readonly CheckedTruth[]): string {
  const table = new Table({
    head: ['endpoint', 'planted', 'found', ''],
    colWidths: [23, 23, 24, 5],
    wordWrap: true,
    style: { head: [], border: [], compact: true },
  })
  for (const { operation, planted, found, ok } of truths) {
    table.push([operation, planted, found, ok ? 'yes' : 'NO'])
  }
  return table.toString()
}
