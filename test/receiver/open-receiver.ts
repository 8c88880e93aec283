import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import protobuf from 'protobufjs'
import { type ReceiverHandle, type ReceiverOptions, startReceiver } from '../../src/receiver/server.ts'
import { createMemorySink, type MemorySink } from './memory-sink.ts'

const open: ReceiverHandle[] = []

type LogLine = { msg: string; level: number }

/** A receiver on free ports that keeps its rows in memory. `stopReceivers` after each test. */
export async function openReceiver(
  options: Omit<Partial<ReceiverOptions>, 'sink'> & { sink?: MemorySink } = {},
): Promise<{ receiver: ReceiverHandle; sink: MemorySink; logged: () => LogLine[] }> {
  const lines: LogLine[] = []
  const destination = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)))
      done()
    },
  })
  const sink = options.sink ?? createMemorySink()
  const receiver = await startReceiver({
    grpc: '127.0.0.1:0',
    http: '127.0.0.1:0',
    retentionDays: 7,
    log: pino({}, destination),
    ...options,
    // Small batches are what tests send.
    batches: { smallRows: 0, ...options.batches },
    sink,
  })
  open.push(receiver)
  return { receiver, sink, logged: () => lines }
}

export async function stopReceivers(): Promise<void> {
  await Promise.all(open.splice(0).map((receiver) => receiver.stop(0)))
}

export function tlsFile(name: string): string {
  return join(import.meta.dirname, 'tls', name)
}

export async function waitFor(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

const { root } = protobuf.parse(`syntax = "proto3";
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
  message RetryInfo { Duration retry_delay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }`)

/** google.rpc.Status, its RetryInfo in ms. */
export function readStatus(bytes: Uint8Array): { code: number; message: string; retryAfterMs?: number } {
  const { code, message, details } = root.lookupType('Status').decode(bytes) as unknown as {
    code: number
    message: string
    details: { typeUrl: string; value: Uint8Array }[]
  }
  const retry = details.find(({ typeUrl }) => typeUrl === 'type.googleapis.com/google.rpc.RetryInfo')
  if (retry === undefined) return { code, message }
  const { retryDelay } = root.lookupType('RetryInfo').decode(retry.value) as unknown as {
    retryDelay: { seconds: { toString(): string }; nanos: number }
  }
  return { code, message, retryAfterMs: Number(retryDelay.seconds) * 1000 + retryDelay.nanos / 1e6 }
}
