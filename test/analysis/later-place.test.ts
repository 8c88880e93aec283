import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { chanceOfLater } from '../../src/analysis/later-place.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { createModel, type Model, modelFromJson, modelToJson } from '../../src/analysis/model.ts'
import { type Family, learnStructure, type Structure } from '../../src/analysis/structure.ts'
import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'

const MS = 1e6

/** Lognormal times, ns, from one seed. */
function times(seed: number): (medianMs: number, sigma?: number) => number {
  const random = seeded(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return (medianMs, sigma = 0.5) => Math.round(medianMs * MS * Math.exp(sigma * normal()))
}

/** Calls by name, each with start and end, and the parent's end. */
type Drawn = { calls: Record<string, [number, number]>; lengthNs: number; isLater?: boolean }

function familyOf({ calls, lengthNs }: Drawn, unitNs = 1): Family {
  const rounded = (ns: number) => Math.floor(ns / unitNs) * unitNs
  const list = Object.entries(calls).sort(([, [a]], [, [b]]) => a - b)
  return {
    calls: list.map(([name]) => name.charCodeAt(0)),
    starts: list.map(([, [start]]) => rounded(start)),
    ends: list.map(([, [, end]]) => rounded(end)),
    lengthNs: rounded(lengthNs),
    wholeMs: unitNs === MS,
  }
}

/** `b` and `c` side by side, and `a`: a third of the times beside them, else after both. */
function eitherPlace(count: number, seed: number): Drawn[] {
  const draw = times(seed)
  return Array.from({ length: count }, (_, i) => {
    const isLater = i % 3 !== 0
    const b = draw(1)
    const c = draw(1)
    const calls: Drawn['calls'] = { b: [b, b + draw(15)], c: [c, c + draw(12)] }
    const joined = Math.max(calls.b![1], calls.c![1])
    const a = (isLater ? joined : 0) + draw(1)
    calls.a = [a, a + draw(8)]
    return { calls, lengthNs: Math.max(joined, calls.a[1]) + draw(1), isLater }
  })
}

/** Two branches of two calls: those of one come before or after those of the other by chance. */
function branches(count: number, seed: number): Drawn[] {
  const draw = times(seed)
  return Array.from({ length: count }, () => {
    const calls: Drawn['calls'] = {}
    const make = (name: string, after: number, medianMs: number) => {
      const start = after + draw(2, 0.8)
      calls[name] = [start, start + draw(medianMs)]
      return calls[name][1]
    }
    const one = make('b', make('a', 0, 10), 10)
    const other = make('d', make('c', 0, 8), 12)
    return { calls, lengthNs: Math.max(one, other) + draw(2) }
  })
}

const learnt = (drawn: readonly Drawn[], unitNs?: number): Structure =>
  learnStructure(
    drawn.map((one) => familyOf(one, unitNs)),
    1,
  )!

describe('a call that is made at either of two places', () => {
  const drawn = eitherPlace(300, 1)
  const { sites } = learnt(drawn)

  it('is learned with what it waited for at the later one, and how often', () => {
    expect(sites.map(({ later }) => later?.waitsFor)).toEqual([[1, 2], undefined, undefined])
    expect(sites[0]!.waitsFor).toEqual([])
    expect(sites[0]!.later!.share).toBeGreaterThan(0.6)
    expect(sites[0]!.later!.share).toBeLessThan(0.8)
    expect(Math.exp(sites[0]!.later!.gap.mean) / MS).toBeGreaterThan(0.8)
    expect(Math.exp(sites[0]!.later!.gap.mean) / MS).toBeLessThan(1.25)
  })

  it('is told by its gap where it was, and may be anywhere where both are alike', () => {
    const { later } = sites[0]!
    let right = 0
    for (const { calls, isLater } of drawn) {
      const [a] = calls.a!
      const ended = [calls.b![1], calls.c![1]].filter((end) => end <= a)
      const chance = chanceOfLater(later!, a, a - Math.max(0, ...ended), false)
      if (ended.length > 0 ? chance >= 0.5 === isLater : !isLater) right++
    }
    expect(right).toBeGreaterThan(0.97 * drawn.length)
    expect(chanceOfLater(later!, 5 * MS, 5 * MS, false)).toBeCloseTo(later!.share, 9)
    expect(chanceOfLater(later!, 50 * MS, 1 * MS, false)).toBeGreaterThan(0.99)
    expect(chanceOfLater(later!, 1 * MS, 1000, false)).toBeLessThan(0.01)
  })

  it('is learned from whole milliseconds too', () => {
    expect(learnt(drawn, MS).sites[0]!.later?.waitsFor).toEqual([1, 2])
  })

  it.each([1, 2, 3, 4, 5, 6])('is none of branches that end in any order by chance, seed %i', (seed) => {
    for (const unitNs of [1, MS]) {
      const { sites } = learnt(branches(300, seed), unitNs)
      expect(sites.filter(({ later }) => later !== undefined)).toEqual([])
    }
  })
})

/** As traces: `a` is a function of the service, `b` and `c` are of its database. */
function tracesOf(drawn: readonly Drawn[]): SpanColumns {
  const columns = createColumns(createDictionary())
  const keyOf = (kind: string, name: string, attributes: Record<string, string>) =>
    shapeKeyOf(shapeFieldsFrom(kind, name, { 'service.name': 'shop' }, attributes))
  const root = keyOf('SERVER', 'order', {})
  const origin = 1_700_000_000_000_000_000n
  drawn.forEach(({ calls, lengthNs }, i) => {
    const traceId = ((i + 1) * 0x9e3779b1).toString(16)
    const add = (spanId: string, parentSpanId: string, [start, end]: [number, number], shapeKey: string) => {
      const [startNs, endNs] = [origin + BigInt(start), origin + BigInt(end)]
      appendSpan(columns, { traceId, spanId, parentSpanId, startNs, endNs, status: 0, shapeKey })
    }
    add('1', '', [0, lengthNs], root)
    for (const [name, time] of Object.entries(calls)) {
      const isQuery = name !== 'a'
      const attributes = isQuery ? { 'db.system.name': 'mysql', 'db.namespace': 'orders' } : {}
      add(name, '1', time, keyOf(isQuery ? 'CLIENT' : 'INTERNAL', name, attributes))
    }
  })
  return columns
}

describe('what is predicted of a call at either of two places', () => {
  const drawn = eitherPlace(300, 2)
  const columns = tracesOf(drawn)
  const model = learnDependencies(columns)
  // Samples come in an order of their own; a trace has four spans, its root first.
  const traceOf = Array.from(analyzeSpans(columns).samples.span, (row) => row >> 2)
  const withoutDatabase = (m: Model) =>
    latenciesWith(columns, ({ kind }) => (kind === 'database' ? 0 : 1), { model: m })

  /** Of each trace, with both queries taking no time. */
  const truth = drawn.map(({ calls, lengthNs, isLater }) => {
    const { a, b, c } = calls as Record<'a' | 'b' | 'c', [number, number]>
    const joined = Math.max(b[1], c[1])
    const queried = Math.max(b[0], c[0])
    const aEnd = a[1] - (isLater ? joined - queried : 0)
    return Math.max(queried, aEnd) + lengthNs - Math.max(joined, a[1])
  })
  const wrong = (m: Model) =>
    [...withoutDatabase(m)].filter((ns, i) => Math.abs(ns - truth[traceOf[i]!]!) > 1).length / drawn.length

  it('is the request run again, in nearly all traces', () => {
    expect(wrong(model)).toBeLessThan(0.03)
    // Not so by any one structure of all.
    const first = [...model.structures].map(([signature, { sites, ...rest }]): [number, Structure] => [
      signature,
      { ...rest, sites: sites.map(({ later: _, ...site }) => site) },
    ])
    expect(wrong(createModel(new Map(first)))).toBeGreaterThan(0.3)
  })

  it('is the same by a model that was stored', () => {
    const again = modelFromJson(modelToJson(model))
    expect(again).toEqual(model)
    expect(withoutDatabase(again)).toEqual(withoutDatabase(model))
    const refused = modelToJson(model).replace(/"later":\{"waitsFor":\[\d/, '"later":{"waitsFor":[3')
    expect(() => modelFromJson(refused)).toThrow('no such site')
  })
})
