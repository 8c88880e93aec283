import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { MemoryBudget } from './budget.ts'
import { addCounts, type ReceiverCounters } from './counters.ts'
import type { SpanDecoder } from './decode-spans.ts'
import type { TimeWindow } from './decoding.ts'
import { describeRejects, type RejectCounts } from './limits.ts'
import { blockBytes, blockCapacity, clearBlock, createBlock, type SpanBlock } from './native-columns.ts'
import type { ExportOutcome } from './outcome.ts'
import type { SpanSink } from './sink.ts'
import { REFUSED, STORED, storeBlock } from './store-batch.ts'
import { createStoreState } from './store-state.ts'

export type BatchLimits = {
  /** If the store is idle, an insert starts at once with this many rows or bytes, ... */
  rows: number
  bytes: number
  /** ... while one is under way with this many (two at a time cost more, and fewer rows cost more each), ... */
  maxRows: number
  maxBytes: number
  /** ... at the latest this long after its first export, ... */
  waitMs: number
  /** ... or this long while another insert is under way: two at a time share the processor, and both are late, ... */
  besideMs: number
  /** ... or, if the store is idle, once no export has come for this long and the last insert began this long ago. */
  quietMs: number
  gapMs: number
  /** With fewer rows than this, the wait and the gap are this long: an insert costs the engine some 25 ms, however small. */
  smallRows: number
  smallWaitMs: number
  concurrentInserts: number
  insertTimeoutMs: number
  retryForMs: number
}

export const DEFAULT_BATCH_LIMITS: BatchLimits = {
  rows: 16_000,
  bytes: 16 * 1024 * 1024,
  maxRows: 60_000,
  maxBytes: 64 * 1024 * 1024,
  waitMs: 100,
  besideMs: 1000,
  quietMs: 20,
  gapMs: 50,
  smallRows: 256,
  smallWaitMs: 250,
  concurrentInserts: 2,
  insertTimeoutMs: 30_000,
  // SDK exporters wait for 10 s unless told otherwise: they are to hear of it before that.
  retryForMs: 8_000,
}

export type BatcherOptions = {
  sink: SpanSink
  decode: SpanDecoder
  window: () => TimeWindow
  limits: BatchLimits
  budget: MemoryBudget
  /** The memory of batches is used again, unless it has grown beyond this. Up to three blocks of it. */
  maxKeptBytes: number
  counters: ReceiverCounters
  log: Logger
}

export type Batcher = {
  /** Decodes at once (the bytes are not needed any more) and resolves when the rows are in the store. */
  submit(request: Uint8Array): Promise<ExportOutcome>
  /** Why no request should even be read now. */
  refusal(bytes?: number): ExportOutcome | undefined
  /** Why nothing is acknowledged at the moment; undefined: it is, as far as is known. */
  problem(): string | undefined
  /** Stores what there is; what is not stored in time is answered as unavailable. */
  stop(graceMs: number): Promise<void>
}

type Waiter = { from: number; to: number; rejected: RejectCounts; settle: (outcome: ExportOutcome) => void }
type Batch = {
  block: SpanBlock
  waiters: Waiter[]
  /** What became of its rows, as far as that is known. */
  became: Uint8Array
  bytes: number
  /** Of its first and last export, on the monotonic clock. */
  firstAt: number
  lastAt: number
}

function newBatch(block: SpanBlock, now: number): Batch {
  return { block, waiters: [], became: new Uint8Array(0), bytes: 0, firstAt: now, lastAt: now }
}

const RETRY_AFTER_MS = 1000
/** A block is held as columns and, while it is inserted, in a file in memory or in the buffers of a socket. */
const COPIES = 2

export function createBatcher(options: BatcherOptions): Batcher {
  const { sink, decode, window, limits, budget, counters, log } = options
  const prefix = randomUUID()
  let sequence = 0
  let open: Batch | undefined
  const sealed: Batch[] = []
  /** Inserted at the moment, or not answered yet. */
  const running = new Set<Batch>()
  let inserts = 0
  const spare: SpanBlock[] = []
  let timer: NodeJS.Timeout | undefined
  let timerAt = 0
  let lastStartAt = Number.NEGATIVE_INFINITY
  let stopping = false
  const state = createStoreState(sink, log)

  // Worked out when it is read.
  Object.defineProperty(counters, 'queueAgeSeconds', {
    enumerable: true,
    get() {
      const waiting = [...running, ...sealed, ...(open === undefined ? [] : [open])]
      const now = performance.now()
      return Math.max(0, ...waiting.map(({ firstAt }) => (now - firstAt) / 1000))
    },
  })

  function submit(request: Uint8Array): Promise<ExportOutcome> {
    if (stopping) return Promise.resolve(unavailable('the receiver is stopping'))
    const now = performance.now()
    open ??= newBatch(spare.pop() ?? createBlock(), now)
    const batch = open
    const { block } = batch
    const from = block.rows
    const outcome = decode(block, request, window())
    count(batch)
    if (outcome.kind !== 'decoded') {
      if (from === 0) discardOpen()
      return Promise.resolve(
        outcome.kind === 'malformed'
          ? { kind: 'malformed', message: outcome.reason }
          : { kind: 'too-large', message: 'the spans of the request take too much memory' },
      )
    }
    counters.received += outcome.received
    addCounts(counters.cut, outcome.cuts)
    const { rejected } = outcome
    if (outcome.rows === 0) {
      if (from === 0) discardOpen()
      addCounts(counters.rejected, rejected)
      return Promise.resolve(stored(rejected))
    }
    batch.lastAt = now
    return new Promise((settle) => {
      batch.waiters.push({ from, to: block.rows, rejected, settle })
      schedule()
    })
  }

  function count(batch: Batch): void {
    const bytes = COPIES * blockBytes(batch.block)
    budget.take(bytes - batch.bytes)
    batch.bytes = bytes
  }

  function discardOpen(): void {
    if (open === undefined) return
    budget.give(open.bytes)
    recycle(open.block)
    open = undefined
  }

  function recycle(block: SpanBlock): void {
    clearBlock(block)
    if (spare.length <= limits.concurrentInserts && blockCapacity(block) <= options.maxKeptBytes) {
      spare.push(block)
    }
  }

  /** Starts what is due, and sets the timer for what is not. */
  function schedule(): void {
    while (sealed.length > 0 && inserts < limits.concurrentInserts) run(sealed.shift()!)
    if (open === undefined) return
    const isBusy = inserts >= limits.concurrentInserts
    const { rows } = open.block
    const [enoughRows, enoughBytes] =
      inserts === 0 ? [limits.rows, limits.bytes] : [limits.maxRows, limits.maxBytes]
    if (rows >= enoughRows || open.bytes >= COPIES * enoughBytes || (stopping && !isBusy)) {
      if (isBusy) sealed.push(seal())
      else run(seal())
      return
    }
    // The end of an insert comes back here.
    if (isBusy) return
    const isSmall = rows < limits.smallRows
    const atLatest = open.firstAt + (isSmall ? limits.smallWaitMs : limits.waitMs)
    const afterLast = lastStartAt + (isSmall ? limits.smallWaitMs : limits.gapMs)
    const dueAt =
      inserts > 0
        ? open.firstAt + Math.max(limits.besideMs, limits.waitMs)
        : Math.min(atLatest, Math.max(open.lastAt + limits.quietMs, afterLast))
    const waitMs = dueAt - performance.now()
    if (waitMs <= 0) {
      run(seal())
    } else if (timer === undefined || dueAt < timerAt) {
      clearTimeout(timer)
      timerAt = dueAt
      timer = setTimeout(wake, waitMs)
    }
  }

  function wake(): void {
    timer = undefined
    schedule()
  }

  function seal(): Batch {
    const batch = open!
    open = undefined
    return batch
  }

  async function run(batch: Batch): Promise<void> {
    running.add(batch)
    inserts++
    lastStartAt = performance.now()
    const token = `${prefix}-${sequence++}`
    let isFree = false
    try {
      const { rows, failure, ...after } = await storeBlock(batch.block, token, {
        sink,
        log,
        counters,
        insertTimeoutMs: limits.insertTimeoutMs,
        retryForMs: limits.retryForMs,
        mayRetry: () => !stopping && !state.isDown(),
      })
      batch.became = rows
      isFree = after.isFree
      if (failure === undefined || rows.includes(STORED)) state.took()
      else state.failed(failure)
    } catch (error) {
      // Goes on: no answer would leave the exporters waiting for ever.
      log.error({ err: error }, 'batch failed')
    }
    inserts--
    budget.give(batch.bytes)
    if (isFree) recycle(batch.block)
    const before = inserts
    schedule()
    // The store is not to wait for its next insert until a hundred exports are answered.
    if (inserts > before) await underWay()
    settle(batch)
    running.delete(batch)
  }

  function settle(batch: Batch): void {
    const rows = batch.became
    for (const { from, to, rejected, settle } of batch.waiters) {
      let refused = 0
      let kept = 0
      for (let i = from; i < to; i++) {
        if (rows[i] === STORED) kept++
        else if (rows[i] === REFUSED) refused++
      }
      if (kept + refused < to - from) {
        settle(unavailable('the store takes no spans at the moment'))
        continue
      }
      rejected['refused-by-store'] += refused
      addCounts(counters.rejected, rejected)
      counters.acknowledged += kept
      settle(stored(rejected))
    }
    batch.waiters.length = 0
  }

  function refusal(bytes = 0): ExportOutcome | undefined {
    if (stopping) return unavailable('the receiver is stopping')
    if (!state.mayTry()) return unavailable('the store takes no spans at the moment')
    if (budget.isExhausted(bytes)) return { kind: 'busy', retryAfterMs: RETRY_AFTER_MS }
    return undefined
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true
    clearTimeout(timer)
    state.stop()
    timer = undefined
    schedule()
    const until = performance.now() + graceMs
    while ((open !== undefined || sealed.length > 0 || running.size > 0) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    for (const batch of [...running, ...sealed, ...(open === undefined ? [] : [open])]) {
      settle(batch)
    }
  }

  return { submit, refusal, problem: state.problem, stop }
}

/** What has just been handed to the store's client: that sends nothing before a timer of 0 ms, which is one of 1 ms. */
async function underWay(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 1))
}

function unavailable(message: string): ExportOutcome {
  return { kind: 'unavailable', retryAfterMs: RETRY_AFTER_MS, message }
}

function stored(rejected: RejectCounts): ExportOutcome {
  const { count, message } = describeRejects(rejected)
  return { kind: 'stored', rejected: count, message }
}
