import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { type EntryJson, traceJson } from '../../src/analysis/report-json.ts'
import { LEAST_FAMILIES } from '../../src/analysis/structure.ts'
import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'
import { factorsFrom } from './factors.ts'
import { messyTrace } from './messy.ts'
import type { OracleSpan } from './oracle.ts'

/** One messy trace over and over, every time with other lengths and other pauses: what calls wait for can be learned. */
function manyTimes(spans: readonly OracleSpan[], count: number, seed: number): SpanColumns {
  const random = seeded(seed)
  const columns = createColumns(createDictionary())
  for (let trace = 1; trace <= count; trace++) {
    for (const span of spans) {
      const length = Math.max(1, Number(span.endNs - span.startNs))
      const moved = (ns: bigint) =>
        ns === 0n ? 0n : ns + BigInt(Math.floor((random() - 0.4) * Math.min(length, 1e9) * 0.2))
      appendSpan(columns, {
        traceId: trace.toString(16),
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        startNs: moved(span.startNs),
        endNs: moved(span.endNs),
        status: span.status,
        shapeKey: shapeKeyOf(shapeFieldsFrom(span.kind, span.name, span.resource, span.attributes)),
      })
    }
  }
  return columns
}

/** Seeds are drawn once: learning is what takes the time. */
const worlds = fc
  .sample(fc.tuple(fc.integer(), fc.integer()), { seed: 20261126, numRuns: 40 })
  .map(([seed, other]) => {
    const columns = manyTimes(messyTrace(seeded(seed)), LEAST_FAMILIES + 5, other)
    const model = learnDependencies(columns)
    return {
      name: `seeds ${seed}, ${other}`,
      seed,
      other,
      columns,
      model,
      analysis: analyzeSpans(columns, { model }),
    }
  })

describe('messy traces, with what was learned over many of them', () => {
  it('something is learned', () => {
    expect(worlds.filter(({ model }) => model.structures.size > 0).length).toBeGreaterThan(10)
  })

  /** Names of the worlds in which it does not hold: an `expect` a number would take longer than the analysis. */
  const exceptions = (holds: (world: (typeof worlds)[number]) => boolean) =>
    worlds.filter((world) => !holds(world)).map(({ name }) => name)

  it('are tiled by their paths', () => {
    const isTiled = ({ criticalPath, durationNs }: EntryJson) => {
      let at = 0
      for (const { startNs, endNs } of criticalPath) {
        if (startNs !== at || endNs <= at) return false
        at = endNs
      }
      return at === durationNs
    }
    expect(
      exceptions(({ analysis }) =>
        Array.from({ length: analysis.traces.count }, (_, trace) => traceJson(analysis, trace)).every(
          ({ entries }) => entries.every(isTiled),
        ),
      ),
    ).toEqual([])
  })

  it('lose no more by a component than its critical time', () => {
    expect(
      exceptions(({ analysis: { samples, components } }) => {
        for (let s = 0; s < samples.count; s++) {
          let critical = 0
          for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
            critical += components.criticalNs[i]!
            const savedNs = samples.durationNs[s]! - components.ifInstantNs[i]!
            if (savedNs < 0 || savedNs > components.criticalNs[i]!) return false
          }
          if (critical !== samples.durationNs[s]) return false
        }
        return true
      }),
    ).toEqual([])
  })

  it('stay the same at factor 1, vanish at 0, and never get slower by a smaller factor or one component more', () => {
    expect(
      exceptions(({ seed, other, columns, model, analysis }) => {
        const a = factorsFrom(seed)
        const b = factorsFrom(other)
        const at = (factorOf: (component: string) => number) =>
          latenciesWith(columns, (c) => factorOf(`${c.kind} ${c.name}`), { model })
        const smaller = at((c) => Math.min(a(c), b(c)))
        const faster = at((c) => Math.min(1, a(c)))
        const same = at(() => 1)
        const nothing = at(() => 0)
        return at(a).every((latency, i) => {
          const observed = analysis.samples.durationNs[i]!
          return smaller[i]! <= latency && faster[i]! <= observed && same[i] === observed && nothing[i] === 0
        })
      }),
    ).toEqual([])
  })

  it('are what each trace alone gives while there are too few to learn from', () => {
    for (const { name, seed } of worlds) {
      const columns = manyTimes(messyTrace(seeded(seed)), 3, seed)
      const model = learnDependencies(columns)
      expect(analyzeSpans(columns, { model }).components, name).toEqual(analyzeSpans(columns).components)
    }
  })
})
