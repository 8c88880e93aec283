import { describe, expect, it, test } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { appendSpan, createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { samplingWeight } from '../../src/trace/sampling.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'

describe('a span stands for', () => {
  test.each([
    // OpenTelemetry: th is the share that is rejected, as a hexadecimal fraction.
    ['ot=th:0', {}, 1],
    ['ot=th:8', {}, 2],
    ['ot=th:c', {}, 4],
    ['ot=th:fd70a', {}, 100],
    ['ot=th:ffffffffffffff', {}, 0xffff_ffff],
    ['vendor=x, ot=rv:6e6d1a75832a2f;th:e ,es=s:1', {}, 8],
    ['ot=p:3;r:5', {}, 8],
    ['ot=p:63', {}, 0],
    ['ot=th:8;p:5', {}, 2],
    ['es=s:0.1', {}, 10],
    ['', { 'sampling.probability': 0.3 }, 3],
    ['', { SampleRate: 20 }, 20],
    ['', { SampleRate: '20' }, 20],
    ['', { '_MS.sampleRate': 12.5 }, 8],
    ['', { 'sampler.type': 'probabilistic', 'sampler.param': 0.001 }, 1000],
    ['', { 'sampler.type': 'const', 'sampler.param': 1 }, 0],
    // What makes no sense says nothing.
    ['ot=th:', { SampleRate: 5 }, 5],
    ['ot=th:xyz', {}, 0],
    ['ot=th:0123456789abcde', {}, 0],
    ['foot=th:8', {}, 0],
    ['', { 'sampling.probability': 0 }, 0],
    ['', { 'sampling.probability': 1.5, SampleRate: -3 }, 0],
    ['', {}, 0],
  ])('%s %j: %d requests', (traceState, attributes, expected) => {
    expect(samplingWeight(traceState, attributes)).toBe(expected)
  })
})

it('a span that does not say stands for as many as its parent', () => {
  const spans: [id: number, parent: number, service: string, kind: string, weight: number][] = [
    [1, 0, 'web', 'SERVER', 4],
    [2, 1, 'web', 'CLIENT', 0],
    [3, 2, 'cart', 'SERVER', 0],
    [4, 3, 'cart', 'CLIENT', 0],
    // Sampled again on the way.
    [5, 4, 'stock', 'SERVER', 12],
    [6, 1, 'mail', 'CONSUMER', 0],
  ]
  const columns = createColumns(createDictionary())
  for (const [id, parent, service, kind, weight] of spans) {
    appendSpan(columns, {
      traceId: 'a1',
      spanId: id.toString(16),
      parentSpanId: parent === 0 ? '' : parent.toString(16),
      startNs: 10n ** 18n + BigInt(id),
      endNs: 10n ** 18n + 1000n - BigInt(id),
      status: 0,
      shapeKey: shapeKeyOf(shapeFieldsFrom(kind, 'x', { 'service.name': service }, {})),
      weight,
    })
  }
  const { samples, spans: rows } = analyzeSpans(columns)
  const weights = Array.from({ length: samples.count }, (_, s) => [
    columns.dictionary.services[columns.dictionary.shapeService[rows.shape[samples.span[s]!]!]!],
    samples.weight[s],
  ])
  expect(Object.fromEntries(weights)).toEqual({ web: 4, cart: 4, stock: 12, mail: 4 })
})
