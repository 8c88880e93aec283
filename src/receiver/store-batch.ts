import type { Logger } from 'pino'
import { observe, type ReceiverCounters } from './counters.ts'
import { encodeBlock } from './native-block.ts'
import type { SpanBlock } from './native-columns.ts'
import { isRefusal, type SpanSink } from './sink.ts'

export type StoreOptions = {
  sink: SpanSink
  log: Logger
  counters: ReceiverCounters
  /** How long an insert may take before it counts as failed, and how long it is repeated. */
  insertTimeoutMs: number
  retryForMs: number
  /** False once retrying is pointless: the service stops, or the store has been down before. */
  mayRetry: () => boolean
}

/** What became of each row. */
export const PENDING = 0
export const STORED = 1
export const REFUSED = 2

const FIRST_RETRY_MS = 100
/** An insert whose rows are bad in this many places is not taken apart any further. */
const MAX_REFUSALS = 2000

/**
 * Puts a block's rows into the store. Rows the store refuses for their data are searched for by halving and left out;
 * `rows` says what became of each. PENDING ones: the store is in trouble. Never rejects.
 */
export async function storeBlock(
  block: SpanBlock,
  token: string,
  options: StoreOptions,
): Promise<{ rows: Uint8Array; failure: unknown }> {
  const { log, counters } = options
  const rows = new Uint8Array(block.rows)
  const giveUpAt = Date.now() + options.retryForMs
  let refusals = 0
  const ranges: [from: number, to: number][] = [[0, block.rows]]
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const [from, to] = range
    const isWhole = to - from === block.rows
    const failure = await insertWithRetries(
      {
        rows: to - from,
        native: encodeBlock(block, from, to),
        token: isWhole ? token : `${token}:${from}-${to}`,
      },
      giveUpAt,
      options,
    )
    if (failure === undefined) {
      rows.fill(STORED, from, to)
    } else if (!isRefusal(failure)) {
      counters.insertFailures++
      return { rows, failure }
    } else if (to - from === 1 || ++refusals > MAX_REFUSALS) {
      log.error({ err: failure, rows: to - from }, 'spans refused by the store')
      rows.fill(REFUSED, from, to)
    } else {
      if (isWhole) log.warn({ err: failure, rows: block.rows }, 'insert refused for its data, isolating it')
      const middle = (from + to) >>> 1
      ranges.push([middle, to], [from, middle])
    }
  }
  return { rows, failure: undefined }
}

/** undefined: inserted. Else the last error. The same bytes with the same token each time. */
async function insertWithRetries(
  batch: { rows: number; native: Uint8Array; token: string },
  giveUpAt: number,
  { sink, log, counters, insertTimeoutMs, mayRetry }: StoreOptions,
): Promise<unknown> {
  for (let delayMs = FIRST_RETRY_MS; ; delayMs *= 2) {
    const startedAt = performance.now()
    try {
      await withTimeout(insertTimeoutMs, (signal) => sink.insert({ ...batch, signal }))
      counters.inserts++
      observe(counters.batchRows, batch.rows)
      observe(counters.insertSeconds, (performance.now() - startedAt) / 1000)
      return undefined
    } catch (error) {
      if (isRefusal(error)) return error
      if (Date.now() + delayMs > giveUpAt || !mayRetry()) return error
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
