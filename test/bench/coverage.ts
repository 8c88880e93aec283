import { coverFamily, OTHER_ENTRIES } from '../simulator/coverage.ts'
import { FAMILIES } from '../simulator/program.ts'

/**
 * How often 95 % intervals hold the truth, and how wide they are, a row a family:
 * `npx tsx test/bench/coverage.ts [worlds] [seed] [traces] [families that contain this]`.
 */
const worlds = Number(process.argv[2] ?? 40)
const seed = Number(process.argv[3] ?? 1)
const traces = Number(process.argv[4] ?? 500)
const wanted = process.argv[5] ?? ''
console.log(
  `95 % intervals of p50, p95, p99: ${worlds} worlds of ${traces} traces, seed ${seed}, truth: ${OTHER_ENTRIES} others`,
)
const percent = (share: number) => `${(100 * share).toFixed(1)} %`
for (const [name, family] of Object.entries(FAMILIES)) {
  if (!name.includes(wanted)) continue
  const c = coverFamily(family, { worlds, seed, traces })
  console.log(
    `  ${name.padEnd(22)} held ${percent(c.share)} of ${c.count}; of those that save >= 5 %: ${percent(c.savingShare)} ` +
      `of ${c.savingCount}; width ${percent(c.width)} of the percentile, sampling alone ${percent(c.samplingWidth)}; ` +
      `widened ${percent(c.open)}`,
  )
}
