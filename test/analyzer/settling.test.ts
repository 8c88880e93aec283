import { describe, expect, it } from 'vitest'
import { ROOT_WAIT_MS, readinessOf, UNFINISHED_AFTER_MS } from '../../src/analyzer/settling.ts'

const NOW = 1_800_000_000_000
const SETTLE = 10_000
const trace = (of: { quietMs: number; ageMs?: number; hasRoot?: boolean; analyses?: number }) =>
  readinessOf(
    {
      traceId: '1',
      firstStoredMs: NOW - (of.ageMs ?? of.quietMs),
      lastStoredMs: NOW - of.quietMs,
      rowCount: 1,
      hasRoot: of.hasRoot ?? true,
      analyses: of.analyses ?? 0,
      knownFirstStoredMs: 0,
      knownRowCount: 0,
    },
    NOW,
    SETTLE,
  )

describe('when a trace is analyzed', () => {
  it('once it has been quiet for the setting', () => {
    expect(trace({ quietMs: SETTLE })).toBe('ready')
    expect(trace({ quietMs: SETTLE - 1 })).toBe('waiting')
  })

  it('also where the clock has been set back since', () => {
    expect(trace({ quietMs: -3_600_000 })).toBe('ready')
    expect(trace({ quietMs: -3_600_000, hasRoot: false })).toBe('ready')
  })

  it('without a root only after a minute', () => {
    expect(trace({ quietMs: ROOT_WAIT_MS - 1, hasRoot: false })).toBe('waiting')
    expect(trace({ quietMs: ROOT_WAIT_MS, hasRoot: false })).toBe('ready')
  })

  it('the quiet period doubles with each analysis', () => {
    expect(trace({ quietMs: 2 * SETTLE - 1, analyses: 1 })).toBe('waiting')
    expect(trace({ quietMs: 2 * SETTLE, analyses: 1 })).toBe('ready')
    expect(trace({ quietMs: 8 * SETTLE - 1, analyses: 3 })).toBe('waiting')
  })

  it('one that never falls quiet all the same, and is flagged', () => {
    expect(trace({ quietMs: 0, ageMs: UNFINISHED_AFTER_MS - 1 })).toBe('waiting')
    expect(trace({ quietMs: 0, ageMs: UNFINISHED_AFTER_MS })).toBe('unfinished')
    expect(trace({ quietMs: 0, ageMs: UNFINISHED_AFTER_MS, analyses: 1 })).toBe('waiting')
  })
})
