import { describe, expect, it } from 'vitest'
import { latenciesWith } from '../../src/analysis/analyze.ts'
import { findPair } from '../../src/analysis/pair.ts'
import { type Predicted, rank, weightedMean } from '../../src/analysis/ranked.ts'
import { replayablesOf } from '../../src/analysis/replayable.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { statisticOf, suffices } from '../../src/analysis/verdict.ts'
import type { Component } from '../../src/trace/component.ts'
import { draw } from '../draw.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'

const nameOf = ({ kind, name }: Component) => `${kind} ${name}`

describe('the pair that suffices', () => {
  const SEED = 20261126
  it.each([
    [80, 1],
    [20, 5],
  ])('is the one that trying all finds: %d traces, %d worlds', (traces, worlds) => {
    let found = 0
    for (let world = 0; world < worlds; world++) {
      const { columns } = runWorld(createWorld(SEED + world, FAMILIES.hidden!), 0, traces)
      const replayable = replayablesOf(columns, { serviceScope: false })[0]!
      const { durationsNs, components } = replayable.group
      const pairs = everyPair(
        components.map(({ component }) => component),
        (factorOf) => {
          const ns = latenciesWith(columns, factorOf, { serviceScope: false }).slice(0, durationsNs.length)
          return { ranked: rank(ns), meanNs: weightedMean(ns) }
        },
      )
      const observed = { ranked: rank(durationsNs), meanNs: weightedMean(durationsNs) }
      for (const [statistic, share] of [
        ['p95', 0.5],
        ['p95', 0.7],
        ['mean', 0.6],
      ] as const) {
        const observedNs = statisticOf(observed, parseTarget(`${statistic}<1ms`))
        const target = parseTarget(`${statistic}<${Math.round(observedNs * share)}ns`)
        const sufficing = pairs
          .filter(({ left }) => suffices(left, target))
          .map(({ names, left }) => ({ names, leftNs: statisticOf(left, target) }))
          .sort((a, b) => a.leftNs - b.leftNs)
        const pair = findPair(replayable, target)
        expect(pair?.pair.map(nameOf), `seed ${SEED + world} ${statistic} ${share}`).toEqual(
          sufficing[0]?.names,
        )
        if (pair === undefined) continue
        found++
        const { p95Ns, meanNs } = pair.pairFigures.ifInstant
        expect(statistic === 'p95' ? p95Ns : meanNs).toBeCloseTo(sufficing[0]!.leftNs, 3)
        expect(pair.pairFigures.samples).toBe(traces)
      }
    }
    expect(found).toBeGreaterThan(0)
  })

  /** What each pair among the 12 that save most at p95 leaves. */
  function everyPair(
    components: readonly Component[],
    leaves: (factorOf: (c: Component) => number) => Predicted,
  ): { names: string[]; left: Predicted }[] {
    const without = (...names: string[]) => leaves((c) => (names.includes(nameOf(c)) ? 0 : 1))
    const most = components
      .map(nameOf)
      .map((name) => ({ name, leftNs: statisticOf(without(name), parseTarget('p95<1ms')) }))
      .sort((a, b) => a.leftNs - b.leftNs || (a.name < b.name ? -1 : 1))
      .slice(0, 12)
      .map(({ name }) => name)
      .sort()
    return most.flatMap((a, i) => most.slice(i + 1).map((b) => ({ names: [a, b], left: without(a, b) })))
  }
})

describe('inclusive: a component and all it calls', () => {
  const CLIENT = { kind: 'CLIENT' }
  const server = (service: string) => ({ kind: 'SERVER', service })
  const db = { ...CLIENT, service: 'cart', attributes: { 'db.system': 'redis' } }
  const traces = draw(
    `
    A ====================
     B  ============
      C  ==========
       D   =====
     E                ==
    `,
    { A: server('web'), B: { ...CLIENT, service: 'web' }, C: server('cart'), D: db, E: { service: 'web' } },
  )
  const latency = (factors: Record<string, number>, inclusive: boolean) =>
    latenciesWith(traces, (c) => factors[nameOf(c)], { inclusive })[0]! / 1000

  it('takes what is below with it', () => {
    expect(latency({}, true)).toBe(20)
    expect(latency({ 'service cart': 0 }, false)).toBe(15)
    expect(latency({ 'service cart': 0 }, true)).toBe(10)
    expect(latency({ 'network web->cart': 0 }, false)).toBe(18)
    expect(latency({ 'network web->cart': 0.5 }, true)).toBe(14)
    expect(latency({ 'service web': 0.5 }, true)).toBe(10)
  })
  it('but for what is named itself', () => {
    expect(latency({ 'service web': 0.5, 'database redis': 1 }, true)).toBe(12.5)
    expect(latency({ 'service web': 0, 'service cart': 2 }, true)).toBe(20)
  })
  it('the called SERVER, a sample of its own, is as much faster', () => {
    const of = (inclusive: boolean) =>
      [...latenciesWith(traces, (c) => (nameOf(c) === 'service web' ? 0.5 : undefined), { inclusive })].map(
        (ns) => ns / 1000,
      )
    expect(of(false)).toEqual([16, 10])
    expect(of(true)).toEqual([10, 5])
  })
})
