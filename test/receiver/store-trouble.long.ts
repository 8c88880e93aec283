import { expect, it } from 'vitest'
import { loadWhile, misbehave } from './load-while.ts'

// Kills and outages of the whole service are in test/service/.
it('after half a minute of a store that misbehaves in every way, every acknowledged span is in it, and no other', async () => {
  const result = await loadWhile(misbehave(5, 1000), { insertTimeoutMs: 500, retryForMs: 800 })
  console.log(result)
  expect(result).toMatchObject({ lost: 0, missing: 0, unknown: 0 })
})
