import type { SpanSink } from './file-span.ts'
import { FormatError } from './problem.ts'
import { type Source, takeHead } from './source.ts'
import type { ResourceFinder, SpanPipe } from './span-pipe.ts'
import { createTraceJsonReader } from './trace-json.ts'
import { createTraceProtobufReader } from './trace-protobuf.ts'

/** How spans get from the scanner to the sink; one after the other, if not said otherwise. */
export type SpanPipes = {
  create(sink: SpanSink, find: ResourceFinder, options: ReadOptions): SpanPipe
  /** Waits until not too many spans are under way, or none. */
  catchUp(): Promise<void>
  drain(): Promise<void>
}

export type ReadOptions = {
  pipes?: SpanPipes
  /** Also what only `import` needs: events, links, messages. */
  withRest?: boolean
  /** Something is wrong with the file; what can be read of it is. */
  onProblem: (problem: FormatError) => void
  /** After every chunk, with the time it took to decode: for progress, and for sinks that have to catch up; reading waits for it. */
  onChunk?: (decodeMs: number) => void | Promise<void>
}

const EXPECTED = 'a trace file (OTLP, Jaeger or Zipkin v2 JSON, OTLP protobuf)'
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
  let failed = false
  const chunks = source.chunks()[Symbol.asyncIterator]()
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await chunks.next()
    } catch (cause) {
      failed = true
      await options.pipes?.drain()
      sink.abandon()
      const what = source.compressed() ? 'gzip data' : 'a readable file'
      const problem = `expected ${what}: ${cause instanceof Error ? cause.message : String(cause)}`
      options.onProblem(new FormatError(problem, { byte: offset }, { cause }))
      return { done: true, value: undefined }
    }
  }
  const { head, rest } = await takeHead({ [Symbol.asyncIterator]: () => ({ next }) }, HEAD_BYTES)
  const text = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1')
  const reader = FORMATS.find(({ applies }) => applies(text))?.create(sink, options)
  if (reader === undefined) {
    // A file that broke off this early has been reported.
    if (!failed) options.onProblem(new FormatError(`expected ${EXPECTED}, found ${shown(text)}`, { byte: 0 }))
    await chunks.return?.()
    return
  }
  await decode(withoutMark(head))
  for await (const chunk of rest) await decode(chunk)
  if (!failed) reader.end()
  await options.pipes?.drain()

  async function decode(chunk: Uint8Array): Promise<void> {
    const startMs = performance.now()
    reader!.write(chunk)
    offset += chunk.length
    await options.pipes?.catchUp()
    await options.onChunk?.(performance.now() - startMs)
  }
}

/** The head with spaces for the byte order mark: positions stay what they are. */
function withoutMark(head: Uint8Array): Uint8Array {
  if (head[0] !== 0xef || head[1] !== 0xbb || head[2] !== 0xbf) return head
  return Uint8Array.from(head, (byte, i) => (i < 3 ? 0x20 : byte))
}

/** What the file begins with instead. */
function shown(head: string): string {
  if (head === '') return 'an empty file'
  return /^(?:\xff\xfe|\xfe\xff)/.test(head)
    ? 'UTF-16 text (save it as UTF-8)'
    : JSON.stringify(head.slice(0, 16))
}
