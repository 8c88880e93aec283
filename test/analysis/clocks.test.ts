import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { mergeClocks } from '../../src/analysis/clocks.ts'
import { createLearner, learnDependencies } from '../../src/analysis/learn.ts'
import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { SKEW_SHIFTED } from '../../src/trace/repair.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'

const MS = 1e6

/** Calls from `a` to each of some instances of `b`, whose clocks are ahead by so much. */
function calls(count: number, aheadMs: Record<string, number>, seed = 1) {
  const random = seeded(seed)
  const columns = createColumns(createDictionary())
  for (let i = 0; i < count; i++) {
    const instances = Object.keys(aheadMs)
    const instance = instances[i % instances.length]!
    const at = BigInt(i + 1) * 1_000_000_000n
    const put = (
      id: string,
      parent: string,
      kind: string,
      service: string,
      on: string,
      from: number,
      to: number,
    ) => {
      const resource = { 'service.name': service, 'service.instance.id': on }
      appendSpan(columns, {
        traceId: (i + 1).toString(16),
        spanId: id,
        parentSpanId: parent,
        startNs: at + BigInt(Math.round(from * MS)),
        endNs: at + BigInt(Math.round(to * MS)),
        status: 0,
        shapeKey: shapeKeyOf(shapeFieldsFrom(kind, `${kind} ${service}`, resource, {})),
      })
    }
    const [wire, work, back] = [0.2 + 2 * random(), 5 * random(), 0.2 + 2 * random()]
    const ahead = aheadMs[instance]!
    put('1', '', 'SERVER', 'a', 'a1', 0, 20)
    put('2', '1', 'CLIENT', 'a', 'a1', 3, 3 + wire + work + back)
    put('3', '2', 'SERVER', 'b', instance, 3 + wire + ahead, 3 + wire + work + ahead)
  }
  return columns
}

describe('one offset per pair of instances', () => {
  it('is found from the bounds that all calls give', () => {
    const { clocks } = learnDependencies(calls(200, { one: 4, two: -7 }))
    expect(clocks.map(({ from, to }) => [from, to])).toEqual([
      ['["a","a1"]', '["b","one"]'],
      ['["a","a1"]', '["b","two"]'],
    ])
    expect(Math.abs(clocks[0]!.offsetNs - 4 * MS)).toBeLessThan(0.1 * MS)
    expect(Math.abs(clocks[1]!.offsetNs + 7 * MS)).toBeLessThan(0.1 * MS)
  })

  it('moves every call of the pair by the same, reported, where one trace would guess', () => {
    const columns = calls(200, { one: 4, two: 0 })
    const model = learnDependencies(columns)
    const shifts = (options: Parameters<typeof analyzeSpans>[1]) => {
      const { repairs } = analyzeSpans(columns, options)
      const found: number[] = []
      for (let i = 0; i < repairs.count; i++)
        if (repairs.kind[i] === SKEW_SHIFTED) found.push(repairs.shiftNs[i]!)
      return found
    }
    // By chance of the pair's own calls one sticks out by a little more than the middle of all bounds.
    const learned = shifts({ model })
    expect(learned).toHaveLength(100)
    for (const shiftNs of learned) expect(Math.abs(shiftNs + 4 * MS)).toBeLessThan(0.1 * MS)
    const guessed = shifts({})
    expect(Math.max(...guessed) - Math.min(...guessed)).toBeGreaterThan(MS)
  })

  it('is none where clocks agree, and unknown where calls are few', () => {
    expect(learnDependencies(calls(200, { one: 0, two: 0 })).clocks.map((c) => c.offsetNs)).toEqual([0, 0])
    expect(learnDependencies(calls(10, { one: 4, two: 4 })).clocks).toEqual([])
  })

  it('is forgotten of the pair not met for longest, where instances come without end', () => {
    const clocksAfter = (pairs: number) => {
      const learner = createLearner(undefined, { calls: 1000, pairs })
      learner.add(calls(40, { one: 4, two: 4 }))
      learner.add(calls(2, { two: 4, three: 4 }))
      return learner.model().clocks.map(({ to }) => to)
    }
    expect(clocksAfter(3)).toEqual(['["b","one"]', '["b","two"]'])
    expect(clocksAfter(2)).toEqual(['["b","two"]'])
  })

  it('outlives the calls it was found from, where there are too many, until there are enough again', () => {
    const clocksAfter = (most: number, ...batches: SpanColumns[]) => {
      const learner = createLearner(undefined, { calls: most, pairs: 2 })
      for (const batch of batches) learner.add(batch)
      return learner.model().clocks.map(({ offsetNs }) => Math.round(offsetNs / MS))
    }
    const [before, few, after] = [40, 2, 24].map((count, i) =>
      i < 2 ? calls(count, { one: 4, two: 4 }) : calls(count, { one: 9, two: 9 }),
    ) as [SpanColumns, SpanColumns, SpanColumns]
    expect(clocksAfter(30, before, few)).toEqual([4, 4])
    // Twelve calls of each say nothing against twenty; where those were forgotten they are all there is.
    expect(clocksAfter(1000, before, after)).toEqual([4, 4])
    expect(clocksAfter(30, before, after)).toEqual([9, 4])
  })
})

describe('mergeClocks', () => {
  it('takes what is known anew, keeps what was, and no more than so many', () => {
    const pair = (from: string, offsetNs: number) => ({ from, to: 'z', offsetNs })
    const [before, now] = [
      [pair('a', 1), pair('b', 1), pair('d', 1)],
      [pair('b', 2), pair('c', 2)],
    ]
    expect(mergeClocks(before, now)).toEqual([pair('a', 1), pair('b', 2), pair('c', 2), pair('d', 1)])
    expect(mergeClocks(before, now, 3)).toEqual([pair('a', 1), pair('b', 2), pair('c', 2)])
  })
})
