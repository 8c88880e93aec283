import { analyzeSpans } from '../../src/analysis/analyze.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { leastTimes } from './least-time.ts'
import { machine } from './machine.ts'
import { analyzeObjects, toObjects } from './object-per-span.ts'
import { seeded } from './random.ts'
import { generateRequests, LANDSCAPE } from './requests.ts'
import { assertSameEntries } from './same-results.ts'
import { generateTraces, SHAPES } from './traces.ts'

const SEED = LANDSCAPE.seed
const LENGTHS = [10, 100, 1_000, 10_000, 100_000]

/**
 * Assembly + critical path + replay on one thread, entries only and with service-scope samples, beside the same rules
 * with an object a span; then by shape and length of traces: `npx tsx test/bench/analysis.ts [rounds]`. Short
 * rounds: the least of many is then one that other work left alone.
 */
export function benchAnalysis(out: NodeJS.WritableStream, rounds: number): void {
  out.write(`analysis, one thread: ${machine()}; seed ${SEED}, least CPU time of ${rounds} rounds\n`)
  const heads = ['entries', '+service', 'time', 'objects', 'slower', 'as ours', 'slower']
  out.write(`${'M spans/s'.padEnd(32)}${heads.map((head) => head.padStart(9)).join('')}\n`)
  const random = seeded(SEED)
  const sizes = () => 5 + Math.floor(Math.exp(random() * Math.log(496)))
  compare('requests of 5 to 500 spans', generateRequests(50_000))
  compare('random trees of 5 to 500 spans', generateTraces('mixed', 50_000, sizes, SEED))

  out.write('\nentries by shape and length of traces, M spans/s (100,000 spans each)\n')
  out.write(
    `${'shape'.padEnd(18)}${LENGTHS.map((n) => String(n).padStart(9)).join('')}   fastest / slowest\n`,
  )
  const all: number[] = []
  for (const shape of SHAPES) {
    const work: Record<string, () => unknown> = {}
    for (const length of LENGTHS) {
      const columns = generateTraces(shape, 100_000, () => length, SEED)
      assertSameEntries(
        analyzeSpans(columns, { serviceScope: false }),
        analyzeObjects(toObjects(columns), 'once'),
      )
      work[`${length} spans`] = () => analyzeSpans(columns, { serviceScope: false })
    }
    const rates = Object.values(leastTimes(work, Math.ceil(rounds / 3))).map((ms) => 100_000 / ms / 1000)
    all.push(...rates)
    const cells = rates.map((rate) => rate.toFixed(2).padStart(9)).join('')
    out.write(`${shape.padEnd(18)}${cells}   ${spread(rates)}\n`)
  }
  out.write(`${'all'.padEnd(18)}${' '.repeat(9 * LENGTHS.length)}   ${spread(all)}\n`)

  function compare(name: string, columns: SpanColumns): void {
    const objects = toObjects(columns)
    for (const replay of ['directly', 'once'] as const) {
      assertSameEntries(analyzeSpans(columns), analyzeObjects(objects, replay))
    }
    const least = leastTimes(
      {
        entries: () => analyzeSpans(columns, { serviceScope: false }),
        all: () => analyzeSpans(columns),
        directly: () => analyzeObjects(objects, 'directly'),
        once: () => analyzeObjects(objects, 'once'),
      },
      rounds,
    )
    const { entries, all, directly, once } = least
    const cells = [rate(entries), rate(all), `${(all / entries).toFixed(2)}x`, rate(directly)]
    cells.push(`${(directly / entries).toFixed(1)}x`, rate(once), `${(once / entries).toFixed(1)}x`)
    out.write(`${name.padEnd(32)}${cells.map((cell) => cell.padStart(9)).join('')}\n`)

    function rate(ms: number): string {
      return (columns.count / ms / 1000).toFixed(2)
    }
  }
}

function spread(rates: readonly number[]): string {
  return (Math.max(...rates) / Math.min(...rates)).toFixed(1)
}

if (process.argv[1] === import.meta.filename) benchAnalysis(process.stdout, Number(process.argv[2] ?? 40))
