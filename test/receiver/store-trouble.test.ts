import { expect, it } from 'vitest'
import { killEngineUnderLoad } from './kill-engine.ts'

it('kill -9 of the engine under load: every acknowledged span is there', async () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  expect(await killEngineUnderLoad(2, seed)).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
})
