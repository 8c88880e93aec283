import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { createColumns, reserve, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'

const START_HIGH = 411_500_000 // high word of an epoch time in 2025; the low words count from 0

type Bounds = { parent: number; fromNs: number; toNs: number; kind: string; service: string }

/** One trace of `count` spans, written without an object kept a span. */
function traceOf(count: number, spanAt: (i: number) => Bounds): SpanColumns {
  const columns = createColumns(createDictionary(), count)
  reserve(columns, count)
  const shapes = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const { parent, fromNs, toNs, kind, service } = spanAt(i)
    columns.traceLow[2 * i] = 1
    columns.spanId[2 * i] = i + 1
    columns.parentId[2 * i] = parent + 1
    columns.start[2 * i] = fromNs
    columns.start[2 * i + 1] = START_HIGH
    columns.end[2 * i] = toNs
    columns.end[2 * i + 1] = START_HIGH
    let shape = shapes.get(kind + service)
    if (shape === undefined) {
      const fields = shapeFieldsFrom(kind, 'call', { 'service.name': service }, {})
      shape = columns.dictionary.shape(shapeKeyOf(fields))
      shapes.set(kind + service, shape)
    }
    columns.shape[i] = shape
  }
  columns.count = count
  return columns
}

/** Segments tile the first entry exactly. */
function expectTiled(columns: SpanColumns) {
  const { samples, segments } = analyzeSpans(columns)
  let at = 0
  for (let i = samples.firstSegment[0]!; i < samples.firstSegment[1]!; i++) {
    if (segments.startNs[i] !== at)
      throw new Error(`segment ${i} starts at ${segments.startNs[i]}, not ${at}`)
    at = segments.endNs[i]!
  }
  expect(at).toBe(samples.durationNs[0])
  return samples.count
}

describe('traces of any size and shape end with an answer', () => {
  it('a million spans', () => {
    const count = 1_000_000
    const columns = traceOf(count, (i) => {
      // A tree of tens: every span has ten children one after the other.
      const depth = i === 0 ? 0 : Math.floor(Math.log10(9 * i + 1))
      const parent = i === 0 ? -1 : Math.floor((i - 1) / 10)
      const length = Math.floor(4e9 / 10 ** depth)
      const first = (10 ** depth - 1) / 9
      return {
        parent,
        fromNs: (i - first) * length,
        toNs: (i - first + 1) * length,
        kind: 'INTERNAL',
        service: `s${i % 7}`,
      }
    })
    expect(expectTiled(columns)).toBe(1)
  })

  it('a chain of 100,000 calls', () => {
    const columns = traceOf(100_000, (i) => ({
      parent: i - 1,
      fromNs: i * 10,
      toNs: 4_000_000_000 - i * 10,
      kind: i % 2 === 0 ? 'SERVER' : 'CLIENT',
      service: `s${(i >> 1) % 5}`,
    }))
    expect(expectTiled(columns)).toBe(50_000)
  })

  it('a chain of 100,000 SERVER spans that all were cut', () => {
    const columns = traceOf(100_000, (i) => ({
      parent: i - 1,
      fromNs: i,
      toNs: 1_000_000_000 + i * 1000,
      kind: 'SERVER',
      service: `s${i % 5}`,
    }))
    expect(expectTiled(columns)).toBe(100_000)
  })

  it('a fan of 100,000 children, overlapping', () => {
    const columns = traceOf(100_001, (i) => ({
      parent: i === 0 ? -1 : 0,
      fromNs: i,
      toNs: i === 0 ? 4_000_000_000 : 2_000_000_000 + ((i * 7919) % 100_000),
      kind: 'CLIENT',
      service: 's',
    }))
    expect(expectTiled(columns)).toBe(1)
  })

  it('100,000 siblings that each run a little into the next', () => {
    const columns = traceOf(100_001, (i) => ({
      parent: i === 0 ? -1 : 0,
      fromNs: i === 0 ? 0 : i * 10_000,
      toNs: i === 0 ? 4_000_000_000 : i * 10_000 + 10_050,
      kind: 'INTERNAL',
      service: 's',
    }))
    const { repairs } = analyzeSpans(columns)
    expect(repairs.count).toBe(99_999)
    expectTiled(columns)
  })

  it('20,000 siblings of as many components', () => {
    const columns = traceOf(20_001, (i) => ({
      parent: i === 0 ? -1 : 0,
      fromNs: i === 0 ? 0 : i * 1000,
      toNs: i === 0 ? 4_000_000_000 : i * 1000 + 1500,
      kind: 'INTERNAL',
      service: `s${i}`,
    }))
    expect(expectTiled(columns)).toBe(1)
    const { components } = analyzeSpans(columns)
    let replayed = 0
    for (let i = 0; i < components.count; i++) if (components.bound[i] === 0) replayed++
    expect(replayed).toBe(64)
  })

  it('and leave nothing behind for the batch that comes then', () => {
    // Arrays are used again: siblings that overlap, orphans that name spans of the larger trace, SERVERs below them.
    const few = () =>
      traceOf(300, (i) => ({
        parent: i === 0 ? -1 : i % 50 === 0 ? 9000 + i : i % 7 === 0 ? i - 1 : 0,
        fromNs: i === 0 ? 0 : i * 1000,
        toNs: i === 0 ? 310_000 : i * 1000 + (i % 7 === 6 ? 5000 : 2500),
        kind: i % 3 === 0 ? 'SERVER' : 'INTERNAL',
        service: `s${i % 9}`,
      }))
    const results = (columns: SpanColumns) => {
      const { samples, components, segments, repairs } = analyzeSpans(columns)
      return [samples, components, segments, repairs].map(({ count, ...rows }) =>
        Object.values(rows).map((column) => [...column.subarray(0, count)]),
      )
    }
    const before = results(few())
    const many = traceOf(10_000, (i) => ({
      parent: i === 0 ? -1 : Math.floor((i - 1) / 30),
      fromNs: i * 100,
      toNs: 2_000_000 + i * 90,
      kind: i % 2 === 0 ? 'SERVER' : 'CLIENT',
      service: `s${i % 90}`,
    }))
    analyzeSpans(many)
    expect(results(few())).toEqual(before)
  })

  it('a chain of 5,000 SERVER spans of as many services', () => {
    const columns = traceOf(5_000, (i) => ({
      parent: i - 1,
      fromNs: i * 10,
      toNs: 4_000_000_000 - i * 10,
      kind: 'SERVER',
      service: `s${i}`,
    }))
    expect(expectTiled(columns)).toBe(5_000)
  })

  it.each([100, 1_000, 2_500])(
    'a chain of %i SERVER spans of as many services: the 64 that each may keep',
    (count) => {
      // Own times all differ, in no order.
      const ownNs = Array.from({ length: count }, (_, i) => 2 * (1 + ((i * 1_009) % count)))
      const beforeNs = [0]
      for (const own of ownNs) beforeNs.push(beforeNs.at(-1)! + own / 2)
      const columns = traceOf(count, (i) => ({
        parent: i - 1,
        fromNs: beforeNs[i]!,
        toNs: 2 * beforeNs[count]! - beforeNs[i]!,
        kind: 'SERVER',
        service: `s${i}`,
      }))
      const { samples, components } = analyzeSpans(columns)
      expect(samples.count).toBe(count)
      for (let s = 0; s < count; s++) {
        const span = samples.span[s]!
        const durationNs = samples.durationNs[s]!
        const expected = new Map<string, number>()
        const below = ownNs.slice(span).sort((a, b) => b - a)
        const leastKept = below[Math.min(63, below.length - 1)]!
        let others = 0
        for (let i = span; i < count; i++) {
          if (ownNs[i]! >= leastKept || s === 0) expected.set(`s${i}`, ownNs[i]!)
          else others += ownNs[i]!
        }
        if (others > 0) expected.set('(other)', others)
        const found = new Map<string, number>()
        for (let c = samples.firstComponent[s]!; c < samples.firstComponent[s + 1]!; c++) {
          const { name } = columns.dictionary.components[components.component[c]!]!
          found.set(name, components.criticalNs[c]!)
          const isBound = name === '(other)' || components.criticalNs[c]! < leastKept
          if (components.bound[c] !== (isBound ? 1 : 0)) throw new Error(`sample ${s}: ${name} is no bound`)
          if (components.ifInstantNs[c] !== durationNs - components.criticalNs[c]!) throw new Error(`${name}`)
        }
        if (found.size !== expected.size) throw new Error(`sample ${s}: ${found.size}, not ${expected.size}`)
        for (const [name, ns] of expected) {
          if (found.get(name) !== ns) throw new Error(`sample ${s}: ${name} ${found.get(name)}, not ${ns}`)
        }
      }
    },
  )

  it('a call that 50,000 services answered, each a sample of its own', () => {
    const columns = traceOf(50_001, (i) => ({
      parent: i === 0 ? -1 : 0,
      fromNs: i === 0 ? 0 : 5,
      toNs: i === 0 ? 1_000_000 : 500 + i,
      kind: i === 0 ? 'CLIENT' : 'SERVER',
      service: `s${i}`,
    }))
    expect(expectTiled(columns)).toBe(50_001)
  })
})
