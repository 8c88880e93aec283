import { expect, test } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { bottlenecksOf } from '../../src/analysis/bottlenecks.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { namePairs } from '../../src/commands/name-pairs.ts'
import { appendRows, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import type { Dictionary } from '../../src/trace/dictionary.ts'
import { generateRequests } from '../bench/requests.ts'

/** Every other trace. */
function half(all: SpanColumns, parity: number): SpanColumns {
  const rows = Array.from({ length: all.count }, (_, row) => row)
  const mine = rows.filter((row) => all.traceHigh[2 * row + 1]! % 2 === parity)
  return appendRows(createColumns(all.dictionary as Dictionary), all, mine)
}

test('pairs are the same, in however many batches the traces come', () => {
  const all = generateRequests(2000, { seed: 7, endpoints: 4, leastSpans: 5, mostSpans: 30 })
  const groups = groupSamples(analyzeSpans(all))
  let pairs = 0
  for (const ms of [2, 4, 8, 16, 32]) {
    const target = parseTarget(`p50<${ms}ms`)
    const named = (batches: SpanColumns[]) =>
      namePairs(bottlenecksOf(groups, target), target, () => batches, undefined)
    const whole = named([all])
    pairs += whole.filter(({ pair }) => pair !== undefined).length
    expect(named([half(all, 0), half(all, 1)])).toEqual(whole)
  }
  expect(pairs).toBeGreaterThan(0)
})
