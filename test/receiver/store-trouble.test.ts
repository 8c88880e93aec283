import { expect, it } from 'vitest'
import { loadWhile, misbehave } from './load-while.ts'

it('a store that answers 500, hangs, or closes connections: every acknowledged span is in it, and no other', async () => {
  const result = await loadWhile(misbehave(1, 600), { insertTimeoutMs: 1000, retryForMs: 500 })
  expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
  expect(result.acknowledged).toBeGreaterThan(0)
}, 120_000)
