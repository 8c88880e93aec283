import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { analyzed, type Details, draw, labelOf, pathOf, repairsOf } from '../draw.ts'

/** `A root, C consumer+3`: each entry, and its queue wait in columns if there is one. */
const entriesOf = (picture: string, details: Record<string, Details> = {}) =>
  analyzed(draw(picture, details))
    .entries.map(({ spanId, kind, queueWaitNs }) => {
      const wait = queueWaitNs === 0 ? '' : `+${queueWaitNs / 1000}`
      return `${labelOf(spanId)} ${kind}${wait}`
    })
    .join(', ')

const RECEIVE = { 'messaging.operation.type': 'receive' }
const consumer = (service: string, attributes = {}): Details => ({ kind: 'CONSUMER', service, attributes })

describe('entries', () => {
  const picture = `
    A  ======
     B  ===
      C  =
  `
  it('a CONSUMER, under whatever it hangs', () => {
    expect(entriesOf(picture, { C: consumer('s') })).toBe('A root, C consumer')
  })

  it('... unless it goes on with what a CONSUMER of its service took in', () => {
    expect(entriesOf(picture, { B: consumer('t'), C: consumer('t') })).toBe('A root, B consumer')
    expect(entriesOf(picture, { B: consumer('t'), C: consumer('u') })).toBe('A root, B consumer, C consumer')
    expect(entriesOf(picture, { B: consumer('t', RECEIVE), C: consumer('t') })).toBe(
      'A root, B consumer, C consumer',
    )
  })

  it('a root and an orphan are called so, whatever their kind', () => {
    expect(entriesOf('A  ===', { A: consumer('s') })).toBe('A root')
    expect(entriesOf('A  ===', { A: { ...consumer('s'), parent: 'X' } })).toBe('A orphan')
  })

  it('what hangs below one is of that one', () => {
    const columns = draw(
      `
      A  ==========
       B  ===
        C   ======
         D   ====
    `,
      { B: { kind: 'PRODUCER' }, C: consumer('t'), D: { service: 't' } },
    )
    expect(pathOf(columns, 0)).toBe('A1 B3 A6')
    expect(pathOf(columns, 1)).toBe('C1 D4 C1')
  })

  it('a true root is the primary one, however early an orphan begins; the others are in span order', () => {
    expect(
      entriesOf(
        `
      O  ==
      P   ======
      A     ==
      B    ==
      Q   ==
    `,
        { O: { parent: 'X' }, P: { parent: 'X' }, Q: { parent: 'X' } },
      ),
    ).toBe('B root, O orphan, P orphan, Q orphan, A root')
  })

  it('a span cut out of a cycle counts as an orphan', () => {
    expect(
      entriesOf(
        `
      A  =====
       B  ===
      C    =
    `,
        { A: { parent: 'B' } },
      ),
    ).toBe('C root, A orphan')
  })
})

describe('queue wait', () => {
  it('reaches over CONSUMERs, and over nothing else', () => {
    const picture = `
      A  =
       B   =
        C    =
    `
    const details = { A: { kind: 'PRODUCER' }, B: consumer('t', RECEIVE), C: consumer('t') }
    expect(entriesOf(picture, details)).toBe('A root, B consumer+1, C consumer+3')
    expect(entriesOf(picture, { ...details, B: { service: 't' } })).toBe('A root, B consumer+1, C consumer')
  })

  it('of any remote child of a PRODUCER', () => {
    expect(entriesOf('A  =\n B   =', { A: { kind: 'PRODUCER' }, B: { service: 't' } })).toBe(
      'A root, B consumer+1',
    )
  })

  it('is at least nothing: a message can be taken while it is still being sent', () => {
    expect(entriesOf('A  ====\n B   =', { A: { kind: 'PRODUCER' }, B: consumer('t') })).toBe(
      'A root, B consumer',
    )
  })

  it("counts from the producer's end as moved, but not as cut", () => {
    // S is moved by -3 and takes P and C with it; P is cut to 1 column by S's end.
    const columns = draw(
      `
      A  ======
       S    ======
        P         ===
         C            =
    `,
      {
        A: { kind: 'CLIENT' },
        S: { kind: 'SERVER', service: 't' },
        P: { kind: 'PRODUCER', service: 'u' },
        C: consumer('v'),
      },
    )
    expect(repairsOf(columns)).toBe('skew-shifted S-3, clamped P')
    expect(analyzed(columns).entries[1]).toMatchObject({ queueWaitNs: 1000, kind: 'consumer' })
  })
})

describe('samples', () => {
  const countedOf = (picture: string, details: Record<string, Details> = {}) => {
    const { samples, spans } = analyzeSpans(draw(picture, details))
    return Array.from({ length: samples.count }, (_, i) => i)
      .filter((i) => samples.counted[i] === 1)
      .map((i) => spans.dictionary.endpoints[samples.endpoint[i]!]!)
      .map(({ environment, namespace, service, operation }) => [environment, namespace, service, operation])
  }

  it('every entry, and every other SERVER, of its endpoint', () => {
    const resource = { 'deployment.environment.name': 'prod', 'service.namespace': 'shop' }
    expect(
      countedOf(
        `
      A  ======
       B  ====
        C  ==
    `,
        { A: { resource }, B: { kind: 'SERVER', service: 't', name: '/b/7' }, C: { kind: 'CLIENT' } },
      ),
    ).toEqual([
      ['prod', 'shop', 's', 'A'],
      ['', '', 't', '/b/{id}'],
    ])
  })

  it('no `receive`, of whatever kind, and no orphan that only happened to lose its parent', () => {
    expect(countedOf('A  ==', { A: { kind: 'CLIENT', attributes: RECEIVE } })).toEqual([])
    expect(countedOf('A  ==\n B =', { B: { kind: 'SERVER', attributes: RECEIVE } })).toHaveLength(1)
    for (const [kind, samples] of [
      ['CLIENT', 0],
      ['INTERNAL', 0],
      ['PRODUCER', 0],
      ['SERVER', 1],
      ['CONSUMER', 1],
    ] as const) {
      expect(countedOf('A  ==', { A: { kind, parent: 'X' } })).toHaveLength(samples)
      // Out of a cycle, too.
      expect(countedOf('A  ==\n B =', { A: { kind, parent: 'B' } })).toHaveLength(samples)
    }
  })
})
