import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import type { Assembled } from '../../src/analysis/assemble.ts'
import { learnDependencies } from '../../src/analysis/learn.ts'
import { SERVICE } from '../../src/analysis/result.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import type { TraceTree } from '../../src/trace/tree.ts'
import { createLandscape, LANDSCAPES, runLandscape } from '../simulator/landscape.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'
import { factorsFrom } from './factors.ts'
import { analyzeByModel, type Met, type TwinEntry } from './learned-twin.ts'

const TRACES = 60
/** The twin takes its time: it looks at every so many of them. */
const EVERY = 20

const RUNS = 2

const programs = Object.entries(FAMILIES).map(
  ([name, family]) =>
    [`programs: ${name}`, (seed: number) => runWorld(createWorld(seed, family), 0, TRACES).columns] as const,
)
const landscapes = ['hidden', 'hidden, await', 'hidden, varying', 'hidden, whole ms', 'everything'].map(
  (name) =>
    [
      `landscapes: ${name}`,
      (seed: number) => runLandscape(createLandscape(seed, LANDSCAPES[name]!), TRACES).columns,
    ] as const,
)
const WORLDS: Readonly<Record<string, (seed: number) => SpanColumns>> = Object.fromEntries([
  ...programs,
  ...landscapes,
])

/** Of the traces looked at, everything the twin says, by the row that stands for the entry. */
function bothOf(columns: SpanColumns, seed: number, met: Met) {
  const factorOf = factorsFrom(seed)
  const model = learnDependencies(columns)
  const slowly = new Map<number, TwinEntry>()
  const rowOf = (tree: TraceTree, span: number) => tree.row[span]!
  const analysis = analyzeSpans(columns, {
    model,
    range: true,
    observer: {
      begin: () => {},
      assembled(tree, trace, assembled: Assembled) {
        if (trace % EVERY !== 0) return
        for (const entry of analyzeByModel(tree, assembled, model, factorOf, met)) {
          const path = entry.path.map((piece) => ({ ...piece, span: rowOf(tree, piece.span) }))
          slowly.set(rowOf(tree, entry.span), { ...entry, path })
        }
      },
      sampled: () => {},
      finished: () => {},
    },
  })
  const latencies = (['likely', 'most', 'least'] as const).map((reading) =>
    latenciesWith(columns, (c) => factorOf(`${c.kind} ${c.name}`), { model, reading }),
  )
  const { samples, segments, components, spans } = analysis
  const fast: unknown[] = []
  const slow: unknown[] = []
  for (let s = 0; s < samples.count; s++) {
    const twin = slowly.get(samples.span[s]!)
    if (twin === undefined || samples.kind[s] === SERVICE) continue
    const from = samples.firstSegment[s]!
    const startNs = twin.path[0]?.startNs ?? 0
    slow.push({
      row: samples.span[s],
      path: twin.path.map((piece) => [piece.span, piece.startNs - startNs, piece.endNs - startNs]),
      components: [...twin.components]
        .map(([name, c]) => [name, c.criticalNs, c.ifInstantNs, c.earliestNs, c.latestNs])
        .sort(byName),
      latencies: Object.values(twin.latencyNs),
    })
    const rows: [string, ...number[]][] = []
    for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
      const { kind, name } = spans.dictionary.components[components.component[i]!]!
      rows.push([
        `${kind} ${name}`,
        components.criticalNs[i]!,
        components.ifInstantNs[i]!,
        components.earliestNs[i]!,
        components.latestNs[i]!,
      ])
    }
    fast.push({
      row: samples.span[s],
      path: Array.from({ length: samples.firstSegment[s + 1]! - from }, (_, i) => [
        segments.span[from + i],
        segments.startNs[from + i],
        segments.endNs[from + i],
      ]),
      components: rows.sort(byName),
      latencies: latencies.map((ns) => ns[s]),
    })
  }
  return { fast, slow }
}

function byName(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1
}

describe('what a model says of programs is what the slow twin says', () => {
  const met: Met = { learned: 0, repeated: 0, alike: 0, beside: 0, after: 0, later: 0, open: 0 }

  it.each(Object.keys(WORLDS))(
    '%s',
    (name) => {
      fc.assert(
        fc.property(fc.nat(1_000_000), (seed) => {
          const { fast, slow } = bothOf(WORLDS[name]!(seed), seed, met)
          expect(slow.length).toBeGreaterThan(0)
          expect(fast).toEqual(slow)
        }),
        { seed: 20261127, numRuns: RUNS },
      )
    },
    120_000,
  )

  it('all that can go wrong was met', () => {
    for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(0)
  })
})
