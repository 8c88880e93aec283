import type { Logger } from 'pino'
import type { SpanSink } from './sink.ts'

/** While the store is down, how long until it is tried again. */
const PAUSE_MS = 1000

/** Whether the store takes spans, by what it said to the last insert. */
export type StoreState = {
  took(): void
  failed(failure: unknown): void
  /** Since the last insert that it could not take. */
  isDown(): boolean
  /** Whether an export should be read at all: one a second is, while it is down. */
  mayTry(): boolean
  /** Why nothing is acknowledged; undefined: it is, as far as is known. */
  problem(): string | undefined
  stop(): void
}

/** A store that is down is tried without exports, too: a service that is not ready may be sent none. */
export function createStoreState({ damage, probe }: SpanSink, log: Logger): StoreState {
  let down: { reason: string; until: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function took(): void {
    if (down !== undefined) log.info('the store takes spans again')
    down = undefined
    clearTimeout(timer)
  }

  function failed(failure: unknown): void {
    if (down === undefined) log.error({ err: failure }, 'the store takes no spans')
    down = { reason: String(failure).slice(0, 500), until: performance.now() + PAUSE_MS }
    clearTimeout(timer)
    if (!stopped && probe !== undefined) timer = setTimeout(tryOut, PAUSE_MS, probe)
  }

  async function tryOut(probe: () => Promise<void>): Promise<void> {
    const was = down
    const failure = await probe().then(
      () => undefined,
      (error: unknown) => error ?? 'no reason given',
    )
    // An insert was quicker.
    if (down !== was) return
    if (failure === undefined) took()
    else failed(failure)
  }

  return {
    took,
    failed,
    isDown: () => down !== undefined,
    mayTry: () => damage?.() === undefined && (down === undefined || performance.now() >= down.until),
    problem: () => damage?.() ?? down?.reason,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
