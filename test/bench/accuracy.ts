import { FAMILIES } from '../simulator/program.ts'
import { LEARNED, programs, SINGLE, SUBTRACT, scoreFamily } from '../simulator/score.ts'

/** Error of p50, p95 and p99 against requests run again, a row a family: `npx tsx test/bench/accuracy.ts [worlds] [seed]`. */
const worlds = Number(process.argv[2] ?? 100)
const seed = Number(process.argv[3] ?? 1)
const methods = [LEARNED, SINGLE, SUBTRACT]
console.log(`mean / p95 error, ${worlds} worlds of 300 traces, seed ${seed}`)
for (const [name, family] of Object.entries(FAMILIES)) {
  const scores = scoreFamily(programs(family), methods, worlds, seed)
  const cells = scores.map(
    (s, i) => `${methods[i]!.name} ${(100 * s.mean).toFixed(2)} / ${(100 * s.p95).toFixed(1)} %`,
  )
  console.log(`  ${name.padEnd(22)} ${cells.join('   ')}   (${scores[0]!.count})`)
}
