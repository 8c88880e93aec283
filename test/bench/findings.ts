import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { createDetector } from '../../src/findings/detect.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { plantTraffic } from '../findings/planted.ts'
import { MORE_PLANTS, NEAR_MISSES, PLANTS } from '../findings/plants.ts'
import { precisionOf, recallOf, scorePlants } from '../findings/score.ts'
import { leastTimes } from './least-time.ts'
import { machine } from './machine.ts'
import { seeded } from './random.ts'
import { generateTraces } from './traces.ts'

const SEED = 20261126

/** What findings add to an analysis (as the service runs it), by how much there is to be found; and how right they are. */
export function benchFindings(out: NodeJS.WritableStream, rounds: number, seeds: number): void {
  out.write(`findings: ${machine()}, seed ${SEED}, least CPU time of ${rounds} rounds\n`)
  const random = seeded(SEED)
  const sizes = () => 5 + Math.floor(Math.exp(random() * Math.log(496)))
  const loads: Record<string, SpanColumns> = {
    'near misses': plantTraffic(SEED, NEAR_MISSES, 2000).columns,
    'a mistake in every endpoint': plantTraffic(SEED, PLANTS, 1000).columns,
    'random traces of 5 to 500 spans': generateTraces('mixed', 500_000, sizes, SEED),
  }
  for (const [name, columns] of Object.entries(loads)) {
    let found = 0
    // As the service runs it once it has learned; learning itself is not part of the base. It has one detector for all
    // batches: with a new one each round, compiling its code anew would be measured (hundreds of functions).
    const model = learnDependencies(columns)
    const detector = createDetector()
    const least = leastTimes(
      {
        without: () => analyzeSpans(columns, { callTrees: true, model }),
        with: () => {
          analyzeSpans(columns, { callTrees: true, model, observer: detector.observer })
          found = detector.evidence().count
        },
      },
      rounds,
    )
    const us = (ms: number) => ((1000 * ms) / columns.count).toFixed(2)
    out.write(
      `  ${name.padEnd(34)}${columns.count} spans, ${found} rows of evidence, ${model.structures.size} structures: ${us(least.without)} -> ${us(least.with)} us/span, ${(least.with / least.without).toFixed(2)}x\n`,
    )
  }
  const list = Array.from({ length: seeds }, (_, i) => SEED + i)
  out.write(`precision and recall over seeds ${list[0]} to ${list.at(-1)}:\n`)
  for (const score of scorePlants([...PLANTS, ...NEAR_MISSES, ...MORE_PLANTS], list)) {
    const { pattern, found, missed, wrong } = score
    const counts = `${found} found, ${missed.length} missed, ${wrong.length} wrong`
    out.write(
      `  ${pattern.padEnd(22)}${precisionOf(score).toFixed(3)} ${recallOf(score).toFixed(3)}  (${counts})\n`,
    )
  }
}

if (process.argv[1] === import.meta.filename) {
  benchFindings(process.stdout, Number(process.argv[2] ?? 10), Number(process.argv[3] ?? 20))
}
