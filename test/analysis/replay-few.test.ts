import fc from 'fast-check'
import { expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { FEW_SPANS } from '../../src/analysis/replay-few.ts'
import { traceJson } from '../../src/analysis/report-json.ts'
import type { OracleSpan } from '../oracle/oracle.ts'
import { toColumns } from '../oracle/to-columns.ts'

const EPOCH_NS = 1_767_225_600_000_000_123n
const ROOT = '1'.padStart(16, '0')

function spanOf(index: number, parentSpanId: string, service: number, from: number, to: number): OracleSpan {
  return {
    spanId: (index + 1).toString(16).padStart(16, '0'),
    parentSpanId,
    name: 'work',
    kind: 'INTERNAL',
    startNs: EPOCH_NS + BigInt(from),
    endNs: EPOCH_NS + BigInt(to),
    status: 0,
    attributes: {},
    resource: { 'service.name': `service ${service}` },
  }
}

/** Below a root of 0 to 40 ns: which span is the parent, service, start, length. */
const below = fc.array(
  fc.tuple(
    fc.nat(),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 20 }),
  ),
  { maxLength: FEW_SPANS - 1 },
)

function rootEntry(spans: readonly OracleSpan[]) {
  const analysis = analyzeSpans(toColumns(spans), { serviceScope: false })
  return traceJson(analysis, 0).entries.find(({ spanId }) => spanId === ROOT)
}

it('gives a root of few spans what it has in a longer trace', () => {
  fc.assert(
    fc.property(below, (parts) => {
      const spans = [spanOf(0, '', 0, 0, 40)]
      for (const [parent, service, from, length] of parts) {
        const { spanId } = spans[parent % spans.length]!
        spans.push(spanOf(spans.length, spanId, service, from, from + length))
      }
      const orphans = Array.from({ length: FEW_SPANS }, (_, i) => spanOf(100 + i, 'f'.repeat(16), 9, 0, 1))
      expect(rootEntry(spans)).toEqual(rootEntry([...spans, ...orphans]))
    }),
    { numRuns: 1000 },
  )
})
