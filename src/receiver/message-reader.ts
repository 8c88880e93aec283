/** Of a gRPC message: whether it is packed, and its length. */
const PREFIX_BYTES = 5
/** What is kept to be used again: so many messages, of so many bytes at the most. */
const KEPT = 8
const KEPT_BYTES = 4 * 1024 * 1024

/**
 * Memory for messages that are put together of chunks. Without it each takes some new, which V8 counts and collects
 * garbage for, every some dozen exports.
 */
export type MessageMemory = {
  take(bytes: number): Buffer
  /** What `take` gave, or a part of it, is used again from now on; other buffers, and what was given, are left alone. */
  give(buffer: Buffer): void
}

export function createMessageMemory(): MessageMemory {
  const out = new WeakSet<ArrayBufferLike>()
  const spare: Buffer[] = []
  return {
    take(bytes) {
      const last = spare.pop()
      const memory = last !== undefined && last.length >= bytes ? last : Buffer.allocUnsafeSlow(bytes)
      out.add(memory.buffer)
      return memory.subarray(0, bytes)
    },
    give({ buffer }) {
      if (!out.delete(buffer) || spare.length === KEPT || buffer.byteLength > KEPT_BYTES) return
      spare.push(Buffer.from(buffer))
    },
  }
}

/**
 * Cuts a call's bytes into messages, prefix included; in the place of the one that a call of grpc-js has. A message takes
 * memory once it is there as a whole: what its prefix says is not believed.
 */
export function createMessageReader(maxBytes: number, memory: MessageMemory) {
  let chunks: Buffer[] = []
  let held = 0
  /** Of the message at hand with its prefix; as long as that is not all there, of the prefix. */
  let length = PREFIX_BYTES

  return {
    /** @throws Error for a message that is larger than it may be */
    write(data: Buffer): Buffer[] {
      const messages: Buffer[] = []
      let at = 0
      while (at < data.length) {
        if (held === 0 && data.length - at >= PREFIX_BYTES) length = lengthBy(data.subarray(at))
        const chunk = data.subarray(at, at + length - held)
        chunks.push(chunk)
        at += chunk.length
        held += chunk.length
        if (held === PREFIX_BYTES && length === PREFIX_BYTES) length = lengthBy(Buffer.concat(chunks))
        if (held < length) continue
        messages.push(chunks.length === 1 ? chunk : together())
        chunks = []
        held = 0
        length = PREFIX_BYTES
      }
      return messages
    },
  }

  function lengthBy(prefix: Buffer): number {
    const bytes = prefix.readUInt32BE(1)
    if (bytes > maxBytes) throw new Error(`Received message larger than max (${bytes} vs ${maxBytes})`)
    return PREFIX_BYTES + bytes
  }

  function together(): Buffer {
    const message = memory.take(held)
    let at = 0
    for (const chunk of chunks) at += chunk.copy(message, at)
    return message
  }
}
