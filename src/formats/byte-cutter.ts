import type { Position } from './problem.ts'

/** Cuts a run of bytes out of a stream of chunks. Indices are those of the chunk at hand. */
export type ByteCutter = {
  start(index: number, at: Position): void
  /** What lies up to `end`, and nothing is being cut any more. May share memory with the chunk. */
  stop(chunk: Uint8Array, end: number): Buffer
  drop(): void
  /** To be called with every chunk when it is worked through. */
  keep(chunk: Uint8Array): void
  at(): Position
  /** Bytes of earlier chunks held. */
  heldBytes(): number
}

export function createByteCutter(): ByteCutter {
  let from = -1
  let position: Position = { byte: 0 }
  let pieces: Uint8Array[] = []
  let held = 0
  return {
    start(index, at) {
      from = index
      position = at
    },
    stop(chunk, end) {
      const last = chunk.subarray(from, end)
      const bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last])
      this.drop()
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    },
    drop() {
      from = -1
      held = 0
      if (pieces.length > 0) pieces = []
    },
    keep(chunk) {
      if (from < 0) return
      pieces.push(chunk.subarray(from))
      held += chunk.length - from
      from = 0
    },
    at: () => position,
    heldBytes: () => held,
  }
}
