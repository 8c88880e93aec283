import { describe, expect, it } from 'vitest'
import { type AnalysisOptions, analyzeSpans } from '../../src/analysis/analyze.ts'
import { type AssembledTraces, createAssembledTraces } from '../../src/analysis/assembled-traces.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { createModel } from '../../src/analysis/model.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { LANDSCAPES } from '../simulator/landscape.ts'
import { landscapes } from '../simulator/score.ts'

/** With clocks that differ, calls not waited for, queues, and CONSUMERs. */
const spans = landscapes(LANDSCAPES.everything!)(3).observe(100).columns
const groups = groupByTrace(spans)

/** Keeps every other trace: of a large batch not all are learned from. */
function createEveryOther(): AssembledTraces {
  const all = createAssembledTraces()
  return { ...all, keep: (trace, ...rest) => void (trace % 2 === 0 && all.keep(trace, ...rest)) }
}

/** Everything an analysis says, of rows that are there. */
function contentOf(options: AnalysisOptions): Record<string, number[]> {
  const { spans: _, ...tables } = analyzeSpans(spans, { ...options, groups, range: true, callTrees: true })
  const content: Record<string, number[]> = {}
  for (const [table, rows] of Object.entries(tables)) {
    for (const [column, numbers] of Object.entries(rows)) {
      if (typeof numbers === 'object') {
        content[`${table}.${column}`] = Array.from(numbers.subarray(0, rows.count), Number)
      }
    }
  }
  return content
}

describe('traces that were assembled to learn from', () => {
  it.each([
    ['all', createAssembledTraces],
    ['some', createEveryOther],
  ])('are analyzed as if they were assembled again: %s', (_, create) => {
    const assembled = create()
    const model = learnDependencies(spans, groups, assembled)
    const again = contentOf({ model })
    expect(again['repairs.span']!.length).toBeGreaterThan(0)
    expect(contentOf({ model, assembled })).toEqual(again)
  })

  it('are of no use by other clocks', () => {
    const assembled = createAssembledTraces()
    const { structures, clocks } = learnDependencies(spans, groups, assembled)
    expect(clocks.some(({ offsetNs }) => offsetNs !== 0)).toBe(true)
    const model = createModel(structures)
    expect(contentOf({ model, assembled })).toEqual(contentOf({ model }))
  })
})
