import { describe, expect, test } from 'vitest'
import type { Bottleneck, BottleneckComponent } from '../../src/analysis/bottlenecks.ts'
import { parseTarget } from '../../src/analysis/target.ts'
import { renderReport } from '../../src/commands/report-table.ts'
import { fitted, printable } from '../../src/commands/report-text.ts'
import { wrapped } from '../../src/commands/wrap.ts'
import { type ExplainedBottleneck, explain, type Finding } from '../../src/findings/findings.ts'
import { duration } from '../../src/trace/figure-text.ts'

const distribution = (ns: number) => ({ p50Ns: ns / 2, p95Ns: ns, p99Ns: ns, meanNs: ns / 2 })
const component = (
  kind: BottleneckComponent['kind'],
  name: string,
  p95Ns: number,
  verdict: BottleneckComponent['verdict'],
): BottleneckComponent => ({
  kind,
  name,
  criticalShare: 0.5,
  presentShare: 1,
  ifInstant: distribution(p95Ns),
  p50Interval: null,
  p95Interval: null,
  p99Interval: null,
  meanInterval: null,
  verdict,
})
const endpoint = (
  components: BottleneckComponent[],
  rest: Partial<Bottleneck> = {},
  findings: Finding[] = [],
): ExplainedBottleneck =>
  explain(
    [
      {
        service: 'shop',
        operation: 'GET /',
        scope: 'trace',
        environment: '',
        namespace: '',
        entries: 1234,
        observed: distribution(800e6),
        components,
        ...rest,
      },
    ],
    findings,
  )[0]!

test('a bottleneck, and what to do next', () => {
  const report = renderReport(
    [
      endpoint([
        component('database', 'postgresql/shop', 120e6, 'bottleneck'),
        component('network', 'shop->stock', 790e6, 'not a bottleneck'),
      ]),
    ],
    { target: parseTarget('p95<500ms') },
  )
  expect(report.split('\n').slice(0, 6)).toEqual([
    'shop GET /                                                        1,234 requests',
    '  p50 400 ms, p95 800 ms, p99 800 ms; target p95 < 500 ms missed',
    '  if it were infinitely fast               p95  saves  of time  verdict',
    '  database postgresql/shop              120 ms   85 %     50 %  bottleneck',
    '  transit shop->stock                   790 ms    1 %     50 %  not a bottleneck',
    '  next: database postgresql/shop: without it p95 800 ms -> 120 ms',
  ])
})

test.each([
  ['leader', 'next: service shop: without it p95 800 ms -> 1 ms'],
  ['contributor', 'next: service shop: it is not enough alone'],
  ['not a bottleneck', 'next: no single component saves any'],
  ['target-met', 'next: nothing, the target is met'],
] as const)('%s: %s', (verdict, next) => {
  expect(renderReport([endpoint([component('service', 'shop', 1e6, verdict)])])).toContain(next)
})

test('long names are cut, control characters taken out: no line is longer than 80', () => {
  const long = `\x1b[2J${'x'.repeat(200)}`
  const report = renderReport(
    [
      endpoint([component('service', long, 1, 'leader'), component('queue', long, 1, 'not a bottleneck')], {
        service: long,
        operation: long,
        environment: 'prod',
        scope: 'service',
        entries: 1,
      }),
    ],
    { target: parseTarget('p99.9<=1.5s') },
  )
  expect(Math.max(...report.split('\n').map((line) => line.length))).toBe(80)
  expect(report).not.toContain('\x1b')
})

describe('findings under their component', () => {
  const finding = (title: string, p95Ns: number, rest: Partial<Finding> = {}): Finding => ({
    pattern: title,
    title,
    service: 'shop',
    operation: 'GET /',
    scope: 'trace',
    environment: '',
    namespace: '',
    component: { kind: 'database', name: 'orders' },
    code: { service: 'shop', caller: 'GET /', operation: 'SELECT' },
    entries: 1234,
    samples: 300,
    amount: 1,
    spentNs: 1,
    saved: { ...distribution(p95Ns), p99Ns: p95Ns },
    unproven: false,
    exemplars: ['0af7651916cd43dd8448eb211c80319c'],
    advice: 'shop GET / runs SELECT 12 times a request: load them all with one query.',
    ...rest,
  })
  const report = (findings: Finding[]) => {
    const text = renderReport([endpoint([component('database', 'orders', 120e6, 'leader')], {}, findings)])
    const lines = text.split('\n')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
    return lines.slice(
      4,
      lines.findIndex((line) => line.startsWith('  next:')),
    )
  }

  test('say how many requests show them, and one that does; what saves nothing is a line', () => {
    expect(report([finding('N+1 queries', 80e6), finding('Long transaction', 0)])).toEqual([
      '    - N+1 queries, saves 80 ms at p95: shop GET / runs SELECT 12 times a',
      '      request: load them all with one query.',
      '      300 of 1,234 requests, as in 0af7651916cd43dd8448eb211c80319c',
      '    - Long transaction: saves 0; 300 of 1,234 (0af7651916cd43dd8448eb211c80319c)',
    ])
    const rare = finding('Timeouts', 0, { saved: { ...distribution(0), p99Ns: 5e6 }, samples: 14 })
    expect(report([rare])[0]).toContain('Timeouts, saves 5 ms at p99')
  })

  test('are a line beyond the first three, and counted beyond eight', () => {
    const many = Array.from({ length: 10 }, (_, i) => finding(`Finding ${i}`, (10 - i) * 1e6))
    const lines = report(many)
    expect(lines.filter((line) => line.includes('as in'))).toHaveLength(3)
    expect(lines[9]).toBe('    - Finding 3: saves 7 ms at p95; 300 of 1,234')
    expect(lines.at(-1)).toBe('    - 2 more')
  })

  test('keep to 80 columns, whatever they are called', () => {
    const long = 'y'.repeat(300)
    report([finding(long, 80e6, { advice: long }), finding(long, 0)])
  })
})

describe('how sure that is', () => {
  const held = {
    ...component('database', 'orders', 120e6, 'leader'),
    p95Interval: [110e6, 131e6] as [number, number],
  }
  const report = (rest: Partial<Bottleneck>, of: BottleneckComponent = held) =>
    renderReport([endpoint([of], rest)])
  test('the interval, or how many requests are missing for one', () => {
    expect(report({})).toContain('how sure (95 %): 110 ms to 131 ms\n')
    const open = { p50Ns: [1, 2], p95Ns: [1, 2], p99Ns: [1, 2] } as never
    expect(report({}, { ...held, structuralRange: open })).toContain('left open in part')
    expect(report({}, { ...held, p95Interval: null, needMore: { p95: 1 } })).toContain(
      '1 more request would bound',
    )
  })
  test('a tie is called a tie', () => {
    const long = { kind: 'service' as const, name: 'x'.repeat(200) }
    const text = report({ tie: [long, { kind: 'network', name: 'a->b' }] })
    expect(text).toContain('tie: cannot be told from what leads:\n        service xxx')
    expect(text).toContain('        transit a->b\n')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })
  test('the pair that suffices', () => {
    const name = 'y'.repeat(100)
    const text = report(
      {
        pair: [
          { kind: 'database', name: 'orders' },
          { kind: 'service', name },
        ],
        pairFigures: {
          samples: 500,
          ifInstant: distribution(20e6),
          p50Interval: null,
          p95Interval: [18e6, 22e6],
          p99Interval: null,
          meanInterval: null,
        },
      },
      { ...held, verdict: 'not a bottleneck' },
    )
    expect(text).toContain('pair: database orders and service yyy')
    expect(text).toContain('without both p95 800 ms -> 20 ms')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })
  test('how the samples were chosen', () => {
    const sampling = {
      represents: 123_400,
      effectiveSamples: 321,
      biases: ['unequal-weights', 'only-errors'] as const,
    }
    const text = report({ sampling: { ...sampling, biases: [...sampling.biases] } })
    expect(text).toContain('sampled: 1,234 samples stand for 123,400 requests')
    expect(text).toContain('biased: kept with unequal probability, as good as 321 equal ones')
    expect(text).toContain('biased? every sample ended in an error')
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  })
})

describe('what the target is about is what the report tells', () => {
  const observed = { p50Ns: 400e6, p95Ns: 800e6, p99Ns: 900e6, meanNs: 450e6 }
  const held: BottleneckComponent = {
    ...component('database', 'orders', 0, 'bottleneck'),
    ifInstant: { p50Ns: 100e6, p95Ns: 200e6, p99Ns: 300e6, meanNs: 90e6 },
    p50Interval: [99e6, 101e6],
    p95Interval: [180e6, 220e6],
    meanInterval: [88e6, 92e6],
    needMore: { p99: 181 },
  }
  const report = (target: string, of: Partial<Bottleneck> = {}, components = [held]) =>
    renderReport([endpoint(components, { observed, ...of })], { target: parseTarget(target) })
  test.each([
    ['p50<200ms', 'p50', '100 ms   75 %', 'p50 400 ms -> 100 ms', 'how sure (95 %): 99 ms to 101 ms'],
    ['p99<350ms', 'p99', '300 ms   67 %', 'p99 900 ms -> 300 ms', '181 more requests would bound that p99'],
    ['mean<100ms', 'mean', '90 ms   80 %', 'mean 450 ms -> 90 ms', 'how sure (95 %): 88 ms to 92 ms'],
    // Not told: the p95 is.
    ['p99.9<1ms', 'p95', '200 ms   75 %', 'p95 800 ms -> 200 ms', 'how sure (95 %): 180 ms to 220 ms'],
  ])('%s', (target, heading, cells, change, sure) => {
    const text = report(target)
    expect(text).toMatch(new RegExp(`if it were infinitely fast +${heading} +saves`))
    expect(text).toContain(cells)
    expect(text).toContain(`without it ${change}\n`)
    expect(text).toContain(sure)
  })
  test('of a pair too, and how sure that is', () => {
    const { p50Interval, p95Interval, p99Interval, meanInterval, ifInstant } = held
    const pair = [held, component('service', 'shop', 1, 'contributor')].map(({ kind, name }) => ({
      kind,
      name,
    }))
    const intervals = { p50Interval, p95Interval, p99Interval, meanInterval, needMore: { p99: 1 } }
    const pairFigures = { samples: 9, ifInstant, ...intervals }
    const of = { pair, pairFigures } as Partial<Bottleneck>
    expect(report('p50<200ms', of, [{ ...held, verdict: 'contributor' }])).toContain(
      'without both p50 400 ms -> 100 ms\n        how sure (95 %): 99 ms to 101 ms\n',
    )
    expect(report('p99<200ms', of, [{ ...held, verdict: 'contributor' }])).toContain(
      'without both p99 900 ms -> 300 ms\n        how sure: 1 more request would bound that p99\n',
    )
  })
  test.each(['p95<1ms', 'p99.9<1ms'])(
    'requests that took no time keep %s: there is nothing to do',
    (target) => {
      const text = renderReport([endpoint([], { observed: distribution(0) })], {
        target: parseTarget(target),
      })
      expect(text).toContain('< 1 ms met\n')
      expect(text).toContain('next: nothing, no request took any time\n')
    },
  )
})

test('names in wide characters, accents and emoji keep to 80 columns, cut between characters', () => {
  const wide = '注文サービス'
  const family = '👩‍👩‍👧'
  expect(fitted(wide, 13)).toBe(`${wide} `)
  expect(fitted(wide, 12)).toBe(wide)
  expect(fitted(wide, 11)).toBe('注文...ビス')
  // Half a character is no character.
  expect(fitted(wide, 10)).toBe('注文...ス ')
  expect(fitted(family, 4)).toBe(`${family}  `)
  expect(fitted(family.repeat(9), 7)).toBe(`${family}...${family}`)
  expect(fitted('cafe\u0301', 6)).toBe('cafe\u0301  ')
  expect(wrapped(`${wide.repeat(8)} x`, '- ', 2)).toEqual([`- ${wide.repeat(6)}注文サ`, `  ービス${wide} x`])
  const columns = (line: string) => line.replace(/[\u3040-\u9fff]/g, '..').length
  const long = wide.repeat(20)
  const report = renderReport([
    endpoint([component('service', long, 1e6, 'leader')], {
      ...{ service: long, operation: long, tie: [{ kind: 'queue', name: long }] },
    }),
  ])
  for (const line of report.split('\n')) expect(columns(line), line).toBeLessThanOrEqual(80)
  const row = report.split('\n').find((line) => line.includes('leader'))!
  expect(columns(row)).toBe(
    columns('  database orders                         1 ms  100 %     50 %  leader') + 0,
  )
})

test('what is not told apart is not profiled', () => {
  const report = renderReport([endpoint([component('service', '(other)', 1e6, 'leader')])])
  expect(report).toContain('next: service (other): without it p95 800 ms -> 1 ms\n        many components,')
})

test('what steers a terminal is taken out', () => {
  expect(printable('a\u001b[31m\nb\u202ec\u2028d')).toBe('a [31m b c d')
})

test('only the first components are listed', () => {
  const many = Array.from({ length: 9 }, (_, i) => component('service', `s${i}`, i, 'not a bottleneck'))
  expect(renderReport([endpoint(many)])).toContain('  ... and 4 more\n')
})

test.each([
  [0, '0 ns'],
  [999, '999 ns'],
  [1500, '1.5 us'],
  [12_345_678, '12.3 ms'],
  [999_999, '1 ms'],
  [999_600_000, '1 s'],
  [61e9, '61 s'],
  [4321e9, '4321 s'],
])('%d ns is %s', (ns, text) => {
  expect(duration(ns)).toBe(text)
})

test('a component that another branch masks, not one that saves what it has', () => {
  const masked = {
    ...component('service', 'recommendations', 780e6, 'not a bottleneck'),
    criticalShare: 0.79,
  }
  const leads = { ...component('database', 'postgresql/shop', 500e6, 'leader'), criticalShare: 0.375 }
  const report = renderReport([endpoint([leads, masked])])
  expect(report.match(/^ {2}masked:.*\n.*$/gm)).toEqual([
    '  masked: service recommendations has 79 % of the time, but\n' +
      '        what runs beside it takes over: alone it saves 3 % of the mean',
  ])
})
