import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { type Bottleneck, bottlenecksOf } from '../../src/analysis/bottlenecks.ts'
import { groupSamples } from '../../src/analysis/group-samples.ts'
import { runTraffic } from '../../src/demo/traffic.ts'
import type { Component } from '../../src/trace/component.ts'
import { readColumns } from '../formats/read-all.ts'

const START_MS = 1_800_000_000_000
const run = (options: { seed?: number; requests?: number; startMs?: number; without?: Component } = {}) =>
  runTraffic({ seed: 1, requests: 1500, startMs: START_MS, ...options })

/** What of the spans does not depend on when they begin. */
const spansOf = ({ spans }: ReturnType<typeof run>) =>
  spans.map((span) => [span.spanContext(), span.name, span.kind, span.duration, span.attributes, span.status])

const p95 = (latenciesNs: readonly number[]) =>
  [...latenciesNs].sort((a, b) => a - b)[Math.ceil(0.95 * latenciesNs.length) - 1]!

describe('the traffic of the shop', () => {
  it('is the same for the same seed, whenever it begins, and another for another', () => {
    const first = spansOf(run({ requests: 100 }))
    expect(spansOf(run({ requests: 100, startMs: START_MS + 12_345 }))).toEqual(first)
    expect(spansOf(run({ requests: 100, seed: 2 }))).not.toEqual(first)
  })

  it('comes from at least six services', () => {
    const services = new Set(
      run({ requests: 200 }).spans.map((span) => span.resource.attributes['service.name']),
    )
    expect(services.size).toBeGreaterThanOrEqual(6)
  })
})

describe('what would be left of an endpoint without a component', async () => {
  const observed = run()
  const request = Buffer.from(ProtobufTraceSerializer.serializeRequest(observed.spans)!)
  const { columns, problems } = await readColumns(request)
  expect(problems).toEqual([])
  const bottlenecks = bottlenecksOf(groupSamples(analyzeSpans(columns)))
  const endpoint = (operation: string): Bottleneck =>
    bottlenecks.find((b) => b.scope === 'trace' && b.service === 'gateway' && b.operation === operation)!

  it('is measured as it was', () => {
    for (const [operation, latenciesNs] of observed.latenciesNs) {
      expect([operation, endpoint(operation).observed.p95Ns]).toEqual([operation, p95(latenciesNs)])
    }
  })

  it.each([
    ['GET /catalog/{sku}', 'database', 'postgresql/catalog', 0.5, 1],
    ['POST /checkout', 'external', 'api.bank.example', 0.5, 1],
    ['GET /reports/daily', 'service', 'reports', 0.5, 1],
    // Masked by the branch beside it: most of the path, and hardly anything to be won.
    ['GET /home', 'service', 'recommendations', 0, 0.1],
  ] as const)(
    '%s without %s %s: what the shop does when it runs again so',
    (operation, kind, name, least, most) => {
      const again = run({ without: { kind, name } })
      const predicted = endpoint(operation).components.find((c) => c.kind === kind && c.name === name)!
      const trueNs = p95(again.latenciesNs.get(operation)!)
      expect(predicted.ifInstant.p95Ns / trueNs).toBeCloseTo(1, 6)
      const saved = 1 - trueNs / p95(observed.latenciesNs.get(operation)!)
      expect(saved).toBeGreaterThanOrEqual(least)
      expect(saved).toBeLessThanOrEqual(most)
      expect(predicted.criticalShare).toBeGreaterThan(0.5)
    },
  )
})
