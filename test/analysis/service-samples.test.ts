import { describe, expect, it } from 'vitest'
import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { SERVICE } from '../../src/analysis/result.ts'
import { idHex } from '../../src/trace/columns.ts'
import { type Details, draw, labelOf, repairsOf } from '../draw.ts'

/** `B 6: database x 4 -> 2, service t 2 -> 4`: the samples of SERVERs that are no entries, in columns. */
function serviceSamples(...drawing: Parameters<typeof draw>): string[] {
  const [, , options] = drawing
  const columnNs = Number(options?.columnNs ?? 1000n)
  const { samples, components, spans } = analyzeSpans(draw(...drawing))
  const rows: string[] = []
  for (let i = 0; i < samples.count; i++) {
    if (samples.kind[i] !== SERVICE) continue
    const parts: string[] = []
    for (let c = samples.firstComponent[i]!; c < samples.firstComponent[i + 1]!; c++) {
      const { kind, name } = spans.dictionary.components[components.component[c]!]!
      parts.push(
        `${kind} ${name} ${components.criticalNs[c]! / columnNs} -> ${components.ifInstantNs[c]! / columnNs}`,
      )
    }
    const label = labelOf(idHex(spans.spanId, samples.span[i]!))
    rows.push(`${label} ${samples.durationNs[i]! / columnNs}: ${parts.sort().join(', ')}`)
  }
  return rows.sort()
}

const server = (service: string, about: Details = {}): Details => ({ kind: 'SERVER', service, ...about })
const db = (name: string): Details => ({ kind: 'CLIENT', attributes: { 'db.system': name } })

describe('service-scope samples', () => {
  it('are within their own bounds: what was cut off is there', () => {
    const picture = `
      A  ======
       B   =======
        C     ====
    `
    expect(serviceSamples(picture, { B: server('t'), C: { ...db('x'), service: 't' } })).toEqual([
      'B 7: database x 4 -> 3, service t 3 -> 4',
    ])
  })

  it('are samples where they are detached, too, and below what is detached', () => {
    const picture = `
      A  ===
       B      =====
        C     ===
    `
    expect(serviceSamples(picture, { B: server('t'), C: server('u') })).toEqual([
      'B 5: service t 2 -> 3, service u 3 -> 2',
      'C 3: service u 3 -> 0',
    ])
  })

  it('leave out the entries below them', () => {
    const picture = `
      A  ======
       B  ====
        C  ==
         D  =
    `
    const details = { B: server('t'), C: { kind: 'CONSUMER', service: 't' }, D: server('t') }
    expect(serviceSamples(picture, details)).toEqual(['B 4: service t 4 -> 0', 'D 1: service t 1 -> 0'])
  })

  it('look at their own subtree only: its clocks may be in whole milliseconds where the trace has others', () => {
    // X starts at half a millisecond. In S, B runs into C by one.
    const picture = `
      A  ============================
       X    ==
       S         ================
        B        ======
        C            ==========
    `
    const details = { S: server('t'), B: db('b'), C: db('c') }
    const ms = { columnNs: 500_000n, epochNs: 10n ** 18n }
    expect(serviceSamples(picture, details, ms)).toEqual([
      'S 16: database b 4 -> 12, database c 10 -> 6, service t 2 -> 14',
    ])
    expect(repairsOf(draw(picture, details, ms))).toBe('')
    expect(repairsOf(draw(picture.replace('X    ==', 'X     =='), details, ms))).toBe('trimmed B')
  })

  it('a SERVER that was cut keeps that with more than 16 cut SERVERs above it', () => {
    // Each of 20 ends a column after the one around it, and is cut to the first one's end.
    const labels = Array.from({ length: 20 }, (_, i) => `${String.fromCharCode(97 + i)}`)
    const picture = [
      `A ${'='.repeat(60)}`,
      ...labels.map((label, i) => `${' '.repeat(i + 1)}${label} ${'='.repeat(60)}`),
    ].join('\n')
    const durations = serviceSamples(picture, Object.fromEntries(labels.map((l, i) => [l, server(`s${i}`)])))
    expect(durations.map((row) => row.split(':')[0])).toEqual(
      labels.map((label, i) => `${label} ${i < 17 ? 60 : 60 - i - 1}`),
    )
  })
})
