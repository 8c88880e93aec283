import { expect, it } from 'vitest'
import { insertCollectorSpans, openTestStore, type TestStore } from './store.ts'

const rowsIn = async ({ client }: TestStore) => {
  const query = `SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() ORDER BY name`
  return (await client.query({ query, format: 'TabSeparated' })).text()
}

it('a database that a test has left is as a new one when it is used again, and not by two at once', async () => {
  const first = await openTestStore()
  const asNew = await rowsIn(first)
  await insertCollectorSpans(first, [
    { TraceId: 'ab'.repeat(16), SpanId: '1', startNs: BigInt(Date.now()) * 1_000_000n },
  ])
  await first.probe()
  expect(await rowsIn(first)).not.toEqual(asNew)
  await first.close()
  await first.close()

  const again = await openTestStore()
  const other = await openTestStore()
  expect(again.database).toBe(first.database)
  expect(other.database).not.toBe(first.database)
  expect(await rowsIn(again)).toEqual(asNew)

  // Unless it was changed.
  await other.close()
  await again.client.command({ query: 'DROP TABLE marks' })
  await again.close()
  const third = await openTestStore()
  expect(third.database).not.toBe(first.database)
  await third.close()
})
