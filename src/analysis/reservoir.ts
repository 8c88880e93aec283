import type { SpanColumns } from '../trace/columns.ts'

/** What is kept of a stream, each with what it counts as. */
export type Reservoir<T> = {
  /** `uniform` in (0, 1]: the same for the same item, whenever it is asked for. */
  offer(weight: number, uniform: number, make: () => T): void
  kept(): { item: T; weight: number }[]
}

/**
 * A weighted sample of at most `size`: an item of weight w and uniform u has priority w/u, those with the highest are
 * kept and count as max(w, the highest priority that was left out), so that sums of weights stay right on average
 * (priority sampling; Duffield, Lund, Thorup, JACM 54(6), 2007). With no more than `size` items each counts as it is.
 */
export function createReservoir<T>(size: number): Reservoir<T> {
  let items: { priority: number; weight: number; item: T }[] = []
  let leftOut = 0
  const shrink = () => {
    if (items.length <= size) return
    items.sort((a, b) => b.priority - a.priority)
    leftOut = Math.max(leftOut, items[size]!.priority)
    items = items.slice(0, size)
  }
  return {
    offer(weight, uniform, make) {
      const priority = weight / uniform
      if (priority <= leftOut) return
      items.push({ priority, weight, item: make() })
      if (items.length >= 2 * size) shrink()
    },
    kept() {
      shrink()
      return items.map(({ item, weight }) => ({ item, weight: Math.max(weight, leftOut) }))
    },
  }
}

/** A number in (0, 1] that depends on the ids of a row only (murmur3's finalizer). */
export function uniformOf({ traceHigh, traceLow, spanId }: SpanColumns, row: number): number {
  let h = 0
  for (const words of [traceHigh, traceLow, spanId]) {
    for (const word of [words[2 * row]!, words[2 * row + 1]!]) {
      h = Math.imul(h ^ word, 0x85ebca6b)
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
      h ^= h >>> 16
    }
  }
  return ((h >>> 0) + 1) / 2 ** 32
}
