import type { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { startThread } from '../thread.ts'
import { type JsonOutcome, readJson } from './json-request.ts'
import type { ExportOutcome } from './outcome.ts'

export type JsonQuestion = { id: number; json: Uint8Array; maxObjectBytes: number }
export type JsonAnswer = { id: number; outcome: JsonOutcome }

export type JsonReader = {
  /** OTLP/JSON to the protobuf it stands for. `unavailable`: the thread has ended. */
  read(json: Uint8Array): Promise<JsonOutcome | (ExportOutcome & { kind: 'unavailable' })>
  close(): void
}

/** Some 10 ms of this thread. */
const SHORT_BYTES = 128 * 1024
const UNAVAILABLE = {
  kind: 'unavailable',
  retryAfterMs: 1000,
  message: 'JSON is not read at the moment',
} as const

/**
 * Reads short requests at once and long ones, which take up to seconds, in a thread of their own, one after the other: all
 * other exports go on meanwhile.
 */
export function createJsonReader(maxObjectBytes: number, log: Logger): JsonReader {
  const waiting = new Map<number, (outcome: Awaited<ReturnType<JsonReader['read']>>) => void>()
  let thread: Worker | undefined
  let questions = 0

  function start(): Worker {
    const started = startThread(new URL('./json-thread.ts', import.meta.url))
    // It keeps no process from ending.
    started.unref()
    started.on('message', ({ id, outcome }: JsonAnswer) => {
      waiting.get(id)?.(outcome)
      waiting.delete(id)
    })
    started.on('error', (error) => log.error({ err: error }, 'the thread that reads JSON failed'))
    started.on('exit', () => {
      thread = undefined
      for (const answer of waiting.values()) answer(UNAVAILABLE)
      waiting.clear()
    })
    return started
  }

  return {
    async read(json) {
      if (json.length <= SHORT_BYTES) return readJson(json, maxObjectBytes)
      thread ??= start()
      const to = thread
      const id = questions++
      return new Promise((resolve) => {
        waiting.set(id, resolve)
        const question: JsonQuestion = { id, json, maxObjectBytes }
        to.postMessage(question)
      })
    },
    close() {
      void thread?.terminate()
    },
  }
}
