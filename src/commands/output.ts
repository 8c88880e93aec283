import { once } from 'node:events'

/** Text on its way to a stream that may be slower than we are, or closed early (`| head`). */
export type Output = {
  /** To be awaited where much is written. */
  write(text: string): Promise<void>
  end(): Promise<void>
}

const BUFFERED_CHARACTERS = 64 * 1024

export function createOutput(stream: NodeJS.WritableStream): Output {
  let buffered = ''
  let closed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    closed = true
    if (error.code !== 'EPIPE') throw error
  })

  async function flush(): Promise<void> {
    const text = buffered
    buffered = ''
    if (closed || text === '' || stream.write(text)) return
    // `close` comes instead of `drain` when the reader went away.
    const settled = new AbortController()
    const { signal } = settled
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(() => {})
    settled.abort()
  }

  return {
    async write(text) {
      buffered += text
      if (buffered.length >= BUFFERED_CHARACTERS) await flush()
    },
    end: flush,
  }
}
