import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { ask, keepToken, type Query, Refused } from './api.ts'

export type Answer<T> = { value?: T; error?: Error; isLoading: boolean }

/** Asks again whenever the question changes; while it does, what was there stays. `null`: there is nothing to ask. */
export function useAnswer<T>(route: string | null, query: Query = {}, body?: unknown): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ isLoading: true })
  const question = JSON.stringify({ route, query, body })
  useEffect(() => {
    const { route, query, body } = JSON.parse(question)
    if (route === null) return
    let isWanted = true
    setAnswer((before) => ({ ...before, isLoading: true }))
    ask<T>(route, query, body).then(
      (value) => isWanted && setAnswer({ value, isLoading: false }),
      (error: Error) => isWanted && setAnswer({ error, isLoading: false }),
    )
    return () => {
      isWanted = false
    }
  }, [question])
  return answer
}

/** What there is of an answer: itself, that it is on its way, or why there is none. */
export function Shown<T>({ of, children }: { of: Answer<T>; children: (value: T) => ComponentChildren }) {
  if (of.error instanceof Refused && of.error.status === 401) return <AskToken />
  if (of.error !== undefined) return <p class="error">{of.error.message}</p>
  if (of.value === undefined) return <p class="quiet">Loading …</p>
  return <div class={of.isLoading ? 'stale' : ''}>{children(of.value)}</div>
}

function AskToken() {
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault()
        keepToken(String(new FormData(event.currentTarget).get('token')))
        location.reload()
      }}
    >
      <label>
        This service asks for its token (LONGPOLE_TOKEN):{' '}
        <input name="token" type="password" autocomplete="off" />
      </label>
      <button type="submit">Go on</button>
    </form>
  )
}
