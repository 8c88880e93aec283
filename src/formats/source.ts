import { createReadStream, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { gunzip } from './gunzip.ts'

/** Bytes to read, from a file or standard input, unpacked if they are gzip. */
export type Source = {
  /** What messages call it. */
  readonly name: string
  /** Size as stored; undefined: not known. */
  readonly sizeBytes: number | undefined
  /** Chunks of the content; `compressed()` is known with the first. */
  chunks(): AsyncIterable<Uint8Array>
  compressed(): boolean
  /** Bytes read so far, as stored. */
  readBytes(): number
}

const CHUNK_BYTES = 1024 * 1024
const GZIP_MAGIC = [0x1f, 0x8b]

/** @throws if the file is not there or is no file. */
export function openSource(path: string, stdin: Readable): Source {
  if (path === '-') return streamSource('standard input', undefined, () => stdin)
  const stats = statSync(path)
  if (stats.isDirectory()) throw new Error('expected a file, found a directory')
  // Pipes and devices say 0.
  const sizeBytes = stats.isFile() ? stats.size : undefined
  return streamSource(path, sizeBytes, () => createReadStream(path, { highWaterMark: CHUNK_BYTES }))
}

export function streamSource(name: string, sizeBytes: number | undefined, open: () => Readable): Source {
  let readBytes = 0
  let compressed = false
  return {
    name,
    sizeBytes,
    compressed: () => compressed,
    readBytes: () => readBytes,
    async *chunks() {
      const raw = counted(open())
      const { head, rest } = await takeHead(raw, GZIP_MAGIC.length)
      compressed = GZIP_MAGIC.every((byte, i) => head[i] === byte)
      if (!compressed) {
        if (head.length > 0) yield head
        yield* rest
        return
      }
      yield* gunzip(joined(head, rest), CHUNK_BYTES)
    },
  }

  async function* counted(input: Readable): AsyncGenerator<Uint8Array> {
    for await (const chunk of input) {
      const bytes: Uint8Array = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      readBytes += bytes.length
      yield bytes
    }
  }
}

/** The first bytes (at least `count`, unless there are fewer), and what follows them. */
export async function takeHead(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < count) {
    const next = await iterator.next()
    if (next.done === true) break
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  return { head, rest: { [Symbol.asyncIterator]: () => iterator } }
}

async function* joined(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head
  yield* rest
}
