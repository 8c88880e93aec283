import { LANDSCAPES } from '../simulator/landscape.ts'
import { FAMILIES } from '../simulator/program.ts'
import {
  capacity,
  LEARNED,
  landscapes,
  programs,
  SINGLE,
  type Simulate,
  SUBTRACT,
  scoreFamily,
} from '../simulator/score.ts'

/**
 * Error of p50, p95 and p99 against requests run again, a row a family:
 * `npx tsx test/bench/accuracy.ts [worlds] [first seed] [families that contain this]`.
 */
const worlds = Number(process.argv[2] ?? 100)
const seed = Number(process.argv[3] ?? 1)
const wanted = process.argv[4] ?? ''
const families: [string, Simulate][] = [
  ...Object.entries(FAMILIES).map(([name, family]): [string, Simulate] => [
    `programs: ${name}`,
    programs(family),
  ]),
  ...Object.entries(LANDSCAPES).map(([name, options]): [string, Simulate] => [
    `landscapes: ${name}`,
    landscapes(options),
  ]),
  ['finite capacity', capacity],
]
const methods = [LEARNED, SINGLE, SUBTRACT]
console.log(
  `mean / p95 error in %, ${worlds} worlds of 300 traces, seeds from ${seed}; leader named where it is clear`,
)
console.log(`| family | ${methods.map((method) => `${method.name} | leader`).join(' | ')} | errors |`)
console.log(`|---|${'---|'.repeat(2 * methods.length + 1)}`)
for (const [name, simulate] of families) {
  if (!name.includes(wanted)) continue
  const scores = scoreFamily(simulate, methods, worlds, seed)
  const cells = scores.map(
    (s) => `${(100 * s.mean).toFixed(2)} / ${(100 * s.p95).toFixed(1)} | ${s.named} of ${s.clear}`,
  )
  console.log(`| ${name} | ${cells.join(' | ')} | ${scores[0]!.count} |`)
}
