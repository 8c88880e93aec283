import { availableParallelism, cpus } from 'node:os'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { leastTimes } from './least-time.ts'
import { generateRequests, LANDSCAPE } from './requests.ts'

/**
 * What learning dependencies costs: `npx tsx test/bench/learning.ts [spans] [rounds]`. The rate to keep is "learned,
 * learning included"; `analyze` and the analyzer also tell the ranges that the evidence leaves open.
 */
const spans = Number(process.argv[2] ?? 500_000)
const rounds = Number(process.argv[3] ?? 12)
const columns = generateRequests(spans)
const model = learnDependencies(columns)
const least = leastTimes(
  {
    single: () => analyzeSpans(columns),
    learn: () => learnDependencies(columns),
    apply: () => analyzeSpans(columns, { model }),
    both: () => {
      const groups = groupByTrace(columns)
      analyzeSpans(columns, { model: learnDependencies(columns, groups), groups })
    },
    ranges: () => analyzeSpans(columns, { model, range: true }),
    all: () => {
      const groups = groupByTrace(columns)
      analyzeSpans(columns, { model: learnDependencies(columns, groups), groups, range: true })
    },
  },
  rounds,
)
const rate = (ms: number) => (columns.count / ms / 1000).toFixed(2).padStart(6)
console.log(
  `learning: ${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}; ${columns.count} spans, ` +
    `seed ${LANDSCAPE.seed}, ${model.structures.size} structures; least CPU time of ${rounds} rounds`,
)
console.log(`M spans/s, all samples (entries and service-scope):`)
console.log(`  rules for one trace              ${rate(least.single)}`)
console.log(`  learned, model at hand           ${rate(least.apply)}`)
console.log(`  learned, learning included       ${rate(least.both)}`)
console.log(`  with ranges, model at hand       ${rate(least.ranges)}`)
console.log(`  with ranges, learning included   ${rate(least.all)}`)
console.log(`  learning alone                   ${rate(least.learn)}`)
