import { availableParallelism } from 'node:os'
import { unzip, unzipSync } from 'node:zlib'

export type Unpack = (bytes: Uint8Array) => Promise<UnpackOutcome>
export type UnpackOutcome =
  | { kind: 'bytes'; bytes: Buffer }
  | { kind: 'too-large' }
  | { kind: 'malformed'; message: string }

/**
 * At most this many at a time: what is unpacked and not yet counted stays within so many messages, and messages that
 * unpack to a thousand times their size leave others half of the processors.
 */
const CONCURRENT = Math.min(4, Math.max(1, availableParallelism() >> 1))
/** Each comes by the event loop; Node's 16 KiB take twice the time. */
const CHUNK_BYTES = 256 * 1024

/** Unpacks a body of gzip or zlib (`deflate`); one that grows beyond `maxBytes` is stopped there. */
export function createUnpack(maxBytes: number): Unpack {
  let running = 0
  const queue: (() => void)[] = []
  return async (bytes) => {
    const short = unpackShort(bytes, maxBytes)
    if (short !== undefined) return { kind: 'bytes', bytes: short }
    if (running === CONCURRENT) await new Promise<void>((resolve) => queue.push(resolve))
    else running++
    try {
      return await new Promise<UnpackOutcome>((resolve) => {
        unzip(bytes, { maxOutputLength: maxBytes, chunkSize: CHUNK_BYTES }, (error, unpacked) => {
          if (error === null) resolve({ kind: 'bytes', bytes: unpacked })
          else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
            resolve({ kind: 'too-large' })
          } else resolve({ kind: 'malformed', message: `cannot be unpacked: ${error.message}` })
        })
      })
    } finally {
      // The place is handed on, or given up.
      const next = queue.shift()
      if (next === undefined) running--
      else next()
    }
  }
}

/** Head and tail; the tail ends with the length of what is packed. */
const MIN_GZIP_BYTES = 18
/** Some ms of this thread at the most. */
const SHORT_BYTES = 1024 * 1024
/** zlib asks for more room once there is none left, even if it is done. */
const ROOM = 64

/**
 * Unpacks gzip of what says to be no longer than SHORT_BYTES, at once and into memory of the right size: a third of the time
 * of a way through zlib's threads, chunk by chunk. undefined: it is none, or is not what it says.
 */
function unpackShort(bytes: Uint8Array, maxBytes: number): Buffer | undefined {
  const { length } = bytes
  if (length < MIN_GZIP_BYTES || length > SHORT_BYTES || bytes[0] !== 0x1f || bytes[1] !== 0x8b)
    return undefined
  const size = new DataView(bytes.buffer, bytes.byteOffset, length).getUint32(length - 4, true)
  if (size === 0 || size > SHORT_BYTES || size > maxBytes) return undefined
  try {
    return unzipSync(bytes, { maxOutputLength: size, chunkSize: size + ROOM })
  } catch {
    return undefined
  }
}
