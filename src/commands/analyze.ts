import { parseArgs } from 'node:util'
import { analyzeSpans } from '../analysis/analyze.ts'
import { bottlenecksOf } from '../analysis/bottlenecks.ts'
import { groupSamples } from '../analysis/group-samples.ts'
import { learnDependencies } from '../analysis/learn.ts'
import type { Model } from '../analysis/model.ts'
import { parseTarget, type Target } from '../analysis/target.ts'
import { findingLimits } from '../config.ts'
import { collectFindings } from '../findings/collect.ts'
import { createDetector } from '../findings/detect.ts'
import { createFindingCollector, explain } from '../findings/findings.ts'
import { createDecodePool } from '../formats/decode-pool.ts'
import { createSpanSpool, type SpanSpool } from '../formats/span-spool.ts'
import { groupByTrace } from '../trace/group.ts'
import { type ReportRequest, reportFor } from './analyze-report.ts'
import type { CommandContext } from './context.ts'
import { namePairs } from './name-pairs.ts'
import { createOutput } from './output.ts'
import { createBar, isTerminal, watchSpans } from './progress-bar.ts'
import { createSampleCollector, type SampleCollector } from './sample-collector.ts'
import { readTraceFiles } from './trace-files.ts'

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
  const samples = createSampleCollector()
  try {
    return await analyzeFiles(options, { spool, samples }, context)
  } finally {
    spool.close()
    samples.close()
  }
}

type Options = ReportRequest & { timings: boolean; learned: boolean }

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
    learned: values.dependencies === 'learned',
    format,
    endpoint: values.endpoint,
    top: values.top === undefined ? undefined : Number(values.top),
  }
}

async function analyzeFiles(
  options: Options,
  { spool, samples }: { spool: SpanSpool; samples: SampleCollector },
  context: CommandContext,
): Promise<number> {
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
  const limits = findingLimits(context.env)
  const detector = createDetector(limits)
  const findings = createFindingCollector()
  const timings = { assembleMs: 0, criticalPathMs: 0, whatIfMs: 0, findingsMs: 0 }
  let traces = 0
  let model: Model | undefined
  let learnMs = 0
  const bars = isTerminal(context.stderr) ? createBars(context.stderr) : undefined
  const observer =
    bars === undefined
      ? detector.observer
      : watchSpans(detector.observer, (more) => bars.analyzing.increment(more))
  let done = 0
  await report.begin()
  for (const batch of spool.batches()) {
    const groups = groupByTrace(batch)
    if (options.learned && model === undefined) {
      // Batches of spilled spans come by trace id: the first is a fair sample of all.
      const learnStartMs = performance.now()
      bars?.learning.start(1, 0)
      model = learnDependencies(batch, groups)
      bars?.learning.stop()
      learnMs += performance.now() - learnStartMs
    }
    if (done === 0) bars?.analyzing.start(spans, 0)
    const analysis = analyzeSpans(batch, {
      timings,
      model,
      groups,
      range: true,
      observer,
    })
    traces += analysis.traces.count
    samples.add(groupSamples(analysis))
    collectFindings(findings, analysis, detector.evidence())
    await report.traces(analysis)
    done += batch.count
    bars?.analyzing.update(done)
  }
  if (done > 0) bars?.analyzing.stop()
  const { target } = options
  let bottlenecks = bottlenecksOf(samples.groups(), target)
  if (target !== undefined) bottlenecks = namePairs(bottlenecks, target, spool.batches, model)
  await report.end(explain(bottlenecks, findings.findings(limits)))
  await output.end()
  if (options.timings) {
    const { readMs, decodeMs } = read
    const totalMs = performance.now() - startMs
    const line = { traces, spans, ...rounded({ readMs, decodeMs, learnMs, ...timings, totalMs }) }
    context.stderr.write(`${JSON.stringify(line)}\n`)
  }
  return 0
}

function createBars(stderr: NodeJS.WritableStream) {
  return {
    learning: createBar(stderr, 'learning what waits for what'),
    analyzing: createBar(stderr, '{percentage}% of {total} spans analyzed, {eta_formatted} left'),
  }
}

/** To a microsecond. */
function rounded(timings: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(timings).map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]))
}
