import { execFileSync } from 'node:child_process'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { machine } from './machine.ts'
import { generateRequests, LANDSCAPE } from './requests.ts'
import { generateTraces } from './traces.ts'

/**
 * Peak memory of an analysis, each in a process of its own: the most that the process ever had resident, less what it
 * had before there were spans, by spans. That is columns, work and results, and the garbage of making them up too.
 * `npx tsx test/bench/memory.ts [spans]`
 */
const CASES: Readonly<Record<string, (spans: number) => SpanColumns>> = {
  'requests of 5 to 500 spans': (spans) => generateRequests(spans),
  'traces of 10 spans': (spans) => generateTraces('mixed', spans, () => 10, LANDSCAPE.seed),
  'traces of 100,000 spans': (spans) => generateTraces('mixed', spans, () => 100_000, LANDSCAPE.seed),
  'chains of 100,000 spans': (spans) => generateTraces('chain', spans, () => 100_000, LANDSCAPE.seed),
  'fans of 100,000 spans': (spans) => generateTraces('fan', spans, () => 100_000, LANDSCAPE.seed),
}
const LEARNED = 'learned'

export function benchMemory(out: NodeJS.WritableStream, spans: number): void {
  out.write(`memory at the peak: ${machine()}; ${spans} spans, seed ${LANDSCAPE.seed}\n`)
  out.write('bytes a span                      columns   one trace   learned, with ranges\n')
  for (const name of Object.keys(CASES)) {
    const cells = ['columns', 'single', LEARNED].map((what) => peakOf(name, spans, what))
    out.write(`${name.padEnd(34)}${cells.map((cell, i) => cell.padStart([7, 12, 23][i]!)).join('')}\n`)
  }
}

function peakOf(name: string, spans: number, what: string): string {
  const args = [...process.execArgv, import.meta.filename, 'measure', name, String(spans), what]
  return execFileSync(process.execPath, ['--expose-gc', ...args], { encoding: 'utf8' }).trim()
}

function measure(name: string, spans: number, what: string): number {
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  const columns = CASES[name]!(spans)
  if (what === LEARNED) analyzeSpans(columns, { model: learnDependencies(columns), range: true })
  else if (what === 'single') analyzeSpans(columns)
  return (process.resourceUsage().maxRSS * 1024 - before) / columns.count
}

if (process.argv[1] === import.meta.filename) {
  const [first, name, spans, what] = process.argv.slice(2)
  if (first === 'measure') console.log(measure(name!, Number(spans), what!).toFixed(0))
  else benchMemory(process.stdout, Number(first ?? 1_000_000))
}
