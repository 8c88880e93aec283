import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib'

/** What has been read and not been used yet. */
type Input = {
  bytes: Buffer
  /** Reads until so many bytes are there, or no more come. */
  fill(count: number): Promise<void>
}

/**
 * Gzip members, one after the other (RFC 1952); zeros behind the last are ignored, as gunzip does. Node's own streams keep to
 * themselves what they have just unpacked when a checksum is wrong or garbage follows; here it comes first.
 * @throws Error that says what is wrong
 */
export async function* gunzip(
  chunks: AsyncIterable<Uint8Array>,
  chunkBytes: number,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  const input = inputOf(iterator)
  try {
    for (let member = 0; ; member++) {
      await input.fill(1)
      if (member > 0 && (input.bytes.length === 0 || input.bytes[0] === 0)) return
      await passHeader(input)
      let sum = 0
      let size = 0
      for await (const chunk of inflated(input, createInflateRaw({ chunkSize: chunkBytes }))) {
        sum = crc32(chunk, sum)
        size = (size + chunk.length) >>> 0
        yield chunk
      }
      const tail = await take(input, 8)
      if (tail.readUInt32LE(0) !== sum) throw new Error('incorrect data check')
      if (tail.readUInt32LE(4) !== size) throw new Error('incorrect length check')
    }
  } finally {
    await iterator.return?.()
  }
}

function inputOf(iterator: AsyncIterator<Uint8Array>): Input {
  return {
    bytes: Buffer.alloc(0),
    async fill(count) {
      while (this.bytes.length < count) {
        const { done, value } = await iterator.next()
        if (done === true) return
        const chunk = Buffer.from(value.buffer, value.byteOffset, value.length)
        this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk])
      }
    },
  }
}

async function take(input: Input, count: number): Promise<Buffer> {
  await input.fill(count)
  if (input.bytes.length < count) throw new Error('unexpected end of file')
  const taken = input.bytes.subarray(0, count)
  input.bytes = input.bytes.subarray(count)
  return taken
}

const MAGIC = [0x1f, 0x8b]
const DEFLATE = 8
const FLAGS = { checksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const

async function passHeader(input: Input): Promise<void> {
  const magic = await take(input, 2)
  if (MAGIC.some((byte, i) => magic[i] !== byte)) throw new Error('incorrect header check')
  const head = await take(input, 8)
  const flags = head[1]!
  if (head[0] !== DEFLATE) throw new Error('unknown compression method')
  if ((flags & FLAGS.reserved) !== 0) throw new Error('unknown header flags set')
  if ((flags & FLAGS.extra) !== 0) await take(input, (await take(input, 2)).readUInt16LE(0))
  for (const text of [FLAGS.name, FLAGS.comment]) {
    if ((flags & text) === 0) continue
    while ((await take(input, 1))[0] !== 0);
  }
  if ((flags & FLAGS.checksum) !== 0) await take(input, 2)
}

/** What is unpacked up to where it ends; what follows stays in `input`. */
async function* inflated(input: Input, inflate: InflateRaw): AsyncGenerator<Uint8Array> {
  const closed = new Promise<void>((resolve) => inflate.once('close', resolve))
  const feed = async () => {
    while (!inflate.destroyed) {
      await input.fill(1)
      const { bytes } = input
      if (bytes.length === 0) {
        inflate.end()
        return
      }
      const before = inflate.bytesWritten
      // It never says that it has taken what it ends within.
      await Promise.race([closed, new Promise((resolve) => inflate.write(bytes, resolve))])
      input.bytes = bytes.subarray(inflate.bytesWritten - before)
    }
  }
  const feeding = feed().catch((error: Error) => inflate.destroy(error))
  try {
    for await (const chunk of inflate) yield chunk as Uint8Array
  } finally {
    inflate.destroy()
    await feeding
  }
}
