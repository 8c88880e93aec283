import type { SampleGroup } from '../analysis/bottlenecks.ts'
import { joinGroups } from '../analysis/join-groups.ts'
import { createParkedValues } from './parked-values.ts'

/**
 * Puts the samples of several batches together, endpoint by endpoint. They are some 25 bytes a span: those of all batches
 * but the last lie in a temporary file.
 */
export type SampleCollector = {
  add(groups: readonly SampleGroup[]): void
  /** One endpoint at a time is in memory, if it is let go. */
  groups(): Iterable<SampleGroup>
  /** Lets go of the temporary file. */
  close(): void
}

export function createSampleCollector(): SampleCollector {
  const parked = createParkedValues<SampleGroup>()
  let last: readonly SampleGroup[] = []

  return {
    add(groups) {
      for (const group of last) parked.put(keyOf(group), group)
      last = groups
    },
    *groups() {
      const held = new Map(last.map((group) => [keyOf(group), group]))
      for (const key of new Set([...parked.keys(), ...held.keys()])) {
        const parts = parked.of(key)
        const own = held.get(key)
        if (own !== undefined) parts.push(own)
        yield parts.length === 1 ? parts[0]! : joinGroups(parts)
      }
    },
    close: parked.close,
  }
}

function keyOf({ endpoint, scope }: SampleGroup): string {
  const { environment, namespace, service, operation } = endpoint
  return JSON.stringify([environment, namespace, service, operation, scope])
}
