import { expect, it } from 'vitest'
import { createInOrder } from '../../src/analyzer/in-order.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Work that ends when it is told to. */
function held(log: string[], name: string) {
  const ends: { resolve(): void; reject(error: Error): void }[] = []
  const work = () => {
    log.push(`${name} begins`)
    return new Promise<void>((resolve, reject) => ends.push({ resolve, reject }))
  }
  return {
    work,
    end: () => {
      log.push(`${name} ends`)
      ends[0]!.resolve()
    },
    fail: () => ends[0]!.reject(new Error(`${name} failed`)),
  }
}

it('one at a time, in the order given, and whoever gives waits for no more than the bound says', async () => {
  const log: string[] = []
  const inOrder = createInOrder(2)
  const [a, b, c] = [held(log, 'a'), held(log, 'b'), held(log, 'c')]
  await inOrder.give(a.work)
  await inOrder.give(b.work)
  const third = inOrder.give(c.work).then(() => log.push('c given'))
  await turn()
  expect(log).toEqual(['a begins'])
  a.end()
  await third
  await turn()
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'c given'])
  b.end()
  await turn()
  c.end()
  await inOrder.done()
  expect(log.slice(4)).toEqual(['b ends', 'c begins', 'c ends'])
})

it('what comes after a failure is not done', async () => {
  const log: string[] = []
  const inOrder = createInOrder(2)
  const [a, b] = [held(log, 'a'), held(log, 'b')]
  await inOrder.give(a.work)
  await inOrder.give(b.work)
  await turn()
  a.fail()
  await expect(inOrder.done()).rejects.toThrow('a failed')
  await expect(inOrder.give(b.work)).rejects.toThrow('a failed')
  expect(log).toEqual(['a begins'])
})
