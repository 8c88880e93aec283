import { describe, expect, it } from 'vitest'
import { killEngine, loadWhile, misbehave, pause } from './load-while.ts'

describe('every acknowledged span is in the store, and no other', () => {
  it('after 20 times kill -9 of the engine under load', async () => {
    const seed = Date.now() | 0
    console.log(`seed ${seed}`)
    const result = await loadWhile(killEngine(20), seed)
    console.log(result)
    expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
    expect(result.acknowledged).toBeGreaterThan(10_000)
  })

  it('after half a minute of a store that misbehaves in every way', async () => {
    const result = await loadWhile(misbehave(5, 1000), 1, { insertTimeoutMs: 500, retryForMs: 800 })
    console.log(result)
    expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
  })

  it('after a store that is away for 30 s', async () => {
    const result = await loadWhile(async ({ proxy }) => {
      proxy.mode = 'close'
      await pause(30_000)
      proxy.mode = 'through'
    }, 1)
    console.log(result)
    expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
  })
})
