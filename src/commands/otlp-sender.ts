import { setTimeout as sleep } from 'node:timers/promises'

/** What became of a request. */
export type Answer = { rejectedSpans: number; reason: string }

export type SenderOptions = {
  /** How long one request is tried for; the pauses double from `pauseMs`, unless the receiver names one. */
  patienceMs?: number
  pauseMs?: number
  /** A request is to be tried again; said at most every `noticeMs`, however many wait. */
  onPause?: (reason: string) => void
  noticeMs?: number
}

/** 429 and 503 ask for patience; 502 and 504 are a proxy whose service is about to come back. */
const RETRIED = new Set([429, 502, 503, 504])
const LONGEST_PAUSE_MS = 30_000

/**
 * Sends OTLP/HTTP JSON requests. A busy receiver is asked again, after the pause it names.
 * @returns a function that throws when the receiver refuses for good, or is not there.
 */
export function createSender(
  url: string,
  headers: Readonly<Record<string, string>>,
  options: SenderOptions = {},
): (body: string) => Promise<Answer> {
  const { patienceMs = 120_000, pauseMs = 250, onPause, noticeMs = 10_000 } = options
  /** Once it answered, a connection that fails is worth another try. */
  let reached = false
  let noticedAtMs = Number.NEGATIVE_INFINITY

  return async (body) => {
    const startMs = performance.now()
    for (let attempt = 1; ; attempt++) {
      const last = performance.now() - startMs >= patienceMs
      let reason: string
      let named: number | undefined
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body,
        })
        const text = await response.text()
        reached = true
        if (response.ok) return answerOf(text)
        reason = `${url} answered ${response.status}: ${messageOf(text)}`
        if (last || !RETRIED.has(response.status)) throw new Error(reason)
        named = retryAfterMs(response.headers.get('retry-after'))
      } catch (error) {
        if (!isConnectionFault(error)) throw error
        const cause = error.cause instanceof Error ? error.cause.message : error.message
        reason = `no answer from ${url}: ${cause}`
        if (last || !reached) throw new Error(reason, { cause: error })
      }
      const pause = named ?? Math.min(pauseMs * 2 ** (attempt - 1), LONGEST_PAUSE_MS)
      if (performance.now() - noticedAtMs >= noticeMs) {
        noticedAtMs = performance.now()
        onPause?.(reason)
      }
      await sleep(pause)
    }
  }
}

/** fetch throws a TypeError with the system's error as its cause. */
function isConnectionFault(error: unknown): error is TypeError {
  return error instanceof TypeError && error.cause !== undefined
}

function answerOf(text: string): Answer {
  const json = parsed(text)
  const partial = json.partialSuccess
  if (typeof partial !== 'object' || partial === null) return { rejectedSpans: 0, reason: '' }
  const { rejectedSpans, errorMessage } = partial as Record<string, unknown>
  return {
    rejectedSpans: Number(rejectedSpans ?? 0),
    reason: typeof errorMessage === 'string' ? errorMessage : '',
  }
}

function messageOf(text: string): string {
  const { message } = parsed(text)
  return typeof message === 'string' ? message : text.slice(0, 200)
}

function parsed(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Seconds or an HTTP date. */
export function retryAfterMs(header: string | null, nowMs = Date.now()): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 10 * LONGEST_PAUSE_MS)
}
