import { Writable } from 'node:stream'
import { expect, it } from 'vitest'
import { analyzeSpans, type TraceObserver } from '../../src/analysis/analyze.ts'
import { createBar, watchSpans } from '../../src/commands/progress-bar.ts'
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

it('leaves the terminal as it is at every moment: an interrupt finds nothing to set back', () => {
  let written = ''
  const stream = Object.assign(
    new Writable({
      write(chunk, _, done) {
        written += String(chunk)
        done()
      },
    }),
    { isTTY: true, columns: 80 },
  )
  const bar = createBar(stream, '{percentage}%')
  bar.start(10, 5)
  bar.stop()
  expect(written).toContain('50%')
  // Modes of a terminal, as ESC [ ? 25 l for a hidden cursor.
  expect(written).not.toContain('\x1b[?')
})
