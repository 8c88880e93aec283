import { afterAll, beforeAll, expect, it } from 'vitest'
import { startApi } from '../../src/api/server.ts'
import { run } from '../../src/commands/mark.ts'
import { UsageError } from '../../src/commands/usage.ts'
import { openTestStore, quiet, type TestStore } from '../support/store.ts'
import { capture } from './capture.ts'

let store: TestStore
let api: Awaited<ReturnType<typeof startApi>>

beforeAll(async () => {
  store = await openTestStore()
  api = await startApi({ address: '127.0.0.1:0', store, log: quiet })
})
afterAll(async () => {
  await api?.stop()
  await store?.close()
})

async function mark(...args: string[]): Promise<string> {
  const context = capture({ LONGPOLE_API: api.address })
  expect(await run(args, context)).toBe(0)
  return context.out()
}

it('names ranges, lists them, takes them away', async () => {
  await mark('baseline', '--from', '2026-01-02T10:00:00Z', '--to', '2026-01-02T11:00:00Z')
  await mark('after', '--from', '2026-01-03', '--to', '2026-01-04')
  expect(await mark('--list')).toBe(
    'baseline  2026-01-02T10:00:00.000Z to 2026-01-02T11:00:00.000Z\n' +
      'after  2026-01-03T00:00:00.000Z to 2026-01-04T00:00:00.000Z\n',
  )
  await mark('--delete', 'baseline')
  expect(await mark('--list')).not.toContain('baseline')
})

it('says what is wrong', async () => {
  await expect(mark()).rejects.toThrow(UsageError)
  await expect(mark('a', '--list')).rejects.toThrow(UsageError)
  await expect(mark('a b')).rejects.toThrow(/letters, digits/)
  await expect(mark('a', '--from', 'now', '--to', 'now-1h')).rejects.toThrow(/not before/)
  await expect(mark('--delete', 'gone')).rejects.toThrow(/no mark "gone"/)
})
