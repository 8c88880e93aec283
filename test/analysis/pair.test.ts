import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { bottlenecksOf } from '../../src/analysis/bottlenecks.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { findPair, needsPair } from '../../src/analysis/pair.ts'
import { type Predicted, rank, weightedMean } from '../../src/analysis/ranked.ts'
import { joinReplayables, type Replayable, replayablesOf } from '../../src/analysis/replayable.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { statisticOf, suffices } from '../../src/analysis/verdict.ts'
import type { Component } from '../../src/trace/component.ts'
import { draw } from '../draw.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'

const nameOf = ({ kind, name }: Component) => `${kind} ${name}`
const namesIn = ({ components }: Pick<Replayable, 'components'>) =>
  components()
    .map(({ component }) => nameOf(component))
    .sort()

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

  it('has what only takes over from the other one, and is on no critical path itself', () => {
    const db = (system: string) => ({ kind: 'CLIENT', service: 'web', attributes: { 'db.system': system } })
    const trace = draw(
      `
      W ====================
       A =================
       B ================
       C =
      `,
      { W: { kind: 'SERVER', service: 'web' }, A: db('a'), B: db('b'), C: db('c') },
    )
    const replayable = replayablesOf(trace, {})[0]!
    expect(replayable.group.components.map(({ component }) => nameOf(component)).sort()).toEqual([
      'database a',
      'service web',
    ])
    expect(namesIn(replayable)).toEqual(['database a', 'database b', 'database c', 'service web'])
    const target = parseTarget('p95<10us')
    const pair = findPair(replayable, target)
    expect(pair?.pair.map(nameOf)).toEqual(['database a', 'database b'])
    // The web's own 3, and the c beside both.
    expect(pair?.pairFigures.ifInstant.p95Ns).toBe(4000)
    // With one component on the path alone there may be a pair as well.
    const [web] = bottlenecksOf(groupSamples(analyzeSpans(trace)), target)
    expect(needsPair({ components: web!.components })).toBe(true)
    expect(needsPair({ components: [{ verdict: 'not a bottleneck' }] })).toBe(true)
  })

  it('has the longest of many that run beside the critical path', () => {
    const labels = [...'ABCDEFGHIJKLMNOP']
    // The last is the critical path, the one before it nearly as long, the others are short.
    const lengths = labels.map((_, i) => (i === 15 ? 18 : i === 14 ? 17 : 2))
    const picture = labels.map((label, i) => `   ${label} ${'='.repeat(lengths[i]!)}`)
    const db = (label: string) => ({
      ...{ kind: 'CLIENT', service: 'web', attributes: { 'db.system': label.toLowerCase() } },
    })
    const trace = draw(['  W ====================', ...picture].join('\n'), {
      W: { kind: 'SERVER', service: 'web' },
      ...Object.fromEntries(labels.map((label) => [label, db(label)])),
    })
    const alone = replayablesOf(trace, {})[0]!
    for (const replayable of [alone, joinReplayables([alone, alone])]) {
      const pair = findPair(replayable, parseTarget('p95<6us'))
      expect(pair?.pair.map(nameOf)).toEqual(['database o', 'database p'])
    }
  })

  it('knows the components of its own samples only: not those of callers, nor of entries below', () => {
    const trace = draw(
      `
      W ====================
       D ==
       A    ===============
        S    =============
         P    ==
          C      =====
      `,
      {
        W: { kind: 'SERVER', service: 'web' },
        D: { kind: 'CLIENT', service: 'web', attributes: { 'db.system': 'd' } },
        A: { kind: 'CLIENT', service: 'web' },
        S: { kind: 'SERVER', service: 'shop' },
        P: { kind: 'PRODUCER', service: 'shop', attributes: { 'messaging.system': 'kafka' } },
        C: { kind: 'CONSUMER', service: 'mail' },
      },
    )
    const known = replayablesOf(trace, {}).map(({ group, components }) => [
      `${group.scope} ${group.endpoint.service}`,
      namesIn({ components }),
    ])
    const shop = ['messaging kafka/P', 'service shop']
    expect(Object.fromEntries(known)).toEqual({
      'trace web': ['database d', shop[0], 'network web->shop', shop[1], 'service web'],
      'service shop': shop,
      'trace mail': ['service mail'],
    })
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
