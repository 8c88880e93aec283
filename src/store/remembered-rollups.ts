import type { Store } from './store.ts'

/** Steps, in seconds, whose sums are remembered: they change by the hour, or where something came late. */
export const REMEMBERED_FROM = 3600
/** In analyzer_state: another value whenever a row of such a step was written. */
export const REVISION = 'rollups-revision'
/** Answers remembered of a store. */
const MOST = 8

const remembered = new WeakMap<Store, Map<string, Promise<unknown>>>()

/** The answer of the same question at the same revision, or a new one. Nobody may change what is handed out. */
export function remember<T>(
  store: Store,
  revision: string | undefined,
  question: string,
  ask: () => Promise<T>,
): Promise<T> {
  if (revision === undefined) return ask()
  const answers = remembered.get(store) ?? new Map<string, Promise<unknown>>()
  remembered.set(store, answers)
  const key = `${revision}\n${question}`
  const known = answers.get(key) as Promise<T> | undefined
  const answer = known ?? ask()
  // The one asked for last goes last.
  answers.delete(key)
  answers.set(key, answer)
  answer.catch(() => answers.delete(key))
  for (const oldest of answers.keys()) {
    if (answers.size <= MOST) break
    answers.delete(oldest)
  }
  return answer
}
