import { describe, expect, it } from 'vitest'
import { drawWork } from '../../src/analysis/beside.ts'
import { createModel, modelFromJson, modelToJson } from '../../src/analysis/model.ts'
import { childrenOf, type Family, learnStructure, placesOf } from '../../src/analysis/structure.ts'
import { seeded } from '../bench/random.ts'

const MS = 1e6

/** Lognormal times, ms, from one seed. */
function times(seed: number): (medianMs: number) => number {
  const random = seeded(seed)
  return (medianMs) =>
    Math.round(
      medianMs *
        MS *
        Math.exp(0.5 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())),
    )
}

type Call = { call: number; site: string; start: number; end: number }

/** A family of calls, and the site of each of its children. */
function familyOf(calls: Call[], lengthNs: number): { family: Family; sites: string[] } {
  calls.sort((a, b) => a.start - b.start)
  return {
    family: {
      calls: calls.map((c) => c.call),
      starts: calls.map((c) => c.start),
      ends: calls.map((c) => c.end),
      lengthNs,
      wholeMs: false,
    },
    sites: calls.map((c) => c.site),
  }
}

/** Two branches of two calls each, joined, then a fifth; calls are numbered as `numbers` says. */
function branches(count: number, numbers: Record<string, number>, medians: Record<string, number>, seed = 1) {
  const draw = times(seed)
  return Array.from({ length: count }, () => {
    const calls: Call[] = []
    const make = (site: string, after: number) => {
      const start = after + draw(1)
      const end = start + draw(medians[site]!)
      calls.push({ call: numbers[site]!, site, start, end })
      return end
    }
    const one = make('b', make('a', 0))
    const other = make('d', make('c', 0))
    const last = make('e', Math.max(one, other))
    return familyOf(calls, last + draw(2))
  })
}

const MEDIANS = { a: 3, b: 20, c: 12, d: 4, e: 5 }

describe('what waited for what', () => {
  it('is the program, where every call has a name of its own', () => {
    const numbers = { a: 10, b: 20, c: 30, d: 40, e: 50 }
    const families = branches(200, numbers, MEDIANS).map(({ family }) => family)
    const { sites, end } = learnStructure(families, 1)!
    const named = (list: readonly number[]) => list.map((s) => 'abcde'[s]).join('')
    expect(sites.map((site) => named(site.waitsFor))).toEqual(['', 'a', '', 'c', 'abcd'])
    expect(named(sites[4]!.certain)).toBe('bd')
    expect(named(end.certain)).toBe('e')
  })

  it('is learned together with which occurrence of a repeated call each is', () => {
    const numbers = { a: 10, b: 10, c: 10, d: 10, e: 10 }
    const told = branches(300, numbers, { a: 3, b: 30, c: 12, d: 1, e: 5 })
    const structure = learnStructure(
      told.map(({ family }) => family),
      1,
    )!
    // The site that is mostly an occurrence stands for it; nearly all children must be where theirs are.
    const counts = new Map<string, number>()
    for (const { family, sites } of told) {
      childrenOf(placesOf(structure), family, true)!.forEach((child, site) => {
        const pair = `${site} ${sites[child]}`
        counts.set(pair, (counts.get(pair) ?? 0) + 1)
      })
    }
    const best = Array.from({ length: 5 }, (_, site) =>
      Math.max(...[...'abcde'].map((occurrence) => counts.get(`${site} ${occurrence}`) ?? 0)),
    )
    expect(best.reduce((a, b) => a + b, 0)).toBeGreaterThan(0.93 * 5 * 300)
  })

  it('does not make the calls of a long branch wait for a short one beside it', () => {
    const draw = times(6)
    const families = Array.from({ length: 200 }, () => {
      const calls: Call[] = []
      const make = (site: string, after: number, medianMs: number) => {
        const start = after + draw(1)
        const end = start + draw(medianMs)
        calls.push({ call: site.charCodeAt(0), site, start, end })
        return end
      }
      // `c` has nearly always ended when `b` starts, and the call after it is still running.
      const one = make('b', make('a', 0, 60), 40)
      const other = make('d', make('c', 0, 2), 70)
      return familyOf(calls, Math.max(one, other) + draw(2)).family
    })
    const { sites } = learnStructure(families, 1)!
    expect(sites.map((site) => site.waitsFor)).toEqual([[], [0], [], [2]])
    // Nothing shows the contrary: the range still has it.
    expect(sites[1]!.possible).toEqual([0, 2])
  })

  it('takes calls that come in either order, but never side by side, for one after the other', () => {
    const draw = times(3)
    const families = Array.from({ length: 200 }, (_, i) => {
      const order = i % 3 === 0 ? ['x', 'y'] : ['y', 'x']
      let at = 0
      const calls = order.map((site): Call => {
        const start = at + draw(1)
        at = start + draw(10)
        return { call: site === 'x' ? 10 : 20, site, start, end: at }
      })
      return familyOf(calls, at + draw(1)).family
    })
    // Nothing beyond the rules for one trace.
    expect(learnStructure(families, 1)).toBeUndefined()
  })

  it('does not wait at the end for what outlives its parent in most traces', () => {
    const draw = times(4)
    const families = Array.from({ length: 100 }, () => {
      const forgotten = draw(1)
      const start = forgotten + draw(1)
      const end = start + draw(5)
      const calls = [
        { call: 10, site: 'f', start: forgotten, end: forgotten + draw(20) },
        { call: 20, site: 'w', start, end },
      ]
      return familyOf(calls, end + draw(1)).family
    })
    expect(learnStructure(families, 1)!.end.waitsFor).toEqual([1])
  })
})

describe('own work beside a call', () => {
  const draw = times(5)
  const workNs: number[] = []
  const families = Array.from({ length: 300 }, () => {
    const start = draw(1)
    const end = start + draw(8)
    workNs.push(draw(10))
    return familyOf([{ call: 10, site: 'c', start, end }], Math.max(end, start + workNs.at(-1)!) + draw(1))
      .family
  })
  const beside = learnStructure(families, 1)!.end.beside

  it('is found in gaps that get shorter as the call gets longer', () => {
    expect(beside?.since).toBe(0)
    expect(Math.exp(beside!.work.mean) / (10 * MS)).toBeGreaterThan(0.85)
    expect(Math.exp(beside!.work.mean) / (10 * MS)).toBeLessThan(1.15)
    expect(Math.exp(beside!.gap.mean) / MS).toBeLessThan(2)
  })

  it('is found where it outlasts the call nearly always, which is waited for all the same', () => {
    const short = times(7)
    const structure = learnStructure(
      Array.from({ length: 300 }, () => {
        const [one, other] = [short(8), short(8)]
        const start = Math.max(one, other) + short(0.3)
        const end = start + short(1)
        const calls = [
          { call: 10, site: 'a', start: short(0.1), end: one },
          { call: 20, site: 'b', start: short(0.1), end: other },
          { call: 30, site: 'c', start, end },
        ]
        return familyOf(calls, Math.max(end, start + short(6)) + short(0.3)).family
      }),
      1,
    )!
    expect(structure.end.waitsFor).toContain(2)
    expect(structure.end.beside?.since).toBe(2)
  })

  describe('after the last call of a branch', () => {
    /** `a` and work of `afterMs`, beside `b`; then `c`. */
    function branchWithWork(lengths: { a: number; b: number; afterMs: number }) {
      const next = times(8)
      return Array.from({ length: 300 }, () => {
        const [one, other] = [next(lengths.a), next(lengths.b)]
        const start = Math.max(one + next(lengths.afterMs), other) + next(0.3)
        const end = start + next(5)
        const calls = [
          { call: 10, site: 'a', start: next(0.05), end: one },
          { call: 20, site: 'b', start: next(0.05), end: other },
          { call: 30, site: 'c', start, end },
        ]
        return familyOf(calls, end + next(1)).family
      })
    }

    it('began at its end, not at its start', () => {
      const { sites } = learnStructure(branchWithWork({ a: 10, b: 12, afterMs: 4 }), 1)!
      expect(sites[2]!.waitsFor).toEqual([0, 1])
      expect(sites[2]!.beside).toMatchObject({ since: 0, after: true })
      expect(Math.exp(sites[2]!.beside!.work.mean) / (4 * MS)).toBeGreaterThan(0.85)
      expect(Math.exp(sites[2]!.beside!.work.mean) / (4 * MS)).toBeLessThan(1.15)
      expect(Math.exp(sites[2]!.beside!.gap.mean) / MS).toBeLessThan(0.5)
    })

    it('is stored with the model', () => {
      const model = createModel(
        new Map([[1, learnStructure(branchWithWork({ a: 10, b: 12, afterMs: 4 }), 1)!]]),
      )
      expect(modelFromJson(modelToJson(model))).toEqual(model)
    })

    it('does not hide that the other branch was waited for, which it nearly always outlasts', () => {
      const { sites } = learnStructure(branchWithWork({ a: 10, b: 8, afterMs: 12 }), 1)!
      expect(sites[2]!.waitsFor).toEqual([0, 1])
      expect(sites[2]!.beside).toMatchObject({ since: 0, after: true })
    })

    it('is not taken for it where the gap is the same whichever branch ended last', () => {
      const { sites } = learnStructure(branchWithWork({ a: 10, b: 12, afterMs: 0 }), 1)!
      expect(sites[2]!.waitsFor).toEqual([0, 1])
      expect(sites[2]!.beside).toBeUndefined()
    })
  })

  it('is drawn as it was spread, and never more than there was time', () => {
    const random = seeded(6)
    const drawn = families.map(({ starts, ends, lengthNs }) => {
      const [callsNs, allNs] = [ends[0]! - starts[0]!, lengthNs - starts[0]!]
      const ns = drawWork(callsNs, allNs, beside!, random())
      expect(ns).toBeGreaterThanOrEqual(0)
      expect(ns).toBeLessThanOrEqual(allNs)
      return ns
    })
    const middle = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!
    expect(Math.abs(middle(drawn) / middle(workNs) - 1)).toBeLessThan(0.15)
  })
})
