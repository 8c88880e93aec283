import { parentPort } from 'node:worker_threads'
import { NARROW, WIDE } from '../trace/columns.ts'
import { createBatchDecoder, type EncodedBatch } from './decoded-batch.ts'

/** Entry of the threads that decode-pool.ts starts: a batch in, the same batch as columns out. */
const decode = createBatchDecoder()

parentPort!.on('message', (batch: EncodedBatch) => {
  const decoded = decode(batch)
  const { columns, input, part, owner } = decoded
  const arrays = [...[...WIDE, ...NARROW].map((name) => columns[name]), columns.status, input, part, owner]
  parentPort!.postMessage(
    decoded,
    arrays.map((array) => array.buffer as ArrayBuffer),
  )
})
