import { describe, expect, it, test } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { createDoctor } from '../../src/analysis/doctor.ts'
import { doctorText } from '../../src/commands/doctor-text.ts'
import { appendSpan, createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { STATUS_ERROR } from '../../src/trace/span.ts'
import { seeded } from '../bench/random.ts'

type Span = {
  id: number
  parent: number
  service: string
  kind: string
  /** Microseconds. */
  from: number
  to: number
  attributes: Record<string, string>
  resource: Record<string, string>
}

const TRACES = 40

/** web calls cart, which asks its database and sends a message; nothing about it is wrong. */
function healthy(): Span[] {
  const http = { 'http.request.method': 'GET' }
  const span = (
    id: number,
    parent: number,
    service: string,
    kind: string,
    from: number,
    to: number,
    attributes = {},
  ) => ({
    id,
    parent,
    service,
    kind,
    from,
    to,
    attributes,
    resource: { 'host.name': `${service}-1` },
  })
  return [
    span(1, 0, 'web', 'SERVER', 0, 100_000, { ...http, 'http.route': '/' }),
    span(2, 1, 'web', 'CLIENT', 10_000, 90_000, { ...http, 'server.address': 'cart.internal' }),
    span(3, 2, 'cart', 'SERVER', 11_000, 89_000, { ...http, 'http.route': '/cart' }),
    span(4, 3, 'cart', 'CLIENT', 20_000, 60_000, { 'db.system.name': 'mysql', 'db.namespace': 'carts' }),
    span(5, 3, 'cart', 'PRODUCER', 70_000, 75_000, {
      'messaging.system': 'kafka',
      'messaging.destination.name': 'mail',
    }),
  ]
}

/** What the doctor says of traces in which something is wrong. */
function diagnose(spoil: (span: Span, trace: number) => Span | undefined = (span) => span, capped?: number) {
  const columns = createColumns(createDictionary())
  for (let trace = 0; trace < TRACES; trace++) {
    for (const span of healthy()) {
      const spoiled = spoil(span, trace)
      if (spoiled === undefined) continue
      const { id, parent, service, kind, from, to, attributes, resource } = spoiled
      const at = BigInt(trace) * 10n ** 9n + 10n ** 18n + 333n
      appendSpan(columns, {
        traceId: (trace + 1).toString(16),
        spanId: id.toString(16),
        parentSpanId: parent === 0 ? '' : parent.toString(16),
        startNs: at + BigInt(from) * 1000n,
        endNs: at + BigInt(to) * 1000n,
        status: 0,
        shapeKey: shapeKeyOf(
          shapeFieldsFrom(kind, `op ${id}`, { 'service.name': service, ...resource }, attributes),
        ),
      })
    }
  }
  const doctor = createDoctor()
  doctor.add(analyzeSpans(columns))
  return doctor.diagnose(capped)
}
const without = (span: Span, ...names: string[]): Span => ({
  ...span,
  attributes: Object.fromEntries(Object.entries(span.attributes).filter(([name]) => !names.includes(name))),
})
const moved = (span: Span, by: number): Span => ({ ...span, from: span.from + by, to: span.to + by })

describe('the doctor', () => {
  it('finds nothing wrong with good input', () => {
    const { checks, grade, spans, traces } = diagnose()
    expect(checks.filter((check) => check.grade !== 'ok')).toEqual([])
    expect({ grade, spans, traces }).toEqual({ grade: 'ok', spans: 5 * TRACES, traces: TRACES })
  })

  test.each<
    [check: string, where: string | undefined, spoil: (span: Span, trace: number) => Span | undefined]
  >([
    ['orphans', 'cart', (span, trace) => (span.id === 3 && trace % 2 === 0 ? { ...span, parent: 99 } : span)],
    ['missing-roots', 'web', (span, trace) => (span.id === 1 && trace % 8 === 0 ? undefined : span)],
    // The callee begins traces of its own.
    ['propagation', 'web -> cart', (span) => (span.id === 3 ? { ...span, parent: 0 } : span)],
    ['skew', 'web (web-1) -> cart (cart-1)', (span) => (span.id >= 3 ? moved(span, 70_000) : span)],
    [
      'outside-parent',
      'web (web-1) -> cart (cart-1)',
      (span) => (span.id === 3 ? { ...span, to: 95_000 } : span),
    ],
    ['detached', 'cart', (span) => (span.id === 5 ? moved(span, 60_000) : span)],
    ['database-names', 'cart', (span) => without(span, 'db.namespace')],
    ['messaging-names', 'cart', (span) => without(span, 'messaging.destination.name')],
    ['http-names', 'cart', (span) => (span.service === 'cart' ? without(span, 'http.route') : span)],
    ['http-names', 'web', (span) => without(span, 'server.address')],
    ['instances', 'cart', (span) => ({ ...span, resource: {} })],
  ])('%s in %s', (name, where, spoil) => {
    const diagnosis = diagnose(spoil)
    const check = diagnosis.checks.find((of) => of.check === name)!
    expect(check.grade, JSON.stringify(check)).not.toBe('ok')
    expect(check.fix).not.toBe('')
    if (where !== undefined) expect(check.where.map((of) => of.name)).toContain(where)
    expect(diagnosis.grade).not.toBe('ok')
    expect(
      Math.max(
        ...doctorText(diagnosis)
          .split('\n')
          .map(({ length }) => length),
      ),
    ).toBeLessThanOrEqual(80)
  })

  describe('sampling', () => {
    /** Entries of three endpoints that usually take 20, 60 and 200 ms, of those that the policy keeps. */
    function kept(policy: (ms: number, failed: boolean) => boolean, seed: number) {
      const random = seeded(seed)
      const columns = createColumns(createDictionary())
      for (let trace = 1; trace <= 6000; trace++) {
        const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
        const ms = [20, 60, 200][trace % 3]! * Math.exp(0.8 * normal)
        const failed = random() < 0.05
        if (!policy(ms, failed)) continue
        const at = BigInt(trace) * 10n ** 9n + 10n ** 18n
        appendSpan(columns, {
          traceId: trace.toString(16),
          spanId: '1',
          parentSpanId: '',
          startNs: at,
          endNs: at + BigInt(Math.round(ms * 1e6)),
          status: failed ? STATUS_ERROR : 0,
          shapeKey: shapeKeyOf(
            shapeFieldsFrom('SERVER', `op ${'abc'[trace % 3]}`, { 'service.name': 'web' }, {}),
          ),
        })
      }
      const doctor = createDoctor()
      doctor.add(analyzeSpans(columns))
      return doctor.diagnose().checks.find(({ check }) => check === 'sampling')!
    }

    it.each([1, 2, 3, 4, 5])('of all, or of a share of all, looks like nothing (seed %i)', (seed) => {
      expect(kept(() => true, seed)).toMatchObject({ grade: 'ok', value: 0 })
      const random = seeded(seed + 100)
      expect(kept(() => random() < 0.2, seed)).toMatchObject({ grade: 'ok', value: 0 })
    })

    it.each([1, 2, 3, 4, 5])('that keeps only errors is told, and where (seed %i)', (seed) => {
      const check = kept((_ms, failed) => failed, seed)
      expect(check).toMatchObject({ grade: 'bad', value: 1 })
      expect(check.found).toContain('only errors')
      expect(check.where.map(({ name }) => name).sort()).toEqual(['web op a', 'web op b', 'web op c'])
    })

    it.each([1, 2, 3, 4, 5])(
      'that keeps only what is slow, or failed, is told, and from where on (seed %i)',
      (seed) => {
        const check = kept((ms, failed) => ms >= 100 || failed, seed)
        expect(check).toMatchObject({ grade: 'bad', value: 1 })
        expect(check.found).toMatch(/not one took less than 10\d ms/)
        expect(check.fix).toContain('probabilistic')
      },
    )
  })

  it('says how far clocks are apart', () => {
    const { checks } = diagnose((span) => (span.id >= 3 ? moved(span, -7_000) : span))
    expect(checks.find(({ check }) => check === 'skew')).toMatchObject({
      value: 7e6,
      unit: 'ns',
      grade: 'warn',
    })
  })

  it.each([
    ['a callee that is done early within its caller', 11_000, 19_000, 0, 'ok', 40],
    ['one that lies out of it', 100_000, 178_000, 89e6, 'bad', 40],
    ['... in a few calls too', 100_000, 178_000, 89e6, 'bad', 5],
    ['... but not in fewer', 100_000, 178_000, 0, 'ok', 4],
    ['one that takes longer than its caller waits', 11_000, 211_000, 0, 'ok', 40],
  ])('by clocks: %s', (_, from, to, value, grade, traces) => {
    const { checks } = diagnose((span, trace) =>
      trace >= traces ? undefined : span.id === 3 ? { ...span, from, to } : span.id > 3 ? undefined : span,
    )
    expect(checks.find(({ check }) => check === 'skew')).toMatchObject({ value, grade })
  })

  it('counts what is stored as (other)', () => {
    const { checks } = diagnose(undefined, 12)
    const check = checks.find((of) => of.check === 'capped-names')!
    expect(check).toMatchObject({ grade: 'warn', value: 0 })
    expect(check.found).toContain('12 endpoint names')
  })

  it('names that are long or steer the terminal fit all the same', () => {
    const service = `\x1b[2J${'x'.repeat(200)}`
    const text = doctorText(
      diagnose((span) => without(span.service === 'cart' ? { ...span, service } : span, 'http.route')),
    )
    expect(text).not.toContain('\x1b')
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80)
  })
})
