import { describe, expect, it } from 'vitest'
import { appendSpan, createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { analyzed, draw, pathOf, repairsOf } from '../draw.ts'

const EPOCH_NS = 1_767_225_600_000_000_500n
const DAY_NS = 86_400n * 10n ** 9n

/** Spans by raw times, for what cannot be drawn. */
function spansAt(...times: [id: string, parent: string, startNs: bigint, endNs: bigint][]) {
  const columns = createColumns(createDictionary())
  for (const [spanId, parentSpanId, startNs, endNs] of times) {
    const shapeKey = shapeKeyOf(shapeFieldsFrom('INTERNAL', 'work', { 'service.name': 's' }, {}))
    appendSpan(columns, { traceId: '1', spanId, parentSpanId, startNs, endNs, status: 0, shapeKey })
  }
  return columns
}

const repairs = (columns: ReturnType<typeof spansAt>) =>
  analyzed(columns).repairs.map((r) => `${r.kind} ${Number.parseInt(r.spanId, 16)}`)

describe('repair 1: times', () => {
  it('an end before the start becomes the start', () => {
    const columns = spansAt(['1', '', EPOCH_NS, EPOCH_NS + 100n], ['2', '1', EPOCH_NS + 50n, EPOCH_NS + 20n])
    expect(repairs(columns)).toEqual(['negative-duration 2'])
    expect(analyzed(columns).spanCount).toBe(2)
  })

  it('a start of 0 becomes the end; without both the span is dropped', () => {
    const columns = spansAt(
      ['1', '', EPOCH_NS, EPOCH_NS + 100n],
      ['2', '1', 0n, EPOCH_NS + 60n],
      ['3', '1', 0n, 0n],
    )
    expect(repairs(columns)).toEqual(['no-time 2', 'no-time 3'])
    expect(analyzed(columns).spanCount).toBe(2)
    expect(analyzed(columns).entries[0]!.durationNs).toBe(100)
  })

  it('a span longer than 50 days is dropped, one of 50 days is not', () => {
    const long = spansAt(
      ['1', '', EPOCH_NS, EPOCH_NS + 50n * DAY_NS + 1n],
      ['2', '', EPOCH_NS + 7n, EPOCH_NS + 9n],
    )
    expect(repairs(long)).toEqual(['no-time 1'])
    expect(analyzed(long).entries[0]!.durationNs).toBe(2)
    expect(repairs(spansAt(['1', '', EPOCH_NS, EPOCH_NS + 50n * DAY_NS]))).toEqual([])
  })

  it('a span more than 50 days from the median start is dropped, the lower of two middles', () => {
    const far = EPOCH_NS + 51n * DAY_NS
    expect(repairs(spansAt(['1', '', EPOCH_NS, EPOCH_NS + 10n], ['2', '', far, far + 10n]))).toEqual([
      'no-time 2',
    ])
    const columns = spansAt(
      ['1', '', 1_000n, 2_000n],
      ['2', '', EPOCH_NS, EPOCH_NS + 13n],
      ['3', '2', EPOCH_NS + 3n, EPOCH_NS + 8n],
    )
    expect(repairs(columns)).toEqual(['no-time 1'])
    expect(analyzed(columns).entries[0]!.criticalPath.map((s) => [s.startNs, s.endNs])).toEqual([
      [0, 3],
      [3, 8],
      [8, 13],
    ])
  })

  it('nothing left: no entry', () => {
    const trace = analyzed(spansAt(['1', '', 0n, 0n]))
    expect(trace).toMatchObject({ spanCount: 0, entries: [], repairs: [{ kind: 'no-time' }] })
  })
})

describe('repair 2: ids', () => {
  it('of spans with the same id the first in order is kept', () => {
    const columns = draw(
      `
      A  ==========
       B   ====
       b     ====
    `,
      { b: { id: 'B' } },
    )
    expect(repairsOf(columns)).toBe('duplicate B')
    expect(pathOf(columns)).toBe('A2 B4 A4')
  })

  it('a CLIENT and a SERVER of one id are the two halves of one call', () => {
    const columns = draw(
      `
      A  ==========
       B   ======
       b    ====
        C    ==
    `,
      {
        B: { kind: 'CLIENT' },
        b: { kind: 'SERVER', service: 't', id: 'B', parent: 'A' },
        C: { service: 't' },
      },
    )
    expect(repairsOf(columns)).toBe('shared-id B')
    expect(pathOf(columns)).toBe('A2 B1 B1 C2 B1 B1 A2')
  })

  it("a child of the caller's service stays with the caller's half", () => {
    const columns = draw(
      `
      A  ==========
       B   ======
       b      ==
        C  ==
    `,
      {
        B: { kind: 'CLIENT' },
        b: { kind: 'SERVER', service: 't', id: 'B', parent: 'A' },
        C: { service: 's' },
      },
    )
    expect(pathOf(columns)).toBe('A2 C2 B1 B2 B1 A2')
  })
})

describe('repair 3: parents', () => {
  it('a parent that is not there makes an entry', () => {
    const columns = draw(
      `
      A  ======
      B    ===
    `,
      { B: { parent: 'X' } },
    )
    expect(repairsOf(columns)).toBe('orphan B')
    expect(analyzed(columns).entries.map((e) => e.kind)).toEqual(['root', 'orphan'])
  })

  it('the first span of a cycle loses its parent', () => {
    const columns = draw(
      `
      A  ======
      B   ====
      C    ==
    `,
      { A: { parent: 'C' }, B: { parent: 'A' }, C: { parent: 'B' } },
    )
    expect(repairsOf(columns)).toBe('cycle A')
    expect(pathOf(columns)).toBe('A1 B1 C2 B1 A1')
    expect(analyzed(columns).entries.map((e) => e.kind)).toEqual(['orphan'])
  })
})

const CALL = {
  B: { kind: 'CLIENT' },
  C: { kind: 'SERVER', service: 't' },
  D: { kind: 'SERVER', service: 't' },
}

describe('repair 4: skew', () => {
  it('a callee that fits its call is moved to the middle of it', () => {
    const columns = draw(
      `
      A     ==========
       B     ========
        C  ====
         D  ==
    `,
      { ...CALL, D: { service: 't' } },
    )
    expect(repairsOf(columns)).toBe('skew-shifted C+4')
    expect(pathOf(columns)).toBe('A1 B2 C1 D2 C1 B2 A1')
  })

  it('callees of one instance are moved together', () => {
    const columns = draw(
      `
      A     ============
       B     ==========
        C  ==
        D      ====
    `,
      CALL,
    )
    expect(repairsOf(columns)).toBe('skew-shifted C+3, skew-shifted D+3')
  })

  it('one that ends after a call that failed keeps its time: the caller gave up', () => {
    const picture = `
      A  =======
       B  =====
        C    ====
    `
    expect(repairsOf(draw(picture, CALL))).toBe('skew-shifted C-2.5')
    expect(repairsOf(draw(picture, { ...CALL, B: { kind: 'CLIENT', error: true } }))).toBe('clamped C')
  })

  it('one that does not fit is moved to the start', () => {
    const columns = draw(
      `
      A     ======
       B     ====
        C  =======
    `,
      CALL,
    )
    expect(repairsOf(columns)).toBe('skew-shifted C+2, clamped C')
  })
})

describe('repair 5: detached', () => {
  it('a child that starts after the end', () => {
    const columns = draw(`
      A  ====
       B      ==
        C      =
    `)
    expect(repairsOf(columns)).toBe('detached B')
    expect(pathOf(columns)).toBe('A4')
  })

  it('a child that outlives its parent in the same service', () => {
    const columns = draw(`
      A  ======
       B   ======
    `)
    expect(repairsOf(columns)).toBe('detached B')
  })

  it('... but not one that outlives it by no more than 5 % of its own length', () => {
    const bar = '='.repeat(100)
    expect(repairsOf(draw(`A ${bar}\n B ${bar.slice(0, 99)}=====`))).toBe('clamped B')
    expect(repairsOf(draw(`A ${bar}\n B ${bar.slice(0, 99)}======`))).toBe('detached B')
  })

  it('... nor a remote one, nor under a parent that failed', () => {
    const picture = `
      A  ======
       B   ======
    `
    expect(repairsOf(draw(picture, { B: { service: 't' } }))).toBe('clamped B')
    expect(repairsOf(draw(picture, { A: { error: true } }))).toBe('clamped B')
  })

  it('a child that ends before its parent starts; one that touches is clamped', () => {
    expect(repairsOf(draw('A     ======\n B =='))).toBe('detached B')
    expect(repairsOf(draw('A     ======\n B ==='))).toBe('clamped B')
  })

  it('a child outside what is left of a cut parent', () => {
    const columns = draw(
      `
      A  ======
       B    ======
        C       ==
    `,
      { B: { service: 't' }, C: { service: 't' } },
    )
    expect(repairsOf(columns)).toBe('detached C, clamped B')
  })
})

describe('repair 7: trimmed', () => {
  const bar = '='.repeat(100)

  it('one that runs into the next by 1 % of the shorter ends there', () => {
    const columns = draw(`A  ${bar}${bar}\n B ${bar}\n C ${' '.repeat(99)}${bar}`)
    expect(repairsOf(columns)).toBe('trimmed B')
    expect(pathOf(columns)).toBe('B99 C100 A1')
  })

  it('one that runs further overlaps', () => {
    const columns = draw(`A  ${bar}${bar}\n B ${bar}\n C ${' '.repeat(98)}${bar}`)
    expect(repairsOf(columns)).toBe('')
    expect(pathOf(columns)).toBe('A98 C100 A2')
  })

  it('by up to 1 ms where every time is a whole millisecond', () => {
    const picture = `
      A  =======
       B  ===
       C    ===
    `
    expect(repairsOf(draw(picture, {}, { columnNs: 1_000_000n, epochNs: 10n ** 18n }))).toBe('trimmed B')
    expect(repairsOf(draw(picture, {}, { columnNs: 1_000_000n, epochNs: 10n ** 18n + 1n }))).toBe('')
  })
})
