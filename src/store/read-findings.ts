import type { Scope } from '../analysis/bottlenecks.ts'
import { addFound, createFindingCollector, type Finding } from '../findings/findings.ts'
import type { FindingLimits } from '../findings/settings.ts'
import { AMOUNT_SCALE } from './finding-columns.ts'
import type { SampleFilter } from './sample-filter.ts'
import type { Store } from './store.ts'

type Row = [
  environment: string,
  namespace: string,
  service: string,
  operation: string,
  scope: Scope,
  traceId: string,
  durationNs: number | string,
  weight: number,
  patterns: string[],
  subjects: string[],
  savedNs: (number | string)[],
  spentNs: (number | string)[],
  amounts: (number | string)[],
  unproven: number[],
]

/** Known mistakes of a range, by p95 saved. */
export async function readFindings(
  store: Store,
  filter: SampleFilter,
  limits: FindingLimits,
): Promise<Finding[]> {
  const collector = createFindingCollector()
  for await (const rows of store.stream<Row>('findings', filter)) {
    for (const row of rows) {
      const [environment, namespace, service, operation, scope, traceId, durationNs, weight] = row
      const [, , , , , , , , patterns, subjects, savedNs, spentNs, amounts, unproven] = row
      const group = collector.groupOf({ environment, namespace, service, operation }, scope)
      const found = patterns.map((pattern, i) => ({
        pattern,
        subject: subjects[i]!,
        savedNs: Number(savedNs[i]),
        spentNs: Number(spentNs[i]),
        amount: Number(amounts[i]) / AMOUNT_SCALE,
        unproven: unproven[i] === 1,
      }))
      addFound(group, Number(durationNs), weight, traceId, found)
    }
  }
  return collector.findings(limits)
}
