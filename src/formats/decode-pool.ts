import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../thread.ts'
import { type DecodedBatch, type EncodedBatch, SPAN_SOURCES } from './decoded-batch.ts'
import type { Resource } from './file-span.ts'
import { FormatError } from './problem.ts'
import type { ReadOptions, SpanPipes } from './read.ts'
import { createPipe, type ResourceFinder } from './span-pipe.ts'
import type { SpanTable } from './span-table.ts'

/** Decodes the spans of large files on all cores. What comes out is the same, and in the same order. */
export type DecodePool = SpanPipes & { close(): Promise<void> }

const WORKER = new URL('./decode-worker.ts', import.meta.url)
/** One message costs some 50 us; a batch is decoded in about 10 ms. */
const BATCH_BYTES = 1024 * 1024
const BATCH_SPANS = 8192
/** Batches under way for each worker: the one it works at, and the next. */
const BATCHES_A_WORKER = 2

/** Spans that are on their way to a worker, at it, or back; `actions` are to be done before the input of that index. */
type Batch = {
  id: number
  encoded: EncodedBatch
  resources: Resource[]
  actions: { before: number; run: () => void }[]
  find: ResourceFinder
  onProblem: ReadOptions['onProblem']
  worker: WorkerState | undefined
  decoded: DecodedBatch | undefined
}

type WorkerState = {
  thread: Worker
  underWay: number
  /** This worker's numbers of shape parts and details, as the table's; its owners. */
  parts: number[]
  details: number[]
  owners: DecodedBatch['newOwners']
}

/**
 * The first spans are decoded right here: small inputs start no worker, and their attributes are kept (see
 * span-table.ts).
 */
export function createDecodePool(table: SpanTable, workerCount = availableParallelism()): DecodePool {
  const workers: WorkerState[] = []
  /** In the order of the file; the last one may still be filling. */
  const batches: Batch[] = []
  let filling: Batch | undefined
  let nextId = 0
  let failure: Error | undefined
  let wake: (() => void) | undefined

  return {
    create(sink, find, options) {
      const here = createPipe(sink, find, options)
      return {
        span(source, json, at, resource, scope) {
          if (table.keepsAttributes() && batches.length === 0) {
            here.span(source, json, at, resource, scope)
            return
          }
          const batch = (filling ??= newBatch(find, options.onProblem))
          const { encoded, resources } = batch
          const i = resources.push(resource) - 1
          const from = i === 0 ? 0 : encoded.ends[i - 1]!
          if (from + json.length > encoded.bytes.length)
            encoded.bytes = widened(encoded.bytes, from, json.length)
          encoded.bytes.set(json, from)
          encoded.ends[i] = from + json.length
          encoded.sources[i] = SPAN_SOURCES.indexOf(source)
          encoded.byteAt[i] = at.byte
          encoded.lineAt[i] = at.line ?? 0
          if (encoded.ends[i]! >= BATCH_BYTES || resources.length === BATCH_SPANS) dispatch()
        },
        later(run) {
          const last = filling ?? batches.at(-1)
          if (last === undefined) run()
          else last.actions.push({ before: last.resources.length, run })
        },
      }
    },
    catchUp: () => settle(BATCHES_A_WORKER * workerCount),
    async drain() {
      dispatch()
      await settle(0)
    },
    async close() {
      await Promise.all(workers.map(({ thread }) => thread.terminate()))
    },
  }

  function newBatch(find: ResourceFinder, onProblem: ReadOptions['onProblem']): Batch {
    const encoded = {
      id: nextId++,
      bytes: new Uint8Array(BATCH_BYTES + BATCH_BYTES / 8),
      ends: new Uint32Array(BATCH_SPANS),
      sources: new Uint8Array(BATCH_SPANS),
      byteAt: new Float64Array(BATCH_SPANS),
      lineAt: new Uint32Array(BATCH_SPANS),
    }
    const batch = {
      id: encoded.id,
      encoded,
      resources: [],
      actions: [],
      find,
      onProblem,
      worker: undefined,
      decoded: undefined,
    }
    batches.push(batch)
    return batch
  }

  function dispatch(): void {
    if (filling === undefined) return
    const batch = filling
    filling = undefined
    const { encoded, resources } = batch
    encoded.ends = encoded.ends.subarray(0, resources.length)
    const worker = leastBusy()
    batch.worker = worker
    worker.underWay++
    worker.thread.postMessage(encoded, [
      encoded.bytes.buffer as ArrayBuffer,
      encoded.byteAt.buffer as ArrayBuffer,
      encoded.lineAt.buffer as ArrayBuffer,
    ])
  }

  function leastBusy(): WorkerState {
    if (workers.length < workerCount) workers.push(startWorker())
    return workers.reduce((a, b) => (b.underWay < a.underWay ? b : a))
  }

  function startWorker(): WorkerState {
    const thread = startThread(WORKER)
    const worker: WorkerState = { thread, underWay: 0, parts: [], details: [], owners: [] }
    thread.on('message', (decoded: DecodedBatch) => {
      worker.underWay--
      const batch = batches.find(({ id }) => id === decoded.id)!
      batch.decoded = decoded
      wake?.()
    })
    thread.on('error', (cause) => {
      failure = new Error('a decoding thread failed', { cause })
      wake?.()
    })
    return worker
  }

  /** Takes in what has come back, and waits until at most `most` batches are under way. */
  async function settle(most: number): Promise<void> {
    for (;;) {
      if (failure !== undefined) throw failure
      while (batches[0]?.decoded !== undefined) takeIn(batches.shift()!)
      const underWay = batches.length - (filling === undefined ? 0 : 1)
      if (underWay <= most) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  function takeIn({ decoded, worker, resources, actions, find, onProblem }: Batch): void {
    const { columns, input, part, owner, newParts, newDetails, newOwners, problems } = decoded!
    const { parts, details, owners } = worker!
    for (const key of newParts) parts.push(table.partOf(key))
    for (const key of newDetails) details.push(table.detailOf(key))
    owners.push(...newOwners)
    let row = 0
    const rowsBefore = (before: number) => {
      const from = row
      while (row < columns.count && input[row]! < before) row++
      table.addRows(
        columns,
        from,
        row,
        (at) => parts[part[at]!]!,
        (at) => details[columns.detail[at]!]!,
        resourceOf,
      )
    }
    for (const { before, run } of actions) {
      rowsBefore(before)
      run()
    }
    rowsBefore(Number.POSITIVE_INFINITY)
    for (const { message, byte, line } of problems) {
      onProblem(
        new FormatError(
          message,
          byte === undefined ? undefined : { byte, ...(line === undefined ? {} : { line }) },
        ),
      )
    }

    function resourceOf(at: number): Resource {
      if (owner[at] === 0) return resources[input[at]!]!
      const whose = owners[owner[at]! - 1]!
      return 'process' in whose ? find.process(whose.process) : find.own(whose.own)
    }
  }
}

function widened(bytes: Uint8Array, filled: number, more: number): Uint8Array {
  const wide = new Uint8Array(filled + more)
  wide.set(bytes.subarray(0, filled))
  return wide
}
