/** A thread that turns OTLP/JSON into protobuf, one request after the other, for json-reader.ts. */
import { parentPort } from 'node:worker_threads'
import type { JsonAnswer, JsonQuestion } from './json-reader.ts'
import { readJson } from './json-request.ts'

parentPort!.on('message', ({ id, json, maxObjectBytes }: JsonQuestion) => {
  const outcome = readJson(json, maxObjectBytes)
  const answer: JsonAnswer = { id, outcome }
  // Its memory is handed over where it is all of it.
  const isWhole = outcome.kind === 'bytes' && outcome.bytes.byteLength === outcome.bytes.buffer.byteLength
  parentPort!.postMessage(answer, isWhole ? [outcome.bytes.buffer as ArrayBuffer] : [])
})
