import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { analyzed, componentsOf, draw, labelOf, pathOf } from '../draw.ts'

const db = (name: string) => ({ kind: 'CLIENT', attributes: { 'db.system.name': name } })

describe('critical path', () => {
  it('goes over the last-finishing child, then on from its start', () => {
    expect(
      pathOf(
        draw(`
      A  ==========
       B  ===
       C     ===
       D    =====
    `),
      ),
    ).toBe('A3 D5 A2')
  })

  it('touching siblings are both on it', () => {
    expect(
      pathOf(
        draw(`
      A  =======
       B  ===
       C     ===
    `),
      ),
    ).toBe('A1 B3 C3')
  })

  it('of those that finish together, the first in span order is on it', () => {
    expect(pathOf(draw('A  =====\n B    ==\n C  ===='))).toBe('A1 C4')
    // The same times: by id.
    expect(pathOf(draw('A  =====\n C ====\n B ===='))).toBe('B4 A1')
  })

  it('a sibling that is still running at the moment ran beside it, and is off the path', () => {
    expect(
      pathOf(
        draw(`
      A  ==========
       B  =
       C    ====
       D      ====
    `),
      ),
    ).toBe('A1 B1 A3 D4 A1')
  })

  it('detached children are off it, and so are other entries', () => {
    expect(pathOf(draw('A  =====\n B  ======='))).toBe('A5')
    expect(pathOf(draw('A  =====\n B  ==', { B: { kind: 'CONSUMER', service: 't' } }))).toBe('A5')
  })

  it('nothing of an entry without length', () => {
    const trace = analyzed(draw('A  |\n B |'))
    expect(trace.entries[0]).toMatchObject({ durationNs: 0, criticalPath: [], components: [] })
  })

  it('pieces that touch over an empty child are one', () => {
    expect(pathOf(draw('A  ====\n B   |'))).toBe('A4')
  })
})

describe('the infinitely-fast test', () => {
  it('parallel branches mask each other', () => {
    const columns = draw(
      `
      A  ==========
       B  ========
       C  =======
    `,
      { B: db('b'), C: db('c') },
    )
    expect(componentsOf(columns)).toEqual(['service s: 2 -> 8', 'database b: 8 -> 9'])
  })

  it("only the component's own work goes: what it calls keeps its time", () => {
    const columns = draw(
      `
      A  ==========
       B  =======
        C  ===
    `,
      { B: { kind: 'SERVER', service: 't' }, C: db('c') },
    )
    expect(componentsOf(columns)).toEqual(['service t: 4 -> 6', 'database c: 3 -> 7', 'service s: 3 -> 7'])
  })

  it("a gap is the parent's own work, even where another sibling was running", () => {
    // C begins 2 columns after B has ended: A's own work, although D runs at that time, too.
    const columns = draw(
      `
      A  ==========
       B  ==
       C      ====
       D  =====
    `,
      { B: db('b'), C: db('c'), D: db('d') },
    )
    expect(componentsOf(columns)).toEqual(['service s: 4 -> 6', 'database c: 4 -> 7', 'database b: 2 -> 8'])
  })

  it('any factor: half, and twice as long', () => {
    const columns = draw(
      `
      A  ==========
       B  ====
       C      ===
    `,
      { B: db('b'), C: db('c') },
    )
    const latency = (factors: Record<string, number>) =>
      latenciesWith(columns, ({ name }) => factors[name] ?? 1)[0]! / 1000
    expect([latency({}), latency({ b: 0.5 }), latency({ c: 2 }), latency({ b: 2, c: 0.5, s: 0 })]).toEqual([
      10, 8, 13, 9.5,
    ])
  })

  it('a factor above 1 counts off the path as well', () => {
    const columns = draw('A  ==========\n B  ========\n C  =======', { B: db('b'), C: db('c') })
    expect(latenciesWith(columns, ({ name }) => (name === 'c' ? 3 : 1))[0]! / 1000).toBe(23)
  })

  it('a child that waited for a sibling moves up with it', () => {
    const columns = draw(
      `
      A  ==========
       B  ===
       C     =====
    `,
      { B: db('b'), C: db('c') },
    )
    expect(componentsOf(columns)).toEqual(['database c: 5 -> 5', 'database b: 3 -> 7', 'service s: 2 -> 8'])
  })
})

describe('samples', () => {
  const kinds = (columns: ReturnType<typeof draw>) => {
    const { samples } = analyzeSpans(columns)
    return Array.from(
      { length: samples.count },
      (_, i) => `${samples.kind[i]}${samples.counted[i] === 1 ? '' : '-'}`,
    )
  }

  it('a SERVER that was cut is a sample within its own bounds', () => {
    const columns = draw(
      `
      A  ======
       B   ======
    `,
      { B: { kind: 'SERVER', service: 't' } },
    )
    const { samples } = analyzeSpans(columns)
    expect([...samples.durationNs.slice(0, samples.count)]).toEqual([6000, 6000])
  })

  it('orphans that are neither SERVER nor CONSUMER are entries, but no samples', () => {
    expect(kinds(draw('A  ===', { A: { parent: 'X' } }))).toEqual(['1-'])
    expect(kinds(draw('A  ===', { A: { parent: 'X', kind: 'SERVER' } }))).toEqual(['1'])
    expect(
      kinds(
        draw('A  ===', { A: { kind: 'CONSUMER', attributes: { 'messaging.operation.type': 'receive' } } }),
      ),
    ).toEqual(['0-'])
  })

  it('a consumer is an entry of its own and waits in the queue', () => {
    const columns = draw(
      `
      A  ====
       B  =
        C     ===
         D     =
    `,
      { B: { kind: 'PRODUCER' }, C: { kind: 'CONSUMER', service: 't' }, D: { service: 't' } },
    )
    const { entries } = analyzed(columns)
    expect(entries.map((e) => [labelOf(e.spanId), e.kind, e.durationNs, e.queueWaitNs])).toEqual([
      ['A', 'root', 4000, 0],
      ['C', 'consumer', 3000, 3000],
    ])
    expect(pathOf(columns)).toBe('A1 B1 A2')
  })

  it('a remote child of a PRODUCER is an entry, a local one is not', () => {
    const picture = `
      A  =====
       B  ===
        C  =
    `
    const details = { B: { kind: 'PRODUCER' }, C: { service: 't' } }
    expect(analyzed(draw(picture, details)).entries).toHaveLength(2)
    expect(analyzed(draw(picture, { B: { kind: 'PRODUCER' } })).entries).toHaveLength(1)
  })
})

describe('many components', () => {
  const names = Array.from({ length: 70 }, (_, i) => `c${String(i).padStart(2, '0')}`)
  // Child i is i + 1 columns long, one after the other.
  let at = 5
  const lines = names.map((name, i) => {
    const line = ` ${name}${' '.repeat(at - 4)}${'='.repeat(i + 1)}`
    at += i + 1
    return line
  })
  const picture = [`A    ${'='.repeat(at)}`, ...lines].join('\n')
  const columns = draw(picture, Object.fromEntries(names.map((name) => [name, db(name)])))

  it('the 64 with the most critical time are replayed, the others are bounds', () => {
    const { components } = analyzed(columns).entries[0]!
    expect(components).toHaveLength(71)
    const bounds = components.filter((c) => c.bound).map((c) => c.name)
    // A itself has 5 columns and ties with c04: database comes before service.
    expect(bounds.sort()).toEqual(['c00', 'c01', 'c02', 'c03', 'c04', 'c05', 's'])
    expect(
      components.every((c) => c.ifInstantNs === analyzed(columns).entries[0]!.durationNs - c.criticalNs),
    ).toBe(true)
  })

  it('in statistics the time of the others counts as (other)', () => {
    const { components, durationsNs } = groupSamples(analyzeSpans(columns))[0]!
    expect(components).toHaveLength(65)
    const other = components.find((c) => c.component.name === '(other)')!
    // 1 to 6 columns, and A's own 5.
    expect([...other.criticalNs]).toEqual([(1 + 2 + 3 + 4 + 5 + 6 + 5) * 1000])
    expect(other).toMatchObject({ component: { kind: 'service' } })
    expect(other.ifInstantNs[0]).toBe(durationsNs[0]! - other.criticalNs[0]!)
  })
})
