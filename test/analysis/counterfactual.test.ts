import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { type Counterfactual, createCounterfactual } from '../../src/analysis/counterfactual.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { comesBefore } from '../../src/trace/settle.ts'
import type { TraceTree } from '../../src/trace/tree.ts'
import { seeded } from '../bench/random.ts'
import { draw } from '../draw.ts'
import { messyTrace } from '../oracle/messy.ts'
import { toColumns } from '../oracle/to-columns.ts'

/** Calls `look` with the tree of each root of each trace, settled for that root. */
function eachRoot(columns: SpanColumns, look: (tree: TraceTree, from: number, to: number) => void): void {
  analyzeSpans(columns, {
    observer: {
      begin: () => {},
      assembled(tree, _trace, { entries, orderFrom }) {
        entries.forEach((_, e) => {
          look(tree, orderFrom[e]!, orderFrom[e + 1]!)
        })
      },
      sampled: () => {},
      finished: () => {},
    },
  })
}

type Changes = {
  length: Map<number, number>
  factor: Map<number, number>
  gap: Map<number, number>
  groups: number[][]
}

/** Length of a span with the changes made: the definition, without any shortcut. */
function slowLength(tree: TraceTree, span: number, changes: Changes): number {
  const fixed = changes.length.get(span)
  if (fixed !== undefined) return fixed
  const { firstChild, child, live, cutStart, cutEnd } = tree
  const children = Array.from({ length: live[span]! }, (_, i) => child[firstChild[span]! + i]!)
  const works = changes.factor.get(span) ?? 1
  const waitsFor = (c: number) =>
    children.filter((s) => s !== c && cutEnd[s]! <= cutStart[c]! && comesBefore(tree, s, c))
  const gapOf = (c: number) => {
    const gap = cutStart[c]! - Math.max(cutStart[span]!, ...waitsFor(c).map((s) => cutEnd[s]!))
    return Math.min(gap, changes.gap.get(c) ?? gap)
  }
  const end = new Map<number, number>()
  for (const c of children) {
    const group = changes.groups.find((g) => g.includes(c))
    const leader = group?.[0] ?? c
    // Own work before the members so far, whatever lay between them.
    const before =
      group === undefined
        ? gapOf(c)
        : group.slice(0, group.indexOf(c) + 1).reduce((sum, m) => sum + gapOf(m), 0)
    const seen = children.slice(0, children.indexOf(c))
    // Nobody starts before what an earlier sibling waited for: waits only grow.
    const waits = new Set(waitsFor(leader))
    for (const s of seen) {
      const of = changes.groups.find((g) => g.includes(s))?.[0] ?? s
      for (const w of waitsFor(of)) waits.add(w)
    }
    const ready = Math.max(0, ...[...waits].map((s) => end.get(s)!))
    end.set(c, ready + works * before + slowLength(tree, c, changes))
  }
  const tail = cutEnd[span]! - Math.max(cutStart[span]!, ...children.map((c) => cutEnd[c]!))
  return Math.max(0, ...end.values()) + works * tail
}

function apply(counterfactual: Counterfactual, { length, factor, gap, groups }: Changes): void {
  for (const [span, ns] of length) counterfactual.setLength(span, ns)
  for (const [span, by] of factor) counterfactual.setFactor(span, by)
  for (const [span, ns] of gap) counterfactual.cutGap(span, ns)
  for (const group of groups) counterfactual.runBeside(group)
}

describe('counterfactual', () => {
  it('is what going through the whole tree gives, whatever is changed', () => {
    let changed = 0
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = seeded(seed)
        const pick = (tree: TraceTree, from: number, to: number) =>
          tree.order[from + Math.floor(random() * (to - from))]!
        const counterfactual = createCounterfactual()
        eachRoot(toColumns(messyTrace(random)), (tree, from, to) => {
          const root = tree.order[from]!
          const changes: Changes = { length: new Map(), factor: new Map(), gap: new Map(), groups: [] }
          for (let i = 0; i < 3; i++) {
            const span = pick(tree, from, to)
            const kind = random()
            if (kind < 0.4 && span !== root) changes.length.set(span, Math.floor(random() * 1000))
            else if (kind < 0.6) changes.factor.set(span, random() < 0.5 ? 0 : 0.5)
            else if (kind < 0.8 && span !== root) changes.gap.set(span, Math.floor(random() * 100))
            else if (changes.groups.length === 0 && tree.live[span]! > 1) {
              const first = tree.firstChild[span]!
              const children = Array.from({ length: tree.live[span]! }, (_, c) => tree.child[first + c]!)
              changes.groups.push(children.filter(() => random() < 0.6))
              if (changes.groups[0]!.length < 2) changes.groups.pop()
            }
          }
          counterfactual.begin(tree, undefined, from)
          apply(counterfactual, changes)
          counterfactual.replay()
          for (let at = from; at < to; at++) {
            const span = tree.order[at]!
            const lengthNs = tree.cutEnd[span]! - tree.cutStart[span]!
            const savedNs = Math.round(lengthNs - slowLength(tree, span, changes))
            expect(counterfactual.savedNs(span) + 0).toBe(savedNs + 0)
            if (savedNs !== 0) changed++
          }
          counterfactual.clear()
          expect(counterfactual.savedNs(root)).toBe(0)
        })
      }),
      { numRuns: 400 },
    )
    expect(changed).toBeGreaterThan(500)
  })

  const columns = draw(
    `
    A ====================
    B  ===
    C      =====
    D            ====
    E            ==
  `,
    { B: { parent: 'A' }, C: { parent: 'A' }, D: { parent: 'A' }, E: { parent: 'A' } },
  )
  const savedBy = (change: (counterfactual: Counterfactual) => void) => {
    let saved = -1
    eachRoot(columns, (tree, from) => {
      const counterfactual = createCounterfactual()
      counterfactual.begin(tree, undefined, from)
      change(counterfactual)
      counterfactual.replay()
      saved = counterfactual.savedNs(0) / 1000
    })
    return saved
  }
  // Spans by start, then longest: A 0, B 1, C 2, D 3, E 4.
  it.each([
    ['a call gone', (c: Counterfactual) => c.setLength(1, 0), 3],
    ['a call gone beside a longer one', (c: Counterfactual) => c.setLength(4, 0), 0],
    ['the longer one gone: the other takes over', (c: Counterfactual) => c.setLength(3, 0), 2],
    ['no wait before a call', (c: Counterfactual) => c.cutGap(2, 0), 1],
    ['a wait cut to what is more than it', (c: Counterfactual) => c.cutGap(2, 5000), 0],
    ['own work gone', (c: Counterfactual) => c.setFactor(0, 0), 8],
    // C starts 3 after A instead of 6.
    ['beside each other', (c: Counterfactual) => c.runBeside([1, 2]), 3],
    ['a call that takes longer', (c: Counterfactual) => c.setLength(1, 13_000), -10],
  ])('%s', (_, change, saved) => {
    expect(savedBy(change)).toBe(saved)
  })
})
