import { expect, it } from 'vitest'
import { killEngineUnderLoad } from './kill-engine.ts'

it('20 times kill -9 of the engine under load: every acknowledged span is there', async () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const result = await killEngineUnderLoad(20, seed)
  console.log(result)
  expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
  expect(result.acknowledged).toBeGreaterThan(10_000)
})
