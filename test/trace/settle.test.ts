import { describe, expect, it } from 'vitest'
import { type Details, draw, pathOf, repairsOf } from '../draw.ts'

const CLIENT: Details = { kind: 'CLIENT' }
const callee = (about: Details = {}): Details => ({ kind: 'SERVER', service: 't', ...about })
const instance = (id: string) => ({ resource: { 'service.instance.id': id } })

describe('repair 4: what is moved, and where', () => {
  it('half of an odd difference is rounded down', () => {
    const picture = 'A     =====\n B  ==\n'
    expect(repairsOf(draw(picture, { A: CLIENT, B: callee() }, { columnNs: 1n }))).toBe(
      'skew-shifted B+0.003',
    )
  })

  it('instances are moved each on its own: by service.instance.id, else host.name, else one a service', () => {
    const picture = `
      A     ============
       B   ==
       C      ====
    `
    const both = (b: Details, c: Details) =>
      repairsOf(draw(picture, { A: CLIENT, B: callee(b), C: callee(c) }))
    expect(both({}, {})).toBe('skew-shifted B+3.5, skew-shifted C+3.5')
    expect(both(instance('1'), instance('1'))).toBe('skew-shifted B+3.5, skew-shifted C+3.5')
    expect(both(instance('1'), instance('2'))).toBe('skew-shifted B+6')
    const host = (name: string) => ({ resource: { 'host.name': name, 'service.instance.id': '' } })
    expect(both(host('x'), host('y'))).toBe('skew-shifted B+6')
    // Two services on one host are two instances.
    expect(both(host('x'), { ...host('x'), service: 'u' })).toBe('skew-shifted B+6')
  })

  it('SERVERs say how far; the others of their instance go with them', () => {
    const picture = `
      A     ========
       B  ====
       C ==
    `
    // The SERVER, 4 long, goes to the middle of 8; the PRODUCER, even earlier, moves by as much.
    expect(repairsOf(draw(picture, { A: CLIENT, B: callee(), C: callee({ kind: 'PRODUCER' }) }))).toBe(
      'skew-shifted B+4, skew-shifted C+4',
    )
    // Without a SERVER all count: together they are 5 long.
    const internal = callee({ kind: 'INTERNAL' })
    expect(repairsOf(draw(picture, { A: CLIENT, B: internal, C: internal }))).toBe(
      'skew-shifted B+4.5, skew-shifted C+4.5',
    )
  })

  it('under anything but a CLIENT: to the start, and only if they begin before it', () => {
    expect(repairsOf(draw('A     ======\n B  ===', { B: callee() }))).toBe('skew-shifted B+2')
    expect(repairsOf(draw('A  ======\n B    =====', { B: callee() }))).toBe('clamped B')
  })

  it('an error status does not keep one that begins too early', () => {
    const failed = { kind: 'CLIENT', error: true }
    expect(repairsOf(draw('A     ======\n B   ==', { A: failed, B: callee() }))).toBe('skew-shifted B+3')
  })

  it('everything below moves, entries included', () => {
    const columns = draw(
      `
      A       ========
       B   ====
        C   ==
         D    ==
          E    =
    `,
      {
        A: CLIENT,
        B: callee(),
        C: { kind: 'PRODUCER', service: 't' },
        D: { kind: 'CONSUMER', service: 'u' },
        E: { service: 'u' },
      },
    )
    expect(repairsOf(columns)).toBe('skew-shifted B+5')
    expect(pathOf(columns, 1)).toBe('D1 E1')
  })

  it("the parent's bounds are those after its own move, before it was cut", () => {
    // B does not fit: moved by 2 to the start of A, and cut. C lies within B as moved, and outlives what is left of it.
    const columns = draw(
      `
      A     ====
       B  ========
        C  =======
    `,
      { A: CLIENT, B: callee({ kind: 'CLIENT' }), C: callee({ service: 'u' }) },
    )
    expect(repairsOf(columns)).toBe('skew-shifted B+2, clamped B, clamped C')
  })

  it('no entry is moved, cut or taken off for what it hangs under', () => {
    const details = { A: { kind: 'PRODUCER' }, B: { kind: 'CONSUMER', service: 't' } }
    for (const picture of ['A     ===\n B ==', 'A  ===\n B   =====', 'A  ===\n B      ==']) {
      expect(repairsOf(draw(picture, details))).toBe('')
    }
  })

  it('children are settled below detached spans, too, and within entries', () => {
    const columns = draw(
      `
      A  ====
       B       ======
        C    ===
    `,
      { B: CLIENT, C: callee() },
    )
    expect(repairsOf(columns)).toBe('skew-shifted C+3.5, detached B')
  })
})

describe('repair 5: where it begins to be detached', () => {
  const bar = (n: number) => '='.repeat(n)

  it('at more than 1 % of the parent as well', () => {
    // 3 of 20 columns outlive the parent: more than 5 % of the child, 1 % of 300.
    const child = (over: number) => ` B ${' '.repeat(300 - 17)}${bar(17 + over)}`
    expect(repairsOf(draw(`A  ${bar(300)}\n${child(3)}`))).toBe('clamped B')
    expect(repairsOf(draw(`A  ${bar(300)}\n${child(4)}`))).toBe('detached B')
  })

  it('only if it starts inside its parent', () => {
    expect(repairsOf(draw('A   ======\n B ==========='))).toBe('clamped B')
    expect(repairsOf(draw('A  ======\n B ========='))).toBe('detached B')
  })

  it('touching is clamped, at the end as well', () => {
    expect(repairsOf(draw('A  ====\n B     ==', { B: { service: 't' } }))).toBe('clamped B')
    expect(repairsOf(draw('A  ====\n B      ==', { B: { service: 't' } }))).toBe('detached B')
  })

  it('a SERVER under a CLIENT of its own service is remote', () => {
    const picture = 'A  ======\n B   ======'
    expect(repairsOf(draw(picture, { A: { kind: 'CLIENT', error: true }, B: { kind: 'SERVER' } }))).toBe(
      'clamped B',
    )
    expect(repairsOf(draw(picture, { A: { kind: 'CLIENT', error: true }, B: { kind: 'CLIENT' } }))).toBe(
      'clamped B',
    )
    expect(repairsOf(draw(picture, { A: { kind: 'CLIENT' }, B: { kind: 'CLIENT' } }))).toBe('detached B')
    // Not detached, but moved: it would fit.
    expect(repairsOf(draw(picture, { A: { kind: 'CLIENT' }, B: { kind: 'SERVER' } }))).toBe(
      'skew-shifted B-2',
    )
  })

  it('outliving is measured by the parent before it was cut', () => {
    // B is cut by A from 8 to 4 columns; C ends with B as it was, and is cut, not detached.
    const columns = draw(
      `
      A  ======
       B   ========
        C   =======
    `,
      { B: { service: 't' }, C: { service: 't' } },
    )
    expect(repairsOf(columns)).toBe('clamped B, clamped C')
  })
})

describe('repair 6: clamped', () => {
  it('to what is left of the parent, all the way down', () => {
    const columns = draw(
      `
      A   ====
       B =======
        C ======
         D =====
    `,
      { A: { error: true }, B: { error: true }, C: { error: true } },
    )
    expect(repairsOf(columns)).toBe('clamped B, clamped C, clamped D')
    expect(pathOf(columns)).toBe('C1 D3')
  })
})

describe('repair 7: where it is cut', () => {
  const bar = (n: number) => '='.repeat(n)
  const at = (label: string, from: number, length: number) => ` ${label} ${' '.repeat(from)}${bar(length)}`

  it('at the earliest start of those it runs into by that little', () => {
    const columns = draw([`A  ${bar(400)}`, at('B', 0, 200), at('C', 198, 200), at('D', 199, 200)].join('\n'))
    expect(repairsOf(columns)).toBe('trimmed B')
    expect(pathOf(columns)).toBe('B198 A1 D200 A1')
  })

  it('those that start together do not run into each other', () => {
    const ms = { columnNs: 1_000_000n, epochNs: 10n ** 18n }
    expect(repairsOf(draw(['A  ====', at('B', 0, 1), at('C', 0, 2)].join('\n'), {}, ms))).toBe('')
    expect(repairsOf(draw(['A  ====', at('B', 0, 2), at('C', 1, 2)].join('\n'), {}, ms))).toBe('trimmed B')
  })

  it('by lengths before any trimming', () => {
    // C is 100 columns long as long as it is not trimmed itself: B runs into it by just 1 %.
    const columns = draw([`A  ${bar(320)}`, at('B', 0, 100), at('C', 99, 100), at('D', 198, 100)].join('\n'))
    expect(repairsOf(columns)).toBe('trimmed B, trimmed C')
    expect(pathOf(columns)).toBe('B99 C99 D100 A22')
  })

  it('lengths are those after 6: of a child that was cut, what is left', () => {
    // C is 200 columns long and cut to 101, so B may run into it by 1 column, not by 2.
    const details = { B: { service: 't' }, C: { service: 't' } }
    const cut = (overlap: number) =>
      draw([`A  ${bar(201)}`, at('B', 0, 100 + overlap), at('C', 100, 200)].join('\n'), details)
    expect(repairsOf(cut(1))).toBe('clamped C, trimmed B')
    expect(repairsOf(cut(2))).toBe('clamped C')
  })

  it('nothing is cut for one that is detached, or an entry', () => {
    const lines = [`A  ${bar(201)}`, at('B', 0, 100), at('C', 99, 200)].join('\n')
    expect(repairsOf(draw(lines))).toBe('detached C')
    expect(repairsOf(draw(lines, { C: { kind: 'CONSUMER', service: 't' } }))).toBe('')
  })

  it('what is below the trimmed one is cut with it', () => {
    const columns = draw([`A  ${bar(201)}`, at('B', 0, 100), `  c ${bar(99)}`, at('C', 99, 100)].join('\n'))
    expect(repairsOf(columns)).toBe('clamped c, trimmed B')
  })

  it('whole milliseconds are looked for before 4, in what is left after 3', () => {
    const ms = { columnNs: 1_000_000n, epochNs: 10n ** 18n }
    const picture = `
      A  =======
       B  ===
       C    ===
       D =====
    `
    expect(repairsOf(draw(picture, { D: { id: 'C' } }, ms))).toBe('duplicate C')
    // The callee is moved by half a millisecond: the clocks are still in whole ones.
    const skewed = `
      A  ==========
       B  ===
       C    ===
       D   =====
        E ==
    `
    expect(repairsOf(draw(skewed, { D: CLIENT, E: callee() }, ms))).toContain('trimmed B')
  })
})
