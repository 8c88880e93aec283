/** Bytes held for requests between their first byte and their acknowledgement. */
export type MemoryBudget = {
  /** Whether a request that is about to be read, of `bytes` as far as is known, must be turned away. */
  isExhausted(bytes?: number): boolean
  /** Counts bytes in; the caller gives exactly these back. */
  take(bytes: number): void
  give(bytes: number): void
}

export function createBudget(limitBytes: number, counters: { bytesInFlight: number }): MemoryBudget {
  return {
    isExhausted: (bytes = 0) => counters.bytesInFlight + bytes > limitBytes,
    take(bytes) {
      counters.bytesInFlight += bytes
    },
    give(bytes) {
      counters.bytesInFlight -= bytes
    },
  }
}
