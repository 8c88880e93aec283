import type { SampleGroup } from '../analysis/bottlenecks.ts'
import { joinGroups } from '../analysis/join-groups.ts'

/** Puts the samples of several batches together, endpoint by endpoint. */
export type SampleCollector = { add(groups: readonly SampleGroup[]): void; groups(): SampleGroup[] }

export function createSampleCollector(): SampleCollector {
  const byKey = new Map<string, SampleGroup[]>()
  return {
    add(groups) {
      for (const group of groups) {
        const { environment, namespace, service, operation } = group.endpoint
        const key = JSON.stringify([environment, namespace, service, operation, group.scope])
        const known = byKey.get(key)
        if (known === undefined) byKey.set(key, [group])
        else known.push(group)
      }
    },
    groups: () => [...byKey.values()].map((parts) => (parts.length === 1 ? parts[0]! : joinGroups(parts))),
  }
}
