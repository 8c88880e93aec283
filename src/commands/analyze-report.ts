import type { Bottleneck } from '../analysis/bottlenecks.ts'
import { traceJson, tracesById } from '../analysis/report-json.ts'
import type { Analysis } from '../analysis/result.ts'
import type { Target } from '../analysis/target.ts'
import type { ExplainedBottleneck } from '../findings/findings.ts'
import { createFlameGraph } from './flame-graph.ts'
import { jsonText } from './json-text.ts'
import type { Output } from './output.ts'
import { renderReport } from './report-table.ts'
import { traceText } from './trace-text.ts'

/** What to report on, and how. */
export type ReportRequest = {
  files: string[]
  target: Target | undefined
  /** No single traces. */
  summary: boolean
  json: boolean
  format: 'speedscope' | 'folded' | undefined
  /** Only endpoints whose `service operation` contains this. */
  endpoint: string | undefined
  top: number | undefined
}

/** The slowest traces are shown one by one. */
const SHOWN_TRACES = 3
/** A terminal is not asked to scroll through all endpoints. */
const SHOWN_ENDPOINTS = 10

/** The endpoints asked for, in the order they come in. */
function chosen<B extends Ranked>(
  bottlenecks: readonly B[],
  endpoint: string | undefined,
  top: number | undefined,
): B[] {
  const named = bottlenecks.filter((b) => endpoint === undefined || matches(endpoint, b))
  if (top === undefined) return named
  const most = new Set(byTotalTime(named).slice(0, top))
  return named.filter((b) => most.has(b))
}

type Ranked = Pick<Bottleneck, 'service' | 'operation' | 'entries' | 'observed'>

function byTotalTime<B extends Ranked>(bottlenecks: readonly B[]): B[] {
  const totalNs = (b: B) => b.entries * b.observed.meanNs
  return bottlenecks.toSorted((a, b) => totalNs(b) - totalNs(a))
}

function matches(text: string, of: { service: string; operation: string }): boolean {
  return `${of.service} ${of.operation}`.toLowerCase().includes(text.toLowerCase())
}

/** Writes results as they come: `begin`, the traces of every batch, `end`. */
export type Report = {
  begin(): Promise<void>
  traces(analysis: Analysis): Promise<void>
  end(bottlenecks: ExplainedBottleneck[]): Promise<void>
}

export function reportFor(options: ReportRequest, output: Output): Report {
  if (options.format !== undefined) return flameReport(options, options.format, output)
  return options.json ? jsonReport(options, output) : textReport(options, output)
}

function flameReport(
  { endpoint, files }: ReportRequest,
  format: 'speedscope' | 'folded',
  output: Output,
): Report {
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

function jsonReport({ summary, endpoint, top }: ReportRequest, output: Output): Report {
  let first = true
  return {
    begin: () => output.write(summary ? '{' : '{"traces":['),
    async traces(analysis) {
      if (summary) return
      for (const trace of tracesById(analysis)) {
        const json = traceJson(analysis, trace)
        if (endpoint !== undefined && !json.entries.some((entry) => matches(endpoint, entry))) continue
        await output.write(first ? '\n' : ',\n')
        for (const piece of jsonText(json)) await output.write(piece)
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

function textReport(
  { summary, endpoint, target, top = SHOWN_ENDPOINTS }: ReportRequest,
  output: Output,
): Report {
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
        await output.write(
          `\n${hidden} endpoint${hidden === 1 ? '' : 's'} with less time in all not shown (--top, --endpoint)\n`,
        )
    },
  }
}
