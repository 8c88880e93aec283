import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { createLearner, learnDependencies } from '../../src/analysis/learn.ts'
import { modelFromJson, modelToJson, NO_MODEL } from '../../src/analysis/model.ts'
import { createWorld, FAMILIES, runWorld } from '../simulator/program.ts'

const world = createWorld(20261127, FAMILIES['hidden, beside']!)
const { columns } = runWorld(world, 0, 60)
const model = learnDependencies(columns)

describe('the model', () => {
  it('is the same after a way through JSON, and gives the same numbers over another dictionary', () => {
    const again = modelFromJson(modelToJson(model))
    expect(again).toEqual(model)
    expect(again.structures.size).toBeGreaterThan(1)
    const other = runWorld(createWorld(20261127, FAMILIES['hidden, beside']!), 0, 60).columns
    const latencies = (m: typeof model, spans: typeof columns) =>
      latenciesWith(spans, ({ kind }) => (kind === 'database' ? 0 : 1), { model: m })
    expect(latencies(again, other)).toEqual(latencies(model, columns))
    expect(latencies(NO_MODEL, columns)).not.toEqual(latencies(model, columns))
  })

  it('has a version that is its content', () => {
    expect(model.version).toMatch(/^[0-9a-f]{16}$/)
    expect(learnDependencies(columns).version).toBe(model.version)
    expect(learnDependencies(runWorld(world, 60, 60).columns).version).not.toBe(model.version)
    const tampered = modelToJson(model).replace('"families":60', '"families":61')
    expect(() => modelFromJson(tampered)).toThrow(RangeError)
  })

  it.each([
    '{',
    '[]',
    '{"format":9,"structures":[]}',
    '{"format":1,"structures":[[1]],"clocks":[]}',
    '{"format":1,"structures":[["1",{}]],"clocks":[]}',
    '{"format":1,"structures":[],"clocks":[],"version":"0"}',
  ])('that is none is refused: %s', (text) => {
    expect(() => modelFromJson(text)).toThrow(RangeError)
  })

  it.each(['0.5', '99', '-1,"after":true'])(
    'whose work beside calls begins at no call is refused: %s',
    (since) => {
      const text = modelToJson(model).replace(/"since":-?\d+(,"after":true)?/, `"since":${since}`)
      expect(() => modelFromJson(text)).toThrow('no such site')
    },
  )

  it('of no model analyzes as the rules for one trace do', () => {
    const single = analyzeSpans(columns)
    const none = analyzeSpans(columns, { model: NO_MODEL })
    expect(none.components).toEqual(single.components)
    expect(none.segments).toEqual(single.segments)
  })
})

describe('a learner', () => {
  it('learns from batches what it would from all at once, as long as none is left out', () => {
    const learner = createLearner()
    for (let first = 0; first < 60; first += 20) learner.add(runWorld(world, first, 20).columns)
    const learned = learner.model()
    expect([...learned.structures.keys()]).toEqual([...model.structures.keys()])
    const waits = (m: typeof model) =>
      [...m.structures.values()].map((s) => s.sites.map((site) => site.waitsFor))
    expect(waits(learned)).toEqual(waits(model))
  })

  it('goes on from an earlier model until it knows better', () => {
    const learner = createLearner(model)
    learner.add(runWorld(world, 60, 5).columns)
    expect(learner.model()).toEqual(model)
    learner.add(runWorld(world, 65, 60).columns)
    expect(learner.model().version).not.toBe(model.version)
  })
})

describe('the range that the evidence leaves', () => {
  const { components } = analyzeSpans(columns, { model, range: true })

  it('contains what is predicted, and is open somewhere', () => {
    let open = 0
    for (let i = 0; i < components.count; i++) {
      expect(components.earliestNs[i]).toBeLessThanOrEqual(components.ifInstantNs[i]!)
      expect(components.latestNs[i]).toBeGreaterThanOrEqual(components.ifInstantNs[i]!)
      if (components.latestNs[i]! > components.earliestNs[i]!) open++
    }
    expect(open).toBeGreaterThan(0)
  })

  it('changes no other number', () => {
    const plain = analyzeSpans(columns, { model }).components
    for (const name of ['component', 'criticalNs', 'ifInstantNs', 'bound'] as const) {
      expect(components[name].slice(0, components.count)).toEqual(plain[name].slice(0, plain.count))
    }
  })

  it('is a point where nothing was learned', () => {
    const { components } = analyzeSpans(columns, { range: true })
    const { earliestNs, ifInstantNs, latestNs, count } = components
    expect(earliestNs.slice(0, count)).toEqual(ifInstantNs.slice(0, count))
    expect(latestNs.slice(0, count)).toEqual(ifInstantNs.slice(0, count))
  })

  it('leaves both ends true to the trace at factor 1, and nothing at 0', () => {
    const { durationNs, count } = analyzeSpans(columns).samples
    for (const reading of ['most', 'least'] as const) {
      expect(latenciesWith(columns, () => 1, { model, reading })).toEqual(durationNs.slice(0, count))
      expect(latenciesWith(columns, () => 0, { model, reading })).toEqual(new Float64Array(count))
    }
  })
})
