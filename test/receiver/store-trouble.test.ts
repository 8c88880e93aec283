import { describe, expect, it } from 'vitest'
import { killEngine, loadWhile, misbehave } from './load-while.ts'

describe('every acknowledged span is in the store, and no other', () => {
  it('after kill -9 of the engine under load', async () => {
    const seed = Date.now() | 0
    console.log(`seed ${seed}`)
    const result = await loadWhile(killEngine(2), seed)
    expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
  })

  it('after a store that answers 500, hangs, or closes connections', async () => {
    const result = await loadWhile(misbehave(1, 400), 1, { insertTimeoutMs: 200, retryForMs: 300 })
    expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
    expect(result.acknowledged).toBeGreaterThan(0)
  })
})
