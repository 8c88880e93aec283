import type { Logger } from 'pino'
import type { Batcher } from './batcher.ts'
import type { ReceiverCounters } from './counters.ts'
import type { JsonReader } from './json-reader.ts'
import type { ExportOutcome } from './outcome.ts'
import type { Unpack } from './unpack.ts'

/** What both edges do with a request once they have its bytes. */
export type Intake = {
  /** Before a body is read: why it will not be, if so. */
  refusal(bytes?: number): ExportOutcome | undefined
  /**
   * The whole way of one export. The caller has counted `body` into the budget, and counts it out. What is not packed has
   * been decoded when this returns, and `body` is not needed any more.
   */
  accept(
    body: Uint8Array,
    encoding: 'packed' | 'identity',
    format: 'protobuf' | 'json',
  ): Promise<ExportOutcome>
  count(transport: 'grpc' | 'http', outcome: ExportOutcome): void
  /** Metrics and logs, which one endpoint setting sends here too. */
  discard(signal: 'metrics' | 'logs'): void
}

export type IntakeOptions = {
  batcher: Batcher
  unpack: Unpack
  json: JsonReader
  counters: ReceiverCounters
  log: Logger
}

export function createIntake({ batcher, unpack, json, counters, log }: IntakeOptions): Intake {
  const warned = new Set<string>()

  async function accept(
    body: Uint8Array,
    encoding: 'packed' | 'identity',
    format: 'protobuf' | 'json',
  ): Promise<ExportOutcome> {
    counters.bytesReceived += body.length
    if (encoding === 'identity') return decode(body, format)
    const unpacked = await unpack(body)
    if (unpacked.kind === 'malformed') return unpacked
    if (unpacked.kind === 'too-large') {
      return { kind: 'too-large', message: 'the request unpacks to more than is allowed' }
    }
    return decode(unpacked.bytes, format)
  }

  async function decode(bytes: Uint8Array, format: 'protobuf' | 'json'): Promise<ExportOutcome> {
    if (format === 'protobuf') return batcher.submit(bytes)
    const read = await json.read(bytes)
    return read.kind === 'bytes' ? batcher.submit(read.bytes) : read
  }

  return {
    refusal: batcher.refusal,
    accept,
    count(transport, outcome) {
      counters.requests[transport]++
      counters.outcomes[outcome.kind]++
      if (outcome.kind !== 'stored' || outcome.rejected === 0 || warned.has('rejected')) return
      warned.add('rejected')
      log.warn({ reasons: outcome.message }, 'spans rejected; further ones are counted only')
    },
    discard(signal) {
      counters.discarded[signal]++
      if (warned.has(signal)) return
      warned.add(signal)
      log.warn({ signal }, 'only traces are kept: this signal is accepted and discarded')
    },
  }
}
