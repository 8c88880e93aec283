import fc from 'fast-check'
import { expect, it } from 'vitest'
import { firstStored, planReads, ROWS_AT_ONCE, rowsOf, sliceById } from '../../src/analyzer/reads.ts'
import type { WaitingTrace } from '../../src/store/analyzer-store.ts'

const LARGEST = 1_000_000
const waiting = fc.record({
  firstStoredMs: fc.integer({ min: 1_000_000, max: 1_120_000 }),
  spreadMs: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 3000 }) },
    fc.integer({ min: 0, max: 90_000 }),
  ),
  rowCount: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 3000 }) }, fc.constant(2 * LARGEST)),
  analyses: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 2),
})

it('every trace is read once, whole, with few reads of bounded size', () => {
  fc.assert(
    fc.property(fc.array(waiting, { maxLength: 4000, size: 'max' }), (drawn) => {
      const traces = drawn.map(
        ({ firstStoredMs, spreadMs, rowCount, analyses }, i): WaitingTrace => ({
          traceId: String(i),
          firstStoredMs,
          lastStoredMs: firstStoredMs + spreadMs,
          rowCount,
          hasRoot: true,
          analyses,
          knownFirstStoredMs: analyses > 0 ? firstStoredMs - 1000 : 0,
          knownRowCount: analyses > 0 ? 10 : 0,
        }),
      )
      const { ranges, apart } = planReads(traces, LARGEST)
      const read = [...ranges.flatMap((range) => range.traces), ...apart.flat()]
      expect(read.map((t) => t.traceId).sort()).toEqual(traces.map((t) => t.traceId).sort())
      for (const { fromMs, toMs, traces } of ranges) {
        for (const trace of traces) {
          expect(firstStored(trace)).toBeGreaterThanOrEqual(fromMs)
          expect(trace.lastStoredMs).toBeLessThanOrEqual(toMs)
          expect(trace.analyses).toBe(0)
        }
      }
      for (const chunk of apart) {
        const rows = chunk.reduce((sum, trace) => sum + rowsOf(trace), 0)
        expect(chunk.length === 1 || rows <= ROWS_AT_ONCE).toBe(true)
      }
    }),
    { numRuns: 10 },
  )
})

it('slices hold every trace once, in ranges of ids that do not overlap, of about as many rows', () => {
  const rows = fc.integer({ min: 1, max: 50 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 66n }), rows), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 2, max: 9 }),
      (drawn, count) => {
        const traces = [...new Map(drawn)].map(
          ([id, rowCount]): WaitingTrace => ({
            traceId: id.toString(16).padStart(32, '0'),
            firstStoredMs: 0,
            lastStoredMs: 0,
            rowCount,
            hasRoot: true,
            analyses: 0,
            knownFirstStoredMs: 0,
            knownRowCount: 0,
          }),
        )
        const total = traces.reduce((sum, trace) => sum + rowsOf(trace), 0)
        const slices = sliceById(traces, count)
        const ids = slices.flatMap((slice) => slice.traces.map((trace) => trace.traceId))
        expect(ids).toEqual(traces.map((trace) => trace.traceId).sort())
        expect(slices.length).toBeLessThanOrEqual(count)
        for (const { traces, ids } of slices) {
          expect(ids).toEqual({ first: traces[0]!.traceId, last: traces.at(-1)!.traceId })
          const most = total / count + 50
          expect(traces.reduce((sum, trace) => sum + rowsOf(trace), 0)).toBeLessThanOrEqual(most)
        }
      },
    ),
  )
})
