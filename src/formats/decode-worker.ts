import { parentPort } from 'node:worker_threads'
import { createBatchDecoder, type EncodedBatch } from './decoded-batch.ts'

/** Entry of the threads that decode-pool.ts starts: a batch in, the same batch as columns out. */
const decode = createBatchDecoder()

parentPort!.on('message', (batch: EncodedBatch) => {
  const decoded = decode(batch)
  const { columns, input, part, owner } = decoded
  const { traceHigh, traceLow, spanId, parentId, start, end, status, weight } = columns
  const arrays = [
    traceHigh,
    traceLow,
    spanId,
    parentId,
    start,
    end,
    status,
    weight,
    columns.shape,
    input,
    part,
    owner,
  ]
  parentPort!.postMessage(
    decoded,
    arrays.map((array) => array.buffer as ArrayBuffer),
  )
})
