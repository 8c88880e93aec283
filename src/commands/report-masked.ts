import type { Bottleneck } from '../analysis/bottlenecks.ts'
import { percent } from '../trace/figure-text.ts'
import { componentLabel, fitted } from './report-text.ts'

/** Components with less of the time are not worth a line. */
const NOTABLE_SHARE = 0.25
/** A component is masked where it saves less than this share of its time on the critical path. */
const KEPT_SHARE = 0.5

/**
 * Components that have much of the critical path and would save little of it. Saving and time on the path are the
 * same (of the mean) unless a branch that runs beside takes over.
 */
export function maskedLines({ components, observed }: Bottleneck): string[] {
  return components.flatMap((component) => {
    const saved = observed.meanNs === 0 ? 0 : 1 - component.ifInstant.meanNs / observed.meanNs
    if (component.criticalShare < NOTABLE_SHARE || saved >= KEPT_SHARE * component.criticalShare) return []
    return [
      `  masked: ${fitted(componentLabel(component), 42).trimEnd()} has ${percent(component.criticalShare)} of the time, but`,
      `        what runs beside it takes over: alone it saves ${percent(saved)} of the mean`,
    ]
  })
}
