import { expect, it } from 'vitest'
import { analyzeSpans, type TraceObserver } from '../../src/analysis/analyze.ts'
import { watchSpans } from '../../src/commands/progress-bar.ts'
import { generateTraces } from '../bench/traces.ts'

it('tells of spans while they are analyzed, and hands on what it sees', () => {
  const seen: number[] = []
  const observer: TraceObserver = {
    begin() {},
    assembled() {},
    sampled: (_, trace) => seen.push(trace),
    finished() {},
  }
  const steps: number[] = []
  const spans = generateTraces('sequential', 10_000, () => 70, 1)
  const analysis = analyzeSpans(spans, { observer: watchSpans(observer, (more) => steps.push(more)) })
  expect(seen).toEqual(Array.from({ length: analysis.traces.count }, (_, trace) => trace))
  // Whole traces of 70 until there are 2,000; the last step is not reached.
  expect(steps).toEqual([2030, 2030, 2030, 2030])
})
