import { unzip } from 'node:zlib'

export type Unpack = (bytes: Uint8Array) => Promise<UnpackOutcome>
export type UnpackOutcome =
  | { kind: 'bytes'; bytes: Buffer }
  | { kind: 'too-large' }
  | { kind: 'malformed'; message: string }

/** At most this many at a time: what is unpacked and not yet counted stays within so many messages. */
const CONCURRENT = 4

/** Unpacks a body of gzip or zlib (`deflate`); one that grows beyond `maxBytes` is stopped there. */
export function createUnpack(maxBytes: number): Unpack {
  let running = 0
  const queue: (() => void)[] = []
  return async (bytes) => {
    if (running === CONCURRENT) await new Promise<void>((resolve) => queue.push(resolve))
    else running++
    try {
      return await new Promise<UnpackOutcome>((resolve) => {
        unzip(bytes, { maxOutputLength: maxBytes }, (error, unpacked) => {
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
