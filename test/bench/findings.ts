import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { bottlenecksOf } from '../../src/analysis/bottlenecks.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { readTraceFiles } from '../../src/commands/trace-files.ts'
import { collectFindings } from '../../src/findings/collect.ts'
import { createDetector } from '../../src/findings/detect.ts'
import { createFindingCollector, explain } from '../../src/findings/findings.ts'
import { limitsOf } from '../../src/findings/settings.ts'
import { createDecodePool } from '../../src/formats/decode-pool.ts'
import { createSpanSpool } from '../../src/formats/span-spool.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { MORE_PLANTS, NEAR_MISSES, PLANTS } from '../findings/plants.ts'
import { precisionOf, recallOf, scorePlants } from '../findings/score.ts'
import { timesOf } from './least-time.ts'
import { machine } from './machine.ts'
import { writeTraceFile } from './trace-file.ts'
import { TRAFFIC, TRAFFIC_SEED } from './traffic.ts'

/**
 * What findings add, by traffic: `npx tsx test/bench/findings.ts [rounds] [spans] [traffic]...`; or how right they are
 * over generated traffic: `npx tsx test/bench/findings.ts right [seeds]`. The service's cycle is cycle.ts.
 */
async function benchFindings(rounds: number, spans: number, names: readonly string[]): Promise<void> {
  console.log(`findings: ${machine()}, seed ${TRAFFIC_SEED}, ${rounds} rounds: least CPU times, middle ratio`)
  for (const name of names) await benchTraffic(name, TRAFFIC[name]!(spans), rounds)
}

async function benchTraffic(name: string, columns: SpanColumns, rounds: number): Promise<void> {
  const model = learnDependencies(columns)
  // As the service has it: one detector for all batches. With a new one each round, the engine's compiling all of its
  // functions anew would be measured.
  const detector = createDetector()
  const { observer } = detector
  const learned = () => {
    const groups = groupByTrace(columns)
    return { groups, model: learnDependencies(columns, groups) }
  }
  const inMemory = await timesOf(
    {
      kernel: () => analyzeSpans(columns, { callTrees: true, model }),
      kernelWith: () => analyzeSpans(columns, { callTrees: true, model, observer }),
      batch: () => analyzeSpans(columns, learned()),
      batchWith: () => analyzeSpans(columns, { ...learned(), observer }),
    },
    rounds,
  )
  console.log(
    `${name}: ${columns.count} spans, ${detector.evidence().count} rows of evidence, ${model.structures.size} structures`,
  )
  const row = (what: string, without: readonly number[], total: readonly number[]) => {
    const us = (times: readonly number[]) => ((1000 * Math.min(...times)) / columns.count).toFixed(2)
    // Of two that ran one after the other: what disturbs both goes out.
    const ratios = total.map((ms, round) => ms / without[round]!).sort((a, b) => a - b)
    const middle = ratios[ratios.length >> 1]!.toFixed(2)
    console.log(`  ${what.padEnd(38)} ${us(without)} -> ${us(total)} us/span, ${middle}x`)
  }
  row('analysis, model at hand', inMemory.kernel, inMemory.kernelWith)
  row('batch: learning and analysis', inMemory.batch, inMemory.batchWith)
  const file = writeTraceFile(columns)
  try {
    const { without, total } = await timesOf(
      { without: () => analyzeFile(file.path, false), total: () => analyzeFile(file.path, true) },
      Math.ceil(rounds / 3),
    )
    row('analyze FILE: decoding to bottlenecks', without, total)
  } finally {
    file.remove()
  }
}

/** What `analyze` does up to its report, with findings and without. */
async function analyzeFile(path: string, withFindings: boolean): Promise<void> {
  const spool = createSpanSpool()
  const pool = createDecodePool(spool.sink)
  await readTraceFiles([path], spool.sink, {
    pipes: pool,
    stderr: process.stderr,
    spanCount: spool.spanCount,
  }).finally(pool.close)
  const detector = createDetector()
  const findings = createFindingCollector()
  for (const batch of spool.batches()) {
    const groups = groupByTrace(batch)
    const model = learnDependencies(batch, groups)
    const observer = withFindings ? detector.observer : undefined
    const analysis = analyzeSpans(batch, { model, groups, range: true, observer })
    const bottlenecks = bottlenecksOf(groupSamples(analysis), undefined)
    if (!withFindings) continue
    collectFindings(findings, analysis, detector.evidence())
    explain(bottlenecks, findings.findings(limitsOf({})))
  }
  spool.close()
}

function benchScores(seeds: number): void {
  const list = Array.from({ length: seeds }, (_, i) => TRAFFIC_SEED + i)
  console.log(`precision and recall over seeds ${list[0]} to ${list.at(-1)}:`)
  for (const score of scorePlants([...PLANTS, ...NEAR_MISSES, ...MORE_PLANTS], list)) {
    const { pattern, found, missed, wrong } = score
    const counts = `${found} found, ${missed.length} missed, ${wrong.length} wrong`
    console.log(
      `  ${pattern.padEnd(22)}${precisionOf(score).toFixed(3)} ${recallOf(score).toFixed(3)}  (${counts})`,
    )
  }
}

const [first = '9', second, ...names] = process.argv.slice(2)
if (first === 'right') benchScores(Number(second ?? 20))
else {
  const all = Object.keys(TRAFFIC)
  await benchFindings(Number(first), Number(second ?? 200_000), names.length === 0 ? all : names)
}
