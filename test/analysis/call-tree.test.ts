import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { SERVICE } from '../../src/analysis/result.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { seeded } from '../bench/random.ts'
import { type Details, draw } from '../draw.ts'
import { messyTrace } from '../oracle/messy.ts'
import { toColumns } from '../oracle/to-columns.ts'

/** Stacks of the first entry as `a>b>c time calls`, in us; components with the calls into them. */
function treeOf(columns: SpanColumns) {
  const { samples, nodes, components } = analyzeSpans(columns, { callTrees: true })
  const { dictionary } = columns
  const stackOf = (node: number): string => {
    const { name } = dictionary.frames[nodes.frame[node]!]!
    return nodes.parent[node]! < 0 ? name : `${stackOf(nodes.parent[node]!)}>${name}`
  }
  const stacks: string[] = []
  for (let i = 0; i < samples.firstNode[1]!; i++) {
    if (nodes.criticalNs[i]! > 0)
      stacks.push(`${stackOf(i)} ${nodes.criticalNs[i]! / 1000} ${nodes.calls[i]}`)
  }
  const calls: Record<string, number> = {}
  for (let i = 0; i < samples.firstComponent[1]!; i++) {
    calls[dictionary.components[components.component[i]!]!.name] = components.calls[i]!
  }
  return { stacks: stacks.sort(), calls }
}

const db = (name: string): Details => ({
  kind: 'CLIENT',
  attributes: { 'db.system.name': 'pg', 'db.query.summary': name },
})

describe('critical time by call stack', () => {
  it('adds up spans of one operation under one caller', () => {
    const columns = draw(
      `
      A  ============
       B  ===
       C     ===
        X     =
       D        ==
    `,
      { B: db('SELECT'), C: db('SELECT'), D: db('INSERT'), X: { attributes: { 'net.peer': '1' } } },
    )
    expect(treeOf(columns)).toEqual({
      stacks: ['A 4 1', 'A>INSERT 2 1', 'A>SELECT 5 2', 'A>SELECT>X 1 1'],
      // The driver's own transport is no further call.
      calls: { s: 1, pg: 3 },
    })
  })

  it('spans off the path are not in it, callers without time of their own are', () => {
    const columns = draw(`
      A  ========
       B  ======
        C ======
       D   ==
    `)
    expect(treeOf(columns)).toEqual({ stacks: ['A 2 1', 'A>B>C 6 1'], calls: { s: 1 } })
  })

  it('tells the latency of every entry, and the critical time of every component', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const columns = toColumns(messyTrace(seeded(seed)))
      const { samples, nodes, components } = analyzeSpans(columns, { callTrees: true })
      for (let s = 0; s < samples.count; s++) {
        const sums = new Map<number, number>()
        let total = 0
        for (let i = samples.firstNode[s]!; i < samples.firstNode[s + 1]!; i++) {
          expect(nodes.parent[i]!, `seed ${seed}`).toBeLessThan(i - samples.firstNode[s]!)
          const { component } = columns.dictionary.frames[nodes.frame[i]!]!
          sums.set(component, (sums.get(component) ?? 0) + nodes.criticalNs[i]!)
          total += nodes.criticalNs[i]!
        }
        if (samples.kind[s] === SERVICE) {
          expect(total).toBe(0)
          continue
        }
        expect(total, `seed ${seed}`).toBe(samples.durationNs[s]!)
        for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
          expect(sums.get(components.component[i]!), `seed ${seed}`).toBe(components.criticalNs[i])
          expect(components.calls[i]).toBeGreaterThan(0)
        }
      }
    }
  })
})
