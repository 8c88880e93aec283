import type { SpanSink } from './file-span.ts'
import { FormatError } from './problem.ts'
import { type Source, takeHead } from './source.ts'
import { createTraceJsonReader } from './trace-json.ts'
import { createTraceProtobufReader } from './trace-protobuf.ts'

export type ReadOptions = {
  /** Also what only `import` needs: events, links, messages. */
  withRest?: boolean
  /** Something is wrong with the file; what can be read of it is. */
  onProblem: (problem: FormatError) => void
  /** After every chunk, with the time it took to decode: for progress, and for sinks that have to catch up; reading waits for it. */
  onChunk?: (decodeMs: number) => void | Promise<void>
}

/** So many first bytes tell the format. */
const HEAD_BYTES = 256

type ChunkReader = { write(chunk: Uint8Array): void; end(): void }

/** JSON, after white space and a byte order mark. */
const JSON_START = /^(?:\xef\xbb\xbf)?[\t\n\r ]*[[{]/

/** Whether there are control characters that JSON text never contains and protobuf always does (tags, lengths). */
function isBinary(head: string): boolean {
  for (let i = 0; i < head.length; i++) {
    if (head.charCodeAt(i) < 0x20 && !'\t\n\r'.includes(head[i]!)) return true
  }
  return false
}

/** Field 1 of a request (0x0a), or the first byte of a length below 160 MB before one. */
function startsAsProtobuf(head: string): boolean {
  return head.charCodeAt(0) <= 0x0a
}

const FORMATS: readonly {
  applies: (head: string) => boolean
  create: (sink: SpanSink, options: ReadOptions) => ChunkReader
}[] = [
  { applies: (head) => JSON_START.test(head) && !isBinary(head), create: createTraceJsonReader },
  { applies: (head) => startsAsProtobuf(head) && isBinary(head), create: createTraceProtobufReader },
]

/**
 * Reads a trace file of any format into the sink. Problems with what is in it are reported, and what can be read is
 * read; a file that cannot be read as such is one more problem. Never throws but for faults of the sink.
 */
export async function readTraces(source: Source, sink: SpanSink, options: ReadOptions): Promise<void> {
  let offset = 0
  const chunks = source.chunks()[Symbol.asyncIterator]()
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await chunks.next()
    } catch (cause) {
      sink.abandon()
      const what = source.compressed() ? 'gzip data' : 'a readable file'
      const problem = `expected ${what}: ${cause instanceof Error ? cause.message : String(cause)}`
      options.onProblem(new FormatError(problem, { byte: offset }, { cause }))
      return { done: true, value: undefined }
    }
  }
  const { head, rest } = await takeHead({ [Symbol.asyncIterator]: () => ({ next }) }, HEAD_BYTES)
  const reader = readerOf(head, sink, options)
  if (reader === undefined) {
    await chunks.return?.()
    return
  }
  await decode(head)
  for await (const chunk of rest) await decode(chunk)
  reader.end()

  async function decode(chunk: Uint8Array): Promise<void> {
    const startMs = performance.now()
    reader!.write(chunk)
    offset += chunk.length
    await options.onChunk?.(performance.now() - startMs)
  }
}

function readerOf(head: Uint8Array, sink: SpanSink, options: ReadOptions): ChunkReader | undefined {
  const text = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1')
  const format = FORMATS.find(({ applies }) => applies(text))
  if (format !== undefined) return format.create(sink, options)
  const found =
    head.length === 0
      ? 'an empty file'
      : /^(?:\xff\xfe|\xfe\xff)/.test(text)
        ? 'UTF-16 text (save it as UTF-8)'
        : JSON.stringify(text.slice(0, 16))
  options.onProblem(
    new FormatError(`expected a trace file (OTLP, Jaeger or Zipkin v2 JSON, OTLP protobuf), found ${found}`, {
      byte: 0,
    }),
  )
  return undefined
}
