import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createApi } from '../../src/api/app.ts'
import { headersOfWarmUp, QUESTIONS, startWarmUp } from '../../src/api/warm-up.ts'
import type { Store } from '../../src/store/store.ts'
import { quiet } from '../support/store.ts'

it('asks every question, one at a time, whatever becomes of them, until it is ended', async () => {
  const asked: string[] = []
  let open = 0
  let most = 0
  let end: (() => void) | undefined
  await new Promise<void>((resolve) => {
    end = startWarmUp(async (question) => {
      most = Math.max(most, ++open)
      asked.push(question)
      await setTimeout(1)
      open--
      if (asked.length === QUESTIONS.length) resolve()
      throw new Error('the store is away')
    }, 0)
  })
  end!()
  expect(asked).toEqual(QUESTIONS)
  expect(most).toBe(1)
})

it('asks nothing if it is ended before', async () => {
  let asked = 0
  startWarmUp(async () => asked++, 20)()
  await setTimeout(100)
  expect(asked).toBe(0)
})

it.each([undefined, 'secret'])('may ask, with the token %s', async (token) => {
  const api = createApi({ store: {} as Store, log: quiet, localOnly: true, token })
  expect((await api.request('/', { headers: headersOfWarmUp(token) })).status).toBe(200)
})
