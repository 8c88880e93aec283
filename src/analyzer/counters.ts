import type { Analysis } from '../analysis/result.ts'
import { REPAIR_KINDS, type RepairKind } from '../trace/repair.ts'

/** What /metrics says of the analyzer. */
export type AnalyzerCounters = {
  traces: number
  spans: number
  samples: number
  repairs: Record<RepairKind, number>
  /** Samples stored under `(other)` because their service has too many endpoints, or there are too many services. */
  cappedEndpoints: number
  /** Those of them whose service is stored as `(other)`, too. */
  cappedServices: number
  /** Models of dependencies that this process published, and kinds of parents that the newest knows; left out of models. */
  modelsPublished: number
  learnedStructures: number
  structuresDropped: number
  /** Traces of which something was left out. */
  flagged: number
  cycles: number
  failures: number
  /** Age of the oldest span that waits for its analysis. */
  lagSeconds: number
  /** Rollups written, and samples that came too late for theirs. */
  rollups: number
  tooLate: number
}

export function createCounters(): AnalyzerCounters {
  return {
    traces: 0,
    spans: 0,
    samples: 0,
    repairs: Object.fromEntries(REPAIR_KINDS.map((kind) => [kind, 0])) as Record<RepairKind, number>,
    cappedEndpoints: 0,
    cappedServices: 0,
    modelsPublished: 0,
    learnedStructures: 0,
    structuresDropped: 0,
    flagged: 0,
    cycles: 0,
    failures: 0,
    lagSeconds: 0,
    rollups: 0,
    tooLate: 0,
  }
}

/** Counts now what is added once it is stored: the columns are not kept until then. */
export function countAnalysis({
  traces,
  samples,
  repairs,
  spans,
}: Analysis): (counters: AnalyzerCounters) => void {
  const counts = [traces.count, spans.count, samples.count] as const
  const repaired = new Uint32Array(REPAIR_KINDS.length)
  for (let i = 0; i < repairs.count; i++) repaired[repairs.kind[i]!]!++
  return (counters) => {
    counters.traces += counts[0]
    counters.spans += counts[1]
    counters.samples += counts[2]
    REPAIR_KINDS.forEach((kind, i) => {
      counters.repairs[kind] += repaired[i]!
    })
  }
}
