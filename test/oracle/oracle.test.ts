import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { analyzeSpans, latenciesWith } from '../../src/analysis/analyze.ts'
import { traceJson } from '../../src/analysis/report-json.ts'
import { type Analysis, SAMPLE_KINDS } from '../../src/analysis/result.ts'
import { idHex } from '../../src/trace/columns.ts'
import { seeded } from '../bench/random.ts'
import { factorsFrom } from './factors.ts'
import { messyTrace } from './messy.ts'
import { analyzeSlowly, type OracleSpan, type OracleTrace } from './oracle.ts'
import { toColumns } from './to-columns.ts'

const REPAIRS = [
  'negative-duration',
  'no-time',
  'shared-id',
  'duplicate',
  'orphan',
  'cycle',
  'skew-shifted',
  'detached',
  'clamped',
  'trimmed',
]

/** Both results in one form, samples by span and kind. */
function fast(spans: readonly OracleSpan[]) {
  return formOf(analyzeSpans(toColumns(spans)))
}

function formOf(analysis: Analysis) {
  const { samples, components, spans, traces } = analysis
  const json = traceJson(analysis, 0)
  const rows = Array.from({ length: samples.count }, (_, s) => {
    const kind = SAMPLE_KINDS[samples.kind[s]!]!
    const spanId = idHex(spans.spanId, samples.span[s]!)
    const endpoint = spans.dictionary.endpoints[samples.endpoint[s]!]!
    const parts: [string, number, number][] = []
    for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
      const { kind, name } = spans.dictionary.components[components.component[i]!]!
      parts.push([`${kind} ${name}`, components.criticalNs[i]!, components.ifInstantNs[i]!])
    }
    return {
      spanId,
      kind,
      counted: samples.counted[s] === 1,
      service: endpoint.service,
      operation: endpoint.operation,
      durationNs: samples.durationNs[s]!,
      queueWaitNs: samples.queueWaitNs[s]!,
      startNs: String(traces.origin[0]! + BigInt(samples.startNs[s]!)),
      components: parts.sort((a, b) => (a[0] < b[0] ? -1 : 1)),
      // Service-scope samples store no path.
      path:
        kind === 'service'
          ? []
          : json.entries
              .find((e) => e.spanId === spanId && e.kind === kind)!
              .criticalPath.map((p) => ({
                spanId: p.spanId,
                component: `${p.component.kind} ${p.component.name}`,
                startNs: p.startNs,
                endNs: p.endNs,
              })),
    }
  })
  const entries = rows.filter((r) => r.kind !== 'service')
  const services = rows.filter((r) => r.kind === 'service').sort(bySpan)
  return { spanCount: json.spanCount, repairs: json.repairs, samples: [...entries, ...services] }
}

const bySpan = (a: { spanId: string; durationNs: number }, b: { spanId: string; durationNs: number }) =>
  a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : a.durationNs - b.durationNs

function slow(spans: readonly OracleSpan[]) {
  const { spanCount, repairs, samples }: OracleTrace = analyzeSlowly(spans)
  const rows = samples.map(({ components, startNs, path, latenciesNs: _latencies, ...sample }) => ({
    ...sample,
    startNs: String(startNs),
    components: [...components]
      .map(([name, c]) => [name, c.criticalNs, c.ifInstantNs] as [string, number, number])
      .sort((a, b) => (a[0] < b[0] ? -1 : 1)),
    path: sample.kind === 'service' ? [] : path,
  }))
  repairs.sort(
    (a, b) =>
      REPAIRS.indexOf(a.kind) - REPAIRS.indexOf(b.kind) ||
      (a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : (a.shiftNs ?? 0) - (b.shiftNs ?? 0)),
  )
  return {
    spanCount,
    repairs,
    samples: [
      ...rows.filter((r) => r.kind !== 'service'),
      ...rows.filter((r) => r.kind === 'service').sort(bySpan),
    ],
  }
}

describe('what others answer about their own test traces', () => {
  type PeerCase = {
    name: string
    spans: {
      id: string
      parent: string
      service: string
      name: string
      kind: string
      start: number
      end: number
    }[]
    expected: { span: string; start: number; end: number }[]
    repairs: { kind: string; span: string }[]
    agrees: boolean | null
  }
  const cases = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'fixtures', 'peer-cases.json'), 'utf8'),
  ) as PeerCase[]
  const why = (c: PeerCase) =>
    c.agrees === false
      ? ` (differs on purpose: ${c.repairs.length > 0 ? c.repairs.map((r) => `${r.span} is ${r.kind}`).join(', ') : 'overlap is counted once'})`
      : ''

  it.each(cases.map((c) => [c.name + why(c), c] as const))('%s', (_, c) => {
    const ids = [...new Set(c.spans.flatMap((s) => [s.id, s.parent]))].filter((id) => id !== '')
    const hex = (id: string) => (id === '' ? '' : (ids.indexOf(id) + 1).toString(16).padStart(16, '0'))
    const base = 1_700_000_000_000_000_000n
    const spans = c.spans.map((s) => ({
      spanId: hex(s.id),
      parentSpanId: hex(s.parent),
      name: s.name,
      kind: s.kind,
      status: 0,
      attributes: {},
      startNs: base + BigInt(s.start) * 1000n,
      endNs: base + BigInt(s.end) * 1000n,
      resource: { 'service.name': s.service },
    }))
    for (const answer of [fast(spans), slow(spans)]) {
      const entry = answer.samples[0]!
      const offset = Number(BigInt(entry.startNs) - base)
      const label = (id: string) => ids[Number.parseInt(id, 16) - 1]
      expect(
        entry.path.map((p) => ({
          span: label(p.spanId),
          start: (p.startNs + offset) / 1000,
          end: (p.endNs + offset) / 1000,
        })),
      ).toEqual(c.expected)
      expect(answer.repairs.map((r) => ({ kind: r.kind, span: label(r.spanId) }))).toEqual(c.repairs)
    }
  })
})

/** `toEqual`, but quicker where all is well. */
function expectSame(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual).toEqual(expected)
}

/** Seconds of CPU, which may be minutes on a machine that does other things as well. */
const TIMEOUT_MS = 180_000
const seeds = { seed: 20261124, numRuns: 1500 }
const messy = fc.integer().map((seed) => ({ seed, spans: messyTrace(seeded(seed)) }))

describe('messy traces', () => {
  it(
    'give what the slow twin gives',
    () => {
      fc.assert(
        fc.property(messy, ({ spans }) => expectSame(fast(spans), slow(spans))),
        seeds,
      )
    },
    TIMEOUT_MS,
  )

  it(
    'give the same in any order of arrival',
    () => {
      fc.assert(
        fc.property(messy, fc.integer(), ({ spans }, order) => {
          const random = seeded(order)
          const shuffled = spans
            .map((span) => [random(), span] as const)
            .sort(([a], [b]) => a - b)
            .map(([, span]) => span)
          expectSame(fast(shuffled), fast(spans))
        }),
        { ...seeds, numRuns: 1000 },
      )
    },
    TIMEOUT_MS,
  )

  it(
    'are tiled by their paths, and no component saves more than its critical time',
    () => {
      fc.assert(
        fc.property(messy, ({ spans }) => {
          for (const { kind, path, durationNs, components } of fast(spans).samples) {
            if (kind !== 'service') {
              expect(path.every((piece, i) => piece.startNs === (path[i - 1]?.endNs ?? 0))).toBe(true)
              expect(path.every((piece) => piece.endNs > piece.startNs)).toBe(true)
              expect(path.at(-1)?.endNs ?? 0).toBe(durationNs)
            }
            expect(components.reduce((sum, [, critical]) => sum + critical, 0)).toBe(durationNs)
            expect(
              components.filter(([, critical, left]) => left < 0 || durationNs - left > critical),
            ).toEqual([])
          }
        }),
        { ...seeds, numRuns: 1000 },
      )
    },
    TIMEOUT_MS,
  )

  it(
    'are re-scheduled by any factors as the slow twin does',
    () => {
      fc.assert(
        fc.property(messy, fc.integer(), ({ spans }, seed) => {
          const factorOf = factorsFrom(seed)
          const slowly = analyzeSlowly(spans, [factorOf]).samples
          const columns = toColumns(spans)
          const quickly = latenciesWith(columns, (c) => factorOf(`${c.kind} ${c.name}`))
          const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b)
          expect(sorted(quickly)).toEqual(sorted(slowly.map((sample) => sample.latenciesNs[0]!)))
        }),
        { ...seeds, numRuns: 1000 },
      )
    },
    TIMEOUT_MS,
  )

  it(
    'never get slower by a smaller factor, or by one component more',
    () => {
      fc.assert(
        fc.property(messy, fc.integer(), fc.integer(), ({ spans }, seed, other) => {
          const columns = toColumns(spans)
          const a = factorsFrom(seed)
          const b = factorsFrom(other)
          const at = (factorOf: (component: string) => number) =>
            latenciesWith(columns, (c) => factorOf(`${c.kind} ${c.name}`))
          const smaller = at((c) => Math.min(a(c), b(c)))
          const larger = at(a)
          const observed = analyzeSpans(columns).samples.durationNs
          const same = at(() => 1)
          const nothing = at(() => 0)
          const faster = at((c) => Math.min(1, a(c)))
          expect(larger.findIndex((latency, i) => smaller[i]! > latency)).toBe(-1)
          expect(faster.findIndex((latency, i) => latency > observed[i]!)).toBe(-1)
          expect(same).toEqual(observed.slice(0, same.length))
          expect(nothing.findIndex((latency) => latency !== 0)).toBe(-1)
        }),
        { ...seeds, numRuns: 1000 },
      )
    },
    TIMEOUT_MS,
  )
})
