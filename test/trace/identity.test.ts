import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { analyzed, componentsOf, type Details, draw, pathOf, repairsOf } from '../draw.ts'

describe('repair 2: which of the spans with one id is kept', () => {
  /** Both orders of arrival; which of the two is kept shows in the component it is charged to. */
  const keptOf = (picture: string, details: Record<string, Details>) => {
    const kept = [false, true].map((shuffle) => {
      const columns = draw(picture, details, { shuffle })
      expect(repairsOf(columns)).toBe('duplicate a')
      return analyzed(columns).entries[0]!.components.map((c) => c.name)
    })
    expect(kept[0]).toEqual(kept[1])
    return kept[0]
  }
  const db = (name: string): Details => ({ attributes: { 'db.system': name } })

  it('the one that starts first, then the longest', () => {
    expect(keptOf('a   ====\nb    ===', { a: db('x'), b: { ...db('y'), id: 'a' } })).toEqual(['x'])
    expect(keptOf('a   ===\nb   ====', { a: db('x'), b: { ...db('y'), id: 'a' } })).toEqual(['y'])
  })

  const same = 'a   ====\nb   ===='
  it('then by service, kind, name, parent', () => {
    const kept = (a: Details, b: Details) => keptOf(same, { a, b: { ...b, id: 'a' } })
    expect(kept({ service: 't' }, { service: 'r' })).toEqual(['r'])
    expect(kept({ kind: 'PRODUCER', name: 'n' }, { ...db('x'), kind: 'CLIENT', name: 'o' })).toEqual(['x'])
    expect(kept({ ...db('x'), name: 'o' }, { ...db('y'), name: 'n' })).toEqual(['y'])
    expect(kept({ ...db('x'), name: 'n', parent: 'Z' }, { ...db('y'), name: 'n' })).toEqual(['y'])
  })

  it('a CONSUMER before an INTERNAL before a SERVER: kinds by name', () => {
    const kind = (a: string, b: string) =>
      keptOf(same, { a: { ...db('x'), kind: a, service: 's' }, b: { ...db('y'), kind: b, id: 'a' } })
    expect(kind('INTERNAL', 'CONSUMER')).toEqual(['y'])
    expect(kind('SERVER', 'INTERNAL')).toEqual(['y'])
  })

  it('then by status', () => {
    const a = { ...db('x'), name: 'n', error: true }
    expect(keptOf(same, { a, b: { ...db('y'), name: 'n', id: 'a' } })).toEqual(['y'])
  })
})

describe('repair 2: attributes as JSON', () => {
  const texts: Record<string, string> = { a: '{"a":"1"}', b: '{"a":"2","db.system":"x"}', c: '{"a":"3"}' }
  const named = { name: 'n', id: 'a' }
  const details = { a: named, b: { ...named, attributes: { 'db.system': 'x' } }, c: named }

  it.each(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])(
    'decide, also where charges do not differ: %s',
    (order) => {
      const columns = draw([...order].map((label) => `${label}   ====`).join('\n'), details)
      columns.tieText = (row) => texts[order[row]!]!
      expect(componentsOf(columns)).toEqual(['service s: 4 -> 0'])
    },
  )
})

describe('repair 2: without the attributes at hand', () => {
  it('what a span is charged to decides: never the order of arrival', () => {
    const details = { A: { attributes: { 'db.system': 'y' } }, B: { attributes: { 'db.system': 'x' } } }
    const named = { A: { ...details.A, name: 'n' }, B: { ...details.B, name: 'n', id: 'A' } }
    for (const shuffle of [false, true]) {
      const columns = draw('A   ====\nB   ====', named, { shuffle })
      expect(analyzed(columns).entries[0]!.components.map((c) => c.name)).toEqual(['x'])
    }
  })

  it('nor where they only stand for other numbers of requests', () => {
    for (const weights of [
      [2, 5],
      [5, 2],
    ]) {
      const columns = draw('A   ====\nB   ====', { A: { name: 'n' }, B: { name: 'n', id: 'A' } })
      columns.weight.set(weights)
      const { samples } = analyzeSpans(columns)
      expect([...samples.weight.subarray(0, samples.count)]).toEqual([2])
    }
  })
})

describe('repair 2: the halves of one call', () => {
  const picture = `
    A  ==========
     B   ======
     b    ====
      C    ==
  `
  const halves = (server: Details, child: Details): Record<string, Details> => ({
    B: { kind: 'CLIENT' },
    b: { kind: 'SERVER', id: 'B', parent: 'A', ...server },
    C: child,
  })
  it("a child goes to the SERVER, but for the caller's own where the services differ", () => {
    const parentOfC = (server: Details, child: Details) => {
      const path = pathOf(draw(picture, halves(server, child)))
      // Below B it hides the SERVER half b, which starts and ends as it does not.
      return path === 'A2 B1 B1 C2 B1 B1 A2' ? 'SERVER' : path
    }
    expect(parentOfC({ service: 't' }, { service: 't' })).toBe('SERVER')
    expect(parentOfC({ service: 't' }, { service: 'u' })).toBe('SERVER')
    expect(parentOfC({ service: 't' }, { service: 's', kind: 'SERVER' })).toBe('SERVER')
    expect(parentOfC({ service: 's' }, { service: 's' })).toBe('SERVER')
    expect(parentOfC({ service: 't' }, { service: 's' })).toBe('A2 B1 B4 B1 A2')
  })

  it('what is left over of the id is a duplicate', () => {
    const columns = draw(
      `
      A  ==========
       B   ======
       b    ====
       c     ===
       d   =
    `,
      {
        B: { kind: 'CLIENT' },
        b: { kind: 'SERVER', service: 't', id: 'B', parent: 'A' },
        c: { kind: 'SERVER', service: 't', id: 'B', parent: 'A' },
        d: { id: 'B' },
      },
    )
    expect(repairsOf(columns)).toBe('shared-id B, duplicate B, duplicate B')
    expect(analyzed(columns).spanCount).toBe(3)
  })

  it('a SERVER without a CLIENT of its id is no half', () => {
    const columns = draw('A  ====\n B ==', { B: { kind: 'SERVER', service: 't' } })
    expect(repairsOf(columns)).toBe('')
  })

  it('with the parents broken as well: the CLIENT half names itself', () => {
    const details = {
      B: { kind: 'CLIENT', parent: 'B' },
      b: { kind: 'SERVER', service: 't', id: 'B', parent: 'X' },
    }
    const columns = draw('B  ======\nb   ====', details)
    expect(repairsOf(columns)).toBe('shared-id B, cycle B')
    expect(componentsOf(columns)).toEqual(['service t: 4 -> 2', 'network s->t: 2 -> 4'])
  })
})

describe('repair 3: parents', () => {
  it('a span that is its own parent is a cycle', () => {
    const columns = draw('A  ===\n B ==', { A: { parent: 'A' } })
    expect(repairsOf(columns)).toBe('cycle A')
    expect(pathOf(columns)).toBe('B2 A1')
  })

  it('two cycles lose a parent each', () => {
    const columns = draw('A  ===\nB  ==\nC   ===\nD   ==', {
      A: { parent: 'B' },
      B: { parent: 'A' },
      C: { parent: 'D' },
      D: { parent: 'C' },
    })
    expect(repairsOf(columns)).toBe('cycle A, cycle C')
  })

  it('what leads into a cycle does not lose its parent', () => {
    const columns = draw('A  =======\nB    ====\nC     ==', {
      A: { parent: 'B' },
      B: { parent: 'C' },
      C: { parent: 'B' },
    })
    expect(repairsOf(columns)).toBe('cycle B, clamped A')
  })
})
