import { setTimeout } from 'node:timers/promises'

/**
 * What is asked without much choice, of the range that the page opens with and of the longest one it offers: what is
 * read for it is the most.
 */
export const QUESTIONS: readonly string[] = [
  '/api/v1/endpoints?scope=trace&limit=1000&from=now-1h',
  '/api/v1/endpoints?scope=trace&limit=1000&from=now-30d',
  '/api/v1/components?from=now-30d',
  '/api/v1/timeline?from=now-30d',
  '/api/v1/events?from=now-30d',
]

/** What the guard of access.ts asks for. */
export function headersOfWarmUp(token: string | undefined): Record<string, string> {
  return { Host: 'localhost', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) }
}

/** The service has to start first; requests that come meanwhile go between two questions. */
const FIRST_MS = 2000
const PAUSE_MS = 200
/** Ranges that end now lose an hour, or a day, at a time: what is remembered of them is soon of another range. */
const AGAIN_MS = 10 * 60_000
/** Of the time, so much at the most: with thousands of endpoints a question takes seconds, and what it reads is not kept. */
const MOST_SHARE = 0.02

/**
 * Asks these questions now and again, one after the other, so that who asks them finds remembered what takes a second to
 * read for the first time. It is nobody's request: whether it fails is of no interest. Returns how to end it.
 */
export function startWarmUp(ask: (question: string) => Promise<unknown>, firstMs = FIRST_MS): () => void {
  const ended = new AbortController()
  const pause = (ms: number) => setTimeout(ms, undefined, { signal: ended.signal, ref: false })
  const run = async () => {
    await pause(firstMs)
    for (;;) {
      let tookMs = 0
      for (const question of QUESTIONS) {
        const startMs = performance.now()
        await ask(question).catch(() => {})
        tookMs += performance.now() - startMs
        await pause(PAUSE_MS)
      }
      await pause(Math.max(AGAIN_MS, tookMs / MOST_SHARE))
    }
  }
  // It ends with the abortion of a pause.
  run().catch(() => {})
  return () => ended.abort()
}
