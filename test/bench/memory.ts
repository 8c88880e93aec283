import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { seeded } from './random.ts'
import { generateTraces } from './traces.ts'

/**
 * Peak memory of an analysis, in a process of its own: `node --expose-gc --import tsx test/bench/memory.ts [length]`.
 * Counts all the process takes beyond what it takes before the spans are there: columns, work, results.
 */
const SPANS = 2_000_000
const length = Number(process.argv[2] ?? 0)
const random = seeded(20260101)
const sizes = () => length || 5 + Math.floor(Math.exp(random() * Math.log(496)))

globalThis.gc?.()
const before = process.memoryUsage().rss
const columns = generateTraces('mixed', SPANS, sizes, 20260101)
const analysis = analyzeSpans(columns)
const peak = process.resourceUsage().maxRSS * 1024
console.log(
  `${length || '5 to 500'} spans a trace: ${((peak - before) / SPANS).toFixed(0)} bytes a span at the peak ` +
    `(${SPANS} spans, ${analysis.samples.count} samples)`,
)
