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
const SPANS_A_CELL = 100_000

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

  byShapeAndLength(out, rounds)

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

/**
 * Every round visits every cell, so that what slows the machine down for seconds slows all of them down. Columns of all
 * cells are at hand at once: 73 bytes a span, 260 MB.
 */
function byShapeAndLength(out: NodeJS.WritableStream, rounds: number): void {
  out.write(`\nentries by shape and length of traces, M spans/s (${SPANS_A_CELL} spans each)\n`)
  const work: Record<string, () => unknown> = {}
  for (const shape of SHAPES) {
    for (const length of LENGTHS) {
      const columns = generateTraces(shape, SPANS_A_CELL, () => length, SEED)
      assertSameEntries(
        analyzeSpans(columns, { serviceScope: false }),
        analyzeObjects(toObjects(columns), 'once'),
      )
      work[cellOf(shape, length)] = () => analyzeSpans(columns, { serviceScope: false })
    }
  }
  const least = leastTimes(work, rounds)
  const rateOf = (shape: string, length: number) => SPANS_A_CELL / least[cellOf(shape, length)]! / 1000

  const line = (name: string, cells: readonly string[], last: string) =>
    out.write(`${name.padEnd(18)}${cells.map((cell) => cell.padStart(9)).join('')}   ${last}\n`)
  line('shape', LENGTHS.map(String), 'fastest / slowest')
  const ofShapes = SHAPES.map((shape) => {
    const rates = LENGTHS.map((length) => rateOf(shape, length))
    const ratio = spread(rates)
    line(
      shape,
      rates.map((rate) => rate.toFixed(2)),
      ratio.toFixed(2),
    )
    return ratio
  })
  const ofLengths = LENGTHS.map((length) => spread(SHAPES.map((shape) => rateOf(shape, length))))
  const all = spread(SHAPES.flatMap((shape) => LENGTHS.map((length) => rateOf(shape, length))))
  line(
    'fastest / slowest',
    ofLengths.map((ratio) => ratio.toFixed(2)),
    all.toFixed(2),
  )
  const [overLengths, overShapes] = [ofShapes, ofLengths].map((ratios) => Math.max(...ratios).toFixed(2))
  out.write(
    `worst shape over lengths ${overLengths}, worst length over shapes ${overShapes}, over all ${all.toFixed(2)}\n`,
  )
}

function cellOf(shape: string, length: number): string {
  return `${shape} ${length}`
}

function spread(rates: readonly number[]): number {
  return Math.max(...rates) / Math.min(...rates)
}

if (process.argv[1] === import.meta.filename) benchAnalysis(process.stdout, Number(process.argv[2] ?? 40))
