import type { Logger } from 'pino'
import { observe, type ReceiverCounters } from './counters.ts'
import { encodeParts } from './native-block.ts'
import { SPAN_COLUMNS, type SpanBlock } from './native-columns.ts'
import { isAnswer, isRefusal, type SpanBatch, type SpanSink } from './sink.ts'

export type StoreOptions = {
  sink: SpanSink
  log: Logger
  counters: ReceiverCounters
  /** How long an insert may take before it counts as failed, and how long one is repeated. */
  insertTimeoutMs: number
  retryForMs: number
  /** False once repeating is pointless: the service stops, or the store was down already. */
  mayRetry: () => boolean
}

/** What became of a row. */
export const PENDING = 0
export const STORED = 1
export const REFUSED = 2

const COLUMNS = SPAN_COLUMNS.map(({ name }) => name)
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 1000
/** A block that is refused in this many places is not taken apart any further. */
const MAX_REFUSALS = 2000

/**
 * Puts a block's rows into the store. Those it refuses for their data are searched for by halving and left out; `rows`
 * says what became of each. PENDING ones: the store is in trouble, `failure` says which. `isFree`: nobody reads the block any
 * more; after an attempt that failed somebody may. Never rejects.
 */
export async function storeBlock(
  block: SpanBlock,
  token: string,
  options: StoreOptions,
): Promise<{ rows: Uint8Array; failure: unknown; isFree: boolean }> {
  const { log, counters, mayRetry } = options
  const rows = new Uint8Array(block.rows)
  /** On the monotonic clock. */
  const giveUpAt = performance.now() + options.retryForMs
  let refusals = 0
  let isFree = true
  const failedOnce = () => {
    isFree = false
  }

  /** undefined: stored. */
  const insert = async (from: number, to: number): Promise<unknown> => {
    const isWhole = to - from === block.rows
    const batch = {
      rows: to - from,
      native: encodeParts(block, from, to),
      columns: COLUMNS,
      token: isWhole ? token : `${token}:${from}-${to}`,
    }
    const failure = await insertWithRetries(batch, giveUpAt, options, failedOnce)
    if (failure === undefined) rows.fill(STORED, from, to)
    return failure
  }

  /** Of a range that failed. undefined: what is to be stored of it is. */
  const settle = (from: number, to: number, failure: unknown): Promise<unknown> =>
    isRefusal(failure) ? isolate(from, to, failure) : narrow(from, to, failure)

  const isolate = async (from: number, to: number, failure: unknown): Promise<unknown> => {
    if (to - from === 1 || ++refusals > MAX_REFUSALS) {
      log.error({ err: failure, rows: to - from }, 'spans refused by the store')
      rows.fill(REFUSED, from, to)
      return undefined
    }
    const middle = (from + to) >>> 1
    for (const [a, b] of [
      [from, middle],
      [middle, to],
    ] as const) {
      const failed = await insert(a, b)
      const left = failed === undefined ? undefined : await settle(a, b, failed)
      if (left !== undefined) return left
    }
    return undefined
  }

  /**
   * A store that answers, but with an error that blames neither the data nor clearly itself: where one half goes in,
   * the other alone is to blame, and whoever sent it alone is to try again.
   */
  const narrow = async (from: number, to: number, failure: unknown): Promise<unknown> => {
    if (to - from === 1 || !isAnswer(failure) || !mayRetry()) return failure
    const middle = (from + to) >>> 1
    const lower = await insert(from, middle)
    const upper = await insert(middle, to)
    if (lower !== undefined && upper !== undefined) return failure
    if (lower !== undefined) return settle(from, middle, lower)
    return upper === undefined ? undefined : settle(middle, to, upper)
  }

  const failed = await insert(0, block.rows)
  const failure = failed === undefined ? undefined : await settle(0, block.rows, failed)
  if (failure !== undefined) counters.insertFailures++
  return { rows, failure, isFree }
}

/** undefined: inserted. Else the last error. The same bytes with the same token each time. */
async function insertWithRetries(
  batch: Omit<SpanBatch, 'signal'>,
  giveUpAt: number,
  { sink, log, counters, insertTimeoutMs, mayRetry }: StoreOptions,
  failedOnce: () => void,
): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** attempt, MAX_RETRY_MS)
    const startedAt = performance.now()
    try {
      await withTimeout(insertTimeoutMs, (signal) => sink.insert({ ...batch, signal }))
      counters.inserts++
      observe(counters.batchRows, batch.rows)
      observe(counters.insertSeconds, (performance.now() - startedAt) / 1000)
      return undefined
    } catch (error) {
      failedOnce()
      if (isRefusal(error)) return error
      if (performance.now() + delayMs > giveUpAt || !mayRetry()) return error
      counters.insertRetries++
      log.warn({ err: error, rows: batch.rows, delayMs }, 'insert failed, trying again')
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
}

async function withTimeout(timeoutMs: number, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  try {
    await Promise.race([
      run(controller.signal),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(new Error(`the store did not answer within ${timeoutMs} ms`))
          controller.abort()
        }, timeoutMs)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
