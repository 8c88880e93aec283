import { parseArgs } from 'node:util'
import { analyzeSpans } from '../analysis/analyze.ts'
import { type Bottleneck, bottlenecksOf } from '../analysis/bottlenecks.ts'
import { groupSamples, traceJson, tracesById } from '../analysis/report-json.ts'
import type { Analysis } from '../analysis/result.ts'
import { parseTarget, type Target } from '../analysis/target.ts'
import { createDecodePool } from '../formats/decode-pool.ts'
import { createSpanSpool, type SpanSpool } from '../formats/span-spool.ts'
import type { CommandContext } from '../main.ts'
import { createFlameGraph } from './flame-graph.ts'
import { createOutput, type Output } from './output.ts'
import { renderReport } from './report-table.ts'
import { createSampleCollector } from './sample-collector.ts'
import { readTraceFiles } from './trace-files.ts'
import { traceText } from './trace-text.ts'

export const summary = 'read trace files and report what holds their endpoints back'

const HELP = `usage: longpole analyze [options] FILE...

Reads trace files (OTLP JSON or protobuf, Jaeger JSON, Zipkin v2 JSON, also
gzipped; "-" is standard input) and reports, per endpoint, how fast it would be
if one component were infinitely fast.

  --target 'p95<500ms'   judge against a target; mean, p50, p99.9, <= also work
  --summary              endpoints only, no single traces
  --endpoint TEXT        only endpoints whose "service operation" contains TEXT
  --top N                only the N endpoints that most time is spent in
                         (10, but for --json)
  --json                 everything as JSON
  --format FORMAT        instead of the report, the critical paths added up as a
                         flame graph: speedscope or folded
  --timings              one JSON line on standard error: how long what took
  --dependencies MODE    learned (default) or single: what calls waited for,
                         learned over all traces or from each trace alone
  -h, --help             this text

Ids that are not hexadecimal, or too long, are replaced by hashes of them.
`

type Options = {
  files: string[]
  target: Target | undefined
  summary: boolean
  json: boolean
  timings: boolean
  format: 'speedscope' | 'folded' | undefined
  endpoint: string | undefined
  top: number | undefined
}

/** The slowest traces are shown one by one. */
const SHOWN_TRACES = 3
/** A terminal is not asked to scroll through all endpoints. */
const SHOWN_ENDPOINTS = 10

export async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const options = parseOptions(args)
  if (options === 'help') {
    context.stdout.write(HELP)
    return 0
  }
  if ('usageError' in options) {
    context.stderr.write(`longpole analyze: ${options.usageError}\n\n${HELP}`)
    return 2
  }
  const spool = createSpanSpool()
  const stop = () => {
    spool.close()
    process.exit(130)
  }
  process.once('SIGINT', stop)
  try {
    return await analyzeFiles(options, spool, context)
  } finally {
    process.off('SIGINT', stop)
    spool.close()
  }
}

/** What the command line asks for; `usageError` if it makes no sense. */
function parseOptions(args: readonly string[]): Options | 'help' | { usageError: string } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      target: { type: 'string' },
      summary: { type: 'boolean', default: false },
      endpoint: { type: 'string' },
      top: { type: 'string' },
      json: { type: 'boolean', default: false },
      format: { type: 'string' },
      timings: { type: 'boolean', default: false },
      dependencies: { type: 'string', default: 'learned' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  if (positionals.length === 0) return { usageError: 'expected at least one FILE' }
  if (values.dependencies !== 'single' && values.dependencies !== 'learned') {
    return { usageError: `--dependencies: expected single or learned, found ${values.dependencies}` }
  }
  const { format } = values
  if (format !== undefined && format !== 'speedscope' && format !== 'folded') {
    return { usageError: `--format: expected speedscope or folded, found ${format}` }
  }
  if (format !== undefined && values.json) return { usageError: '--format and --json exclude each other' }
  if (values.top !== undefined && !/^[1-9]\d{0,8}$/.test(values.top)) {
    return { usageError: `--top: expected a whole number above 0, found ${values.top}` }
  }
  let target: Target | undefined
  try {
    target = values.target === undefined ? undefined : parseTarget(values.target)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { usageError: `--target: ${error.message}` }
  }
  return {
    files: positionals,
    target,
    summary: values.summary,
    json: values.json,
    timings: values.timings,
    format,
    endpoint: values.endpoint,
    top: values.top === undefined ? undefined : Number(values.top),
  }
}

async function analyzeFiles(options: Options, spool: SpanSpool, context: CommandContext): Promise<number> {
  const startMs = performance.now()
  const pool = createDecodePool(spool.sink)
  const read = await readTraceFiles(options.files, spool.sink, {
    pipes: pool,
    stderr: context.stderr,
    spanCount: spool.spanCount,
    onChunk: spool.relieve,
  }).finally(pool.close)
  const spans = spool.spanCount()
  if (read.readFiles === 0) {
    context.stderr.write('longpole analyze: nothing could be read\n')
    return 1
  }
  if (spans === 0) context.stderr.write('longpole analyze: the files hold no span\n')

  const output = createOutput(context.stdout)
  const report = reportFor(options, output)
  const samples = createSampleCollector()
  const timings = { assembleMs: 0, criticalPathMs: 0, whatIfMs: 0 }
  let traces = 0
  await report.begin()
  for (const batch of spool.batches()) {
    const batchMs = performance.now()
    const analysis = analyzeSpans(batch)
    // One pass over each trace does all three; it is not taken apart yet.
    timings.whatIfMs += performance.now() - batchMs
    traces += analysis.traces.count
    samples.add(groupSamples(analysis))
    await report.traces(analysis)
  }
  const bottlenecks = bottlenecksOf(samples.groups(), options.target)
  await report.end(bottlenecks)
  await output.end()
  if (options.timings) {
    const { readMs, decodeMs } = read
    const totalMs = performance.now() - startMs
    const line = { traces, spans, ...rounded({ readMs, decodeMs, ...timings, totalMs }) }
    context.stderr.write(`${JSON.stringify(line)}\n`)
  }
  return 0
}

/** To a microsecond. */
function rounded(timings: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(timings).map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]))
}

/** The endpoints asked for, in the order they come in. */
function chosen(
  bottlenecks: readonly Bottleneck[],
  endpoint: string | undefined,
  top: number | undefined,
): Bottleneck[] {
  const named = bottlenecks.filter((b) => endpoint === undefined || matches(endpoint, b))
  if (top === undefined) return named
  const most = new Set(byTotalTime(named).slice(0, top))
  return named.filter((b) => most.has(b))
}

function byTotalTime(bottlenecks: readonly Bottleneck[]): Bottleneck[] {
  const totalNs = (b: Bottleneck) => b.entries * b.observed.meanNs
  return bottlenecks.toSorted((a, b) => totalNs(b) - totalNs(a))
}

function matches(text: string, of: { service: string; operation: string }): boolean {
  return `${of.service} ${of.operation}`.toLowerCase().includes(text.toLowerCase())
}

/** Writes results as they come: `begin`, the traces of every batch, `end`. */
type Report = {
  begin(): Promise<void>
  traces(analysis: Analysis): Promise<void>
  end(bottlenecks: Bottleneck[]): Promise<void>
}

function reportFor(options: Options, output: Output): Report {
  if (options.format !== undefined) return flameReport(options, options.format, output)
  return options.json ? jsonReport(options, output) : textReport(options, output)
}

function flameReport({ endpoint, files }: Options, format: 'speedscope' | 'folded', output: Output): Report {
  const graph = createFlameGraph()
  return {
    begin: async () => {},
    traces: async (analysis) => graph.add(analysis, (of) => endpoint === undefined || matches(endpoint, of)),
    async end() {
      if (format === 'speedscope') {
        await output.write(`${JSON.stringify(graph.speedscope(files.join(' ')))}\n`)
        return
      }
      for (const line of graph.folded()) await output.write(line)
    },
  }
}

function jsonReport({ summary, endpoint, top }: Options, output: Output): Report {
  let first = true
  return {
    begin: () => output.write(summary ? '{' : '{"traces":['),
    async traces(analysis) {
      if (summary) return
      for (const trace of tracesById(analysis)) {
        const json = traceJson(analysis, trace)
        if (endpoint !== undefined && !json.entries.some((entry) => matches(endpoint, entry))) continue
        await output.write(`${first ? '' : ','}\n${JSON.stringify(json)}`)
        first = false
      }
    },
    async end(bottlenecks) {
      await output.write(`${summary ? '' : '],'}\n"bottlenecks":[`)
      for (const [i, bottleneck] of chosen(bottlenecks, endpoint, top).entries()) {
        await output.write(`${i === 0 ? '' : ','}\n${JSON.stringify(bottleneck)}`)
      }
      await output.write(']}\n')
    },
  }
}

function textReport({ summary, endpoint, target, top = SHOWN_ENDPOINTS }: Options, output: Output): Report {
  let slowest: { durationNs: number; text: string }[] = []
  let count = 0
  return {
    begin: async () => {},
    async traces({ ...analysis }) {
      if (summary) return
      const { traces, samples, spans } = analysis
      for (let trace = 0; trace < traces.count; trace++) {
        const primary = traces.firstSample[trace]!
        if (primary === traces.firstSample[trace + 1]!) continue
        const of = spans.dictionary.endpoints[samples.endpoint[primary]!]!
        if (endpoint !== undefined && !matches(endpoint, of)) continue
        count++
        const durationNs = samples.durationNs[primary]!
        if (slowest.length === SHOWN_TRACES && durationNs <= slowest.at(-1)!.durationNs) continue
        slowest.push({ durationNs, text: traceText(analysis, trace) })
        slowest = slowest.sort((a, b) => b.durationNs - a.durationNs).slice(0, SHOWN_TRACES)
      }
    },
    async end(bottlenecks) {
      if (slowest.length > 0) {
        const which = count > slowest.length ? `the ${slowest.length} slowest of ${count} traces\n\n` : ''
        await output.write(`${which}${slowest.map(({ text }) => text).join('\n')}\n`)
      }
      const all = byTotalTime(chosen(bottlenecks, endpoint, undefined))
      await output.write(renderReport(all.slice(0, top), { target }))
      const hidden = all.length - top
      if (hidden > 0)
        await output.write(`\n${hidden} endpoints with less time in all are not shown (--top, --endpoint)\n`)
    },
  }
}
