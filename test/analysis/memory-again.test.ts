import { expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import type { Analysis } from '../../src/analysis/result.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { seeded } from '../bench/random.ts'
import { generateRequests } from '../bench/requests.ts'
import { generateTraces } from '../bench/traces.ts'

/** All rows of a result, and nothing of what lies behind them. */
function rowsOf({ spans: _, ...result }: Analysis): object {
  return Object.fromEntries(
    Object.entries(result).map(([name, rows]) => [
      name,
      Object.fromEntries(
        Object.entries(rows).map(([column, values]) => [
          column,
          // Offsets have one more, which closes the last row.
          typeof values === 'number'
            ? values
            : Array.from(values.slice(0, rows.count + (/^first/.test(column) ? 1 : 0))),
        ]),
      ),
    ]),
  )
}

const requests = (spans: number) => generateRequests(spans)
const random = (spans: number, seed: number) => {
  const next = seeded(seed)
  return generateTraces('mixed', spans, () => 5 + Math.floor(200 * next()), seed)
}

it.each<[string, SpanColumns, SpanColumns]>([
  ['a smaller batch', requests(6000), requests(2000)],
  ['a larger one', random(1000, 20261127), random(4000, 20261128)],
  ['one of other shapes', requests(5000), random(4000, 20261129)],
])('an analysis in the memory of an earlier one is the same, of %s', (_, earlier, spans) => {
  const options = { model: learnDependencies(spans), range: true, callTrees: true }
  const before = analyzeSpans(earlier, { ...options, model: undefined })
  for (const rows of Object.values(before)) {
    for (const column of Object.values(rows)) {
      if (ArrayBuffer.isView(column) && rows !== before.spans) new Uint8Array(column.buffer).fill(0xa5)
    }
  }
  const memory = before.samples.span.buffer
  const again = analyzeSpans(spans, { ...options, before })
  expect(rowsOf(again)).toEqual(rowsOf(analyzeSpans(spans, options)))
  expect(again.samples.span.buffer === memory).toBe(spans.count < earlier.count)
})
