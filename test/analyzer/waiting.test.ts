import { expect, it } from 'vitest'
import { createWaitingTraces } from '../../src/analyzer/waiting.ts'
import type { WaitingTrace } from '../../src/store/analyzer-store.ts'

const NOW = 1_000_000
const found = (traceId: string, storedMs: number, of: Partial<WaitingTrace> = {}): WaitingTrace => ({
  traceId,
  firstStoredMs: storedMs,
  lastStoredMs: storedMs,
  rowCount: 3,
  hasRoot: true,
  analyses: 0,
  knownFirstStoredMs: 0,
  knownRowCount: 0,
  ...of,
})

it('what is under way is not taken again, and what is found of it meanwhile joins it or comes after it', () => {
  const waiting = createWaitingTraces()
  waiting.beginLook()([found('a', NOW - 90), found('b', NOW - 80), found('c', NOW)])
  const { traces } = waiting.take(NOW, 50)
  expect(traces.map(({ traceId }) => traceId)).toEqual(['a', 'b'])
  expect(waiting).toMatchObject({ size: 3 })
  expect(waiting.firstStoredMs()).toBe(NOW - 90)

  // Looked up before the analyses of the first were stored.
  waiting.beginLook()([found('a', NOW - 60), found('b', NOW - 60, { hasRoot: false })])
  expect(waiting.take(NOW, 50).traces).toEqual([])
  waiting.remove(['a'])
  const after = { analyses: 1, knownFirstStoredMs: NOW - 90, knownRowCount: 3 }
  expect(waiting.take(NOW, 20).traces).toEqual([found('a', NOW - 60, after)])
  waiting.giveBack()
  expect(waiting.take(NOW, 20).traces).toEqual([
    found('b', NOW - 80, { lastStoredMs: NOW - 60, rowCount: 6 }),
    found('a', NOW - 60, after),
  ])
  waiting.remove(['a', 'b', 'c'])
  expect(waiting.take(NOW, 0).traces).toEqual([found('c', NOW)])
})

it('an analysis that was there when spans were looked up is not counted twice', () => {
  const waiting = createWaitingTraces()
  waiting.beginLook()([found('a', NOW - 90)])
  waiting.take(NOW, 50)
  const later = found('a', NOW - 40, { analyses: 1, knownFirstStoredMs: NOW - 90, knownRowCount: 3 })
  waiting.beginLook()([later])
  waiting.remove(['a'])
  expect(waiting.take(NOW, 20).traces).toEqual([later])
})

it('what is looked up while results are stored comes after them, whichever comes first', () => {
  const waiting = createWaitingTraces()
  waiting.beginLook()([found('a', NOW - 90)])
  waiting.take(NOW, 50)
  const add = waiting.beginLook()
  waiting.remove(['a'])
  add([found('a', NOW - 40)])
  const after = { analyses: 1, knownFirstStoredMs: NOW - 90, knownRowCount: 3 }
  expect(waiting.take(NOW, 20).traces).toEqual([found('a', NOW - 40, after)])
})
