import { cpus } from 'node:os'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { analyzeObjects, toObjects } from './object-per-span.ts'
import { seeded } from './random.ts'
import { generateTraces, SHAPES } from './traces.ts'

const SEED = 20260101

/** Best of some runs: other work on the machine only ever adds time. */
function bestMs(runs: number, work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    work()
    best = Math.min(best, performance.now() - started)
  }
  return best
}

function millionsPerSecond(columns: SpanColumns, ms: number): string {
  return (columns.count / ms / 1000).toFixed(2)
}

/** Spans/s of assembly + critical path + replay, one thread; and the same rules with an object a span. */
export function benchAnalysis(out: NodeJS.WritableStream): void {
  const random = seeded(SEED)
  const sizes = () => 5 + Math.floor(Math.exp(random() * Math.log(496)))
  out.write(`analysis: ${cpus()[0]?.model}, node ${process.version}, seed ${SEED}\n`)
  const mixed = generateTraces('mixed', 500_000, sizes, SEED)
  const all = bestMs(8, () => analyzeSpans(mixed))
  const entries = bestMs(8, () => analyzeSpans(mixed, { serviceScope: false }))
  const objects = toObjects(mixed)
  const plain = bestMs(4, () => analyzeObjects(objects))
  out.write(`realistic mixed traces of 5 to 500 spans, ${mixed.count} spans, M spans/s:\n`)
  out.write(`  entries                          ${millionsPerSecond(mixed, entries)}\n`)
  out.write(
    `  entries and service-scope        ${millionsPerSecond(mixed, all)}  (${(all / entries).toFixed(2)}x the time)\n`,
  )
  out.write(`  entries, an object a span        ${millionsPerSecond(mixed, plain)}\n`)
  out.write(`  ratio entries / object a span    ${(plain / entries).toFixed(1)}\n`)

  const lengths = [10, 100, 1_000, 10_000, 100_000]
  out.write(`entries by shape and trace length, M spans/s (200,000 spans each), slowest to fastest\n`)
  out.write(`  ${'shape'.padEnd(16)}${lengths.map((n) => String(n).padStart(9)).join('')}   ratio\n`)
  for (const shape of SHAPES) {
    const times = lengths.map((length) => {
      const columns = generateTraces(shape, 200_000, () => length, SEED)
      return columns.count / bestMs(5, () => analyzeSpans(columns, { serviceScope: false })) / 1000
    })
    const ratio = Math.max(...times) / Math.min(...times)
    out.write(
      `  ${shape.padEnd(16)}${times.map((t) => t.toFixed(2).padStart(9)).join('')}   ${ratio.toFixed(1)}\n`,
    )
  }
}
