import type { SpanSink } from './file-span.ts'
import { RESOURCE_SPANS, readResourceSpans } from './otlp-protobuf.ts'
import { FormatError } from './problem.ts'
import type { ReadOptions } from './read.ts'
import { BYTES, fault, readVarint, skipField, type Wire } from './wire.ts'

/**
 * Reads OTLP export requests from chunks: one request, requests simply joined (protobuf makes one of them), or the
 * Collector's file exporter with `format: proto`, which puts the length of each request before it as 4 bytes, big end
 * first. Memory is bounded by the longest ResourceSpans.
 */
export function createTraceProtobufReader(sink: SpanSink, options: ReadOptions) {
  /** Bytes not read yet, and the offset of the first in the file. */
  let rest: Buffer = Buffer.alloc(0)
  let base = 0
  /** How many bytes there must be before it is worth trying again. */
  let needed = 1
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  let framed: boolean | undefined
  /** Where the request at hand ends; without frames, never. */
  let requestEnd = Number.POSITIVE_INFINITY
  let broken = false

  return {
    write(chunk: Uint8Array): void {
      if (broken) return
      pending.push(chunk)
      pendingBytes += chunk.length
      if (rest.length + pendingBytes < needed) return
      rest = Buffer.concat([rest, ...pending])
      pending = []
      pendingBytes = 0
      attempt(false)
    },
    end(): void {
      if (broken) return
      rest = Buffer.concat([rest, ...pending])
      attempt(true)
    },
  }

  function attempt(last: boolean): void {
    const wire: Wire = { bytes: rest, at: 0, base }
    try {
      while (wire.at < rest.length) {
        const start = wire.at
        const missing = readNext(wire)
        if (missing === 0) continue
        wire.at = start
        needed = rest.length - start + missing
        if (last) {
          wire.at = rest.length
          const unframed = requestEnd === Number.POSITIVE_INFINITY
          const more = unframed ? missing : Math.max(missing, requestEnd - base - wire.at)
          fault(wire, `${more} more bytes`)
        }
        break
      }
      if (wire.at === rest.length) needed = 1
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      broken = true
      sink.abandon()
      options.onProblem(error)
    }
    base += wire.at
    rest = rest.subarray(wire.at)
  }

  /** Reads a frame's length or one field of a request, if it is all there; else how many bytes are missing at least. */
  function readNext(wire: Wire): number {
    framed ??= wire.bytes[0] !== RESOURCE_SPANS
    if (framed && (requestEnd === Number.POSITIVE_INFINITY || wire.base + wire.at === requestEnd)) {
      if (rest.length - wire.at < 4) return 4 - (rest.length - wire.at)
      const length = wire.bytes.readUInt32BE(wire.at)
      wire.at += 4
      requestEnd = wire.base + wire.at + length
      return 0
    }
    const tag = tryVarint(wire)
    if (tag === undefined) return 1
    if ((tag & 7) !== BYTES) {
      const start = wire.at
      if (rest.length - start < 10 && requestEnd - wire.base > rest.length) return 10
      skipField(wire, tag & 7, rest.length)
      return 0
    }
    const length = tryVarint(wire)
    if (length === undefined) return 1
    const end = wire.at + length
    if (wire.base + end > requestEnd) fault(wire, `a field within its request, found a length of ${length}`)
    if (end > rest.length) return end - rest.length
    if (tag === RESOURCE_SPANS) readResourceSpans(wire, end, sink, options)
    else wire.at = end
    return 0
  }

  function tryVarint(wire: Wire): number | undefined {
    for (let i = wire.at; i < rest.length && i < wire.at + 10; i++) {
      if (rest[i]! < 0x80) return readVarint(wire, rest.length)
    }
    return rest.length - wire.at >= 10 ? readVarint(wire, rest.length) : undefined
  }
}
