import { type Analysis, SERVICE } from '../analysis/result.ts'
import { traceIdHex } from '../trace/columns.ts'
import { type EvidenceRows, evidenceBySample } from './evidence.ts'
import { addFound, type FindingCollector, type FoundInSample } from './findings.ts'
import { PATTERNS } from './patterns.ts'

/** Adds the counted samples of an analysis, with what was found in them. */
export function collectFindings(
  collector: FindingCollector,
  { spans, samples, traces }: Analysis,
  evidence: EvidenceRows,
): void {
  const { dictionary } = spans
  const { first, rows } = evidenceBySample(evidence, samples.count)
  for (let trace = 0; trace < traces.count; trace++) {
    for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
      if (samples.counted[s] === 0) continue
      const endpoint = dictionary.endpoints[samples.endpoint[s]!]!
      const group = collector.groupOf(endpoint, samples.kind[s] === SERVICE ? 'service' : 'trace')
      const found: FoundInSample[] = []
      for (let at = first[s]!; at < first[s + 1]!; at++) found.push(foundAt(evidence, rows[at]!))
      addFound(
        group,
        samples.durationNs[s]!,
        samples.weight[s]!,
        found.length === 0 ? '' : traceIdHex(spans, traces.span[trace]!),
        found,
      )
    }
  }
}

export function foundAt(evidence: EvidenceRows, row: number): FoundInSample {
  return {
    pattern: PATTERNS[evidence.pattern[row]!]!.id,
    subject: evidence.subjects[evidence.subject[row]!]!,
    savedNs: evidence.savedNs[row]!,
    spentNs: evidence.spentNs[row]!,
    amount: evidence.amount[row]!,
    unproven: evidence.unproven[row] === 1,
  }
}
