import { parseArgs } from 'node:util'
import { type Config, readConfig, splitAddress } from '../config.ts'
import type { SpanSink } from '../formats/file-span.ts'
import { type OutgoingSpan, otlpRequest } from '../formats/otlp-writer.ts'
import type { CommandContext } from './context.ts'
import { type Answer, createSender } from './otlp-sender.ts'
import { readTraceFiles } from './trace-files.ts'

export const summary = 'send trace files to a running service'

const HELP = `usage: longpole import [options] FILE...

Sends trace files (OTLP JSON or protobuf, Jaeger JSON, Zipkin v2 JSON, also
gzipped; "-" is standard input) to the OTLP/HTTP receiver of a running service.

  --shift-to-now   move all times by one amount, so that the last span starts
                   now: what is older than the retention is refused otherwise.
                   Files recorded further apart than the retention are moved
                   each on its own.
  -h, --help       this text

Settings: LONGPOLE_OTLP_HTTP (where the receiver listens), LONGPOLE_TOKEN.
`

/** Spans a request: some hundred kilobytes to a few megabytes. */
const SPANS_PER_REQUEST = 1000
/** Requests under way at a time: while one is being stored, the next ones are encoded. */
const REQUESTS_AT_ONCE = 4
/** A recording cannot be from later than this; such a clock does not set the shift. */
const CLOCK_SLACK_NS = 3_600_000_000_000n

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals: files } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'shift-to-now': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  const shift = values['shift-to-now']
  const misuse =
    files.length === 0
      ? 'expected at least one FILE'
      : shift && files.includes('-')
        ? '--shift-to-now reads its files twice, which standard input does not allow'
        : undefined
  if (misuse !== undefined) {
    context.stderr.write(`longpole import: ${misuse}\n\n${HELP}`)
    return 2
  }
  const config = readConfig(context.env)
  if (splitAddress(config.otlpHttp).port === 0) {
    context.stderr.write(
      'longpole import: LONGPOLE_OTLP_HTTP: expected the port the receiver listens at, found 0\n',
    )
    return 2
  }
  const nowNs = BigInt(Date.now()) * 1_000_000n
  const shipments = shift ? await shifted(files, nowNs, config.retentionDays) : [{ files, shiftNs: 0n }]
  if (shipments.length > 1) context.stderr.write('recorded too far apart: each file is moved on its own\n')
  return await send(shipments, config, context)
}

/** Files whose times are moved by the same amount. */
type Shipment = { files: readonly string[]; shiftNs: bigint }

const DAY_NS = 86_400n * 1_000_000_000n

/** All files together, or each on its own where they do not fit into the retention together. */
async function shifted(files: readonly string[], nowNs: bigint, retentionDays: number): Promise<Shipment[]> {
  const latest: bigint[] = []
  for (const file of files) latest.push(await latestStart(file, nowNs))
  const known = latest.filter((ns) => ns > 0n).sort((a, b) => Number(a - b))
  const last = known.at(-1) ?? nowNs
  if (last - (known[0] ?? last) < BigInt(retentionDays) * DAY_NS) return [{ files, shiftNs: nowNs - last }]
  return files.map((file, i) => ({ files: [file], shiftNs: latest[i] === 0n ? 0n : nowNs - latest[i]! }))
}

/** When the last span starts; 0: not known. */
async function latestStart(file: string, nowNs: bigint): Promise<bigint> {
  let latest = 0n
  let latestEver = 0n
  let count = 0
  const sink: SpanSink = {
    add({ startNs }) {
      count++
      if (startNs > latestEver) latestEver = startNs
      if (startNs > latest && startNs <= nowNs + CLOCK_SLACK_NS) latest = startNs
    },
    settle: () => {},
    abandon: () => 0,
  }
  // What is wrong with the files is said when they are sent.
  const silent = { write: () => true } as unknown as NodeJS.WritableStream
  await readTraceFiles([file], sink, { stderr: silent, spanCount: () => count })
  return latest === 0n ? latestEver : latest
}

async function send(
  shipments: readonly Shipment[],
  config: Config,
  { stdout, stderr }: CommandContext,
): Promise<number> {
  const post = createSender(receiverUrl(config), authorization(config), {
    onPause: (reason) => stderr.write(`${reason}; waiting for it\n`),
  })
  const outbox = createOutbox()
  const sent = { spans: 0, rejected: 0 }
  const reasons = new Map<string, number>()
  const underWay = new Set<Promise<void>>()
  let failure: unknown
  const drain = async (least: number, shiftNs: bigint) => {
    for (let batch = outbox.take(least); batch.length > 0; batch = outbox.take(least)) {
      const spans = batch.length
      const request = post(otlpRequest(batch, shiftNs)).then(
        (answer) => count(answer, spans),
        (error) => {
          failure ??= error
        },
      )
      underWay.add(request)
      request.finally(() => underWay.delete(request))
      if (underWay.size >= REQUESTS_AT_ONCE) await Promise.race(underWay)
      if (failure !== undefined) throw failure
    }
  }
  let readFiles = 0
  for (const { files, shiftNs } of shipments) {
    const read = await readTraceFiles(files, outbox.sink, {
      withRest: true,
      stderr,
      spanCount: () => outbox.spanCount(),
      onChunk: () => drain(SPANS_PER_REQUEST, shiftNs),
    })
    await drain(1, shiftNs)
    readFiles += read.readFiles
  }
  await Promise.all(underWay)
  if (failure !== undefined) throw failure

  if (readFiles === 0) {
    stderr.write('longpole import: nothing could be read\n')
    return 1
  }
  stdout.write(`${sent.spans - sent.rejected} spans stored\n`)
  if (sent.rejected === 0) return 0
  stderr.write(`longpole import: ${sent.rejected} of ${sent.spans} spans refused by the receiver\n`)
  for (const [reason, spans] of reasons) stderr.write(`  ${spans}: ${reason}\n`)
  if (shipments.every(({ shiftNs }) => shiftNs === 0n))
    stderr.write('  (--shift-to-now moves old recordings to the present)\n')
  // Unfinished spans and the like are refused from every recording; that nothing was taken is a failure.
  return sent.rejected === sent.spans ? 1 : 0

  function count({ rejectedSpans, reason }: Answer, spans: number): void {
    sent.spans += spans
    sent.rejected += rejectedSpans
    if (rejectedSpans > 0) reasons.set(reason, (reasons.get(reason) ?? 0) + rejectedSpans)
  }
}

/** Spans whose resource is known are ready to go; the others wait for it. */
function createOutbox() {
  let ready: OutgoingSpan[] = []
  let waiting: OutgoingSpan[] = []
  let taken = 0
  let count = 0
  const sink: SpanSink = {
    add(span, resource, scope) {
      count++
      ;(resource.attributes === undefined ? waiting : ready).push({ span, resource, scope })
    },
    settle() {
      for (const span of waiting) ready.push(span)
      waiting = []
    },
    abandon() {
      const forgotten = waiting.length
      count -= forgotten
      waiting = []
      return forgotten
    },
  }
  return {
    sink,
    spanCount: () => count,
    /** The next request's spans, if there are at least so many. */
    take(least: number): OutgoingSpan[] {
      if (ready.length - taken < least) {
        ready = ready.slice(taken)
        taken = 0
        return []
      }
      const batch = ready.slice(taken, taken + SPANS_PER_REQUEST)
      taken += batch.length
      return batch
    },
  }
}

/** Where to reach what listens there: everywhere includes here. */
function receiverUrl(config: Config): string {
  const { host, port } = splitAddress(config.otlpHttp)
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const name = reachable.includes(':') ? `[${reachable}]` : reachable
  return `${config.tls === undefined ? 'http' : 'https'}://${name}:${port}/v1/traces`
}

function authorization(config: Config): Record<string, string> {
  return config.token === undefined ? {} : { authorization: `Bearer ${config.token}` }
}
