import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { appendRows, appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'
import { messyTrace } from '../oracle/messy.ts'
import { createLandscape, LANDSCAPES, runLandscape } from './landscape.ts'
import { createWorld, FAMILIES, runWorld } from './program.ts'

const SEED = 20261124

/** Messy traces, many times each with times a little different: enough to learn from. */
function messyTraces(traces: number, copies: number): SpanColumns {
  const random = seeded(SEED)
  const columns = createColumns(createDictionary())
  for (let trace = 0; trace < traces; trace++) {
    const spans = messyTrace(random)
    for (let copy = 0; copy < copies; copy++) {
      for (const { kind, name, resource, attributes, ...span } of spans) {
        const off = () =>
          copy === 0
            ? 0n
            : BigInt(Math.floor(random() * 3 * Number(span.endNs - span.startNs > 0n ? 5n : 1n)))
        appendSpan(columns, {
          ...span,
          traceId: `${trace + 1}${copy.toString(16).padStart(6, '0')}`,
          startNs: span.startNs === 0n ? 0n : span.startNs + off(),
          endNs: span.endNs === 0n ? 0n : span.endNs + off(),
          shapeKey: shapeKeyOf(shapeFieldsFrom(kind, name, resource, attributes)),
        })
      }
    }
  }
  return columns
}

const BATCHES: Readonly<Record<string, () => SpanColumns>> = {
  'programs with work beside calls': () =>
    runWorld(createWorld(SEED, FAMILIES['hidden, beside']!), 0, 80).columns,
  'programs with forgotten calls, clocks apart': () =>
    runWorld(createWorld(SEED + 3, FAMILIES['hidden, forget, skew']!), 0, 80).columns,
  'a landscape of everything': () => runLandscape(createLandscape(SEED, LANDSCAPES.everything!), 80).columns,
  'messy traces': () => messyTraces(25, 40),
}

describe.each(Object.keys(BATCHES))('with dependencies learned from %s', (name) => {
  const columns = BATCHES[name]!()
  const model = learnDependencies(columns)
  const learned = analyzeSpans(columns, { model })
  const { samples, segments, components } = learned

  it('something was learned, and it does not depend on the order of the spans', () => {
    expect(model.structures.size).toBeGreaterThan(0)
    const random = seeded(1)
    const order = Array.from({ length: columns.count }, (_, row) => [random(), row] as const)
    const shuffled = createColumns(columns.dictionary, columns.count)
    appendRows(
      shuffled,
      columns,
      order.sort(([a], [b]) => a - b).map(([, row]) => row),
    )
    expect(learnDependencies(shuffled)).toEqual(model)
  })

  it('segments tile, critical times add up, and nothing saves more than its critical time', () => {
    for (let s = 0; s < samples.count; s++) {
      if (samples.firstSegment[s]! < samples.firstSegment[s + 1]!) {
        let at = 0
        for (let i = samples.firstSegment[s]!; i < samples.firstSegment[s + 1]!; i++) {
          if (segments.startNs[i] !== at)
            expect.fail(`sample ${s}: a segment starts at ${segments.startNs[i]}, not ${at}`)
          at = segments.endNs[i]!
        }
        expect(at).toBe(samples.durationNs[s])
      }
      let critical = 0
      for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
        critical += components.criticalNs[i]!
        const saved = samples.durationNs[s]! - components.ifInstantNs[i]!
        if (saved < 0 || saved > components.criticalNs[i]!) {
          expect.fail(`sample ${s}: saves ${saved} of ${components.criticalNs[i]}`)
        }
      }
      expect(critical).toBe(samples.durationNs[s])
    }
  })

  it('factor 1 changes nothing, all at 0 leave nothing', () => {
    for (const reading of ['likely', 'most', 'least'] as const) {
      const options = { model, reading }
      expect(latenciesWith(columns, () => 1, options)).toEqual(samples.durationNs.slice(0, samples.count))
      expect(latenciesWith(columns, () => 0, options)).toEqual(new Float64Array(samples.count))
    }
  })

  it('a smaller factor or a larger set is never slower, and one component alone is what analyzing says', () => {
    const all = [...new Set(components.component.slice(0, components.count))]
    const random = seeded(SEED)
    for (let turn = 0; turn < 6; turn++) {
      const chosen = new Set(all.filter(() => random() < 0.4).map((c) => columns.dictionary.components[c]!))
      const more = new Set([...chosen, columns.dictionary.components[all[turn % all.length]!]!])
      const at = (set: ReadonlySet<unknown>, factor: number) =>
        latenciesWith(columns, (c) => (set.has(c) ? factor : 1), { model })
      const [half, quarter, wider] = [at(chosen, 0.5), at(chosen, 0.25), at(more, 0.5)]
      for (let s = 0; s < samples.count; s++) {
        if (quarter[s]! > half[s]! || wider[s]! > half[s]! || half[s]! > samples.durationNs[s]!) {
          expect.fail(`sample ${s}: ${quarter[s]}, ${wider[s]}, ${half[s]} of ${samples.durationNs[s]}`)
        }
      }
      const one = all[turn % all.length]!
      const without = at(new Set([columns.dictionary.components[one]!]), 0)
      for (let s = 0; s < samples.count; s++) {
        for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
          if (components.component[i] !== one || components.bound[i] === 1) continue
          if (without[s] !== components.ifInstantNs[i]) {
            expect.fail(`sample ${s}: ${without[s]}, not ${components.ifInstantNs[i]}`)
          }
        }
      }
    }
  })
})
