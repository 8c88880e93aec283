import { analyzeSpans } from '../analysis/analyze.ts'
import type { SampleGroup } from '../analysis/bottlenecks.ts'
import { groupSamples } from '../analysis/group-samples.ts'
import { learnDependencies } from '../analysis/learn.ts'
import type { Model } from '../analysis/model.ts'
import { collectFindings } from '../findings/collect.ts'
import { createDetector } from '../findings/detect.ts'
import { createFindingCollector, type Finding } from '../findings/findings.ts'
import type { FindingLimits } from '../findings/settings.ts'
import { createDecodePool } from '../formats/decode-pool.ts'
import { createSpanSpool } from '../formats/span-spool.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import { groupByTrace } from '../trace/group.ts'
import { createSampleCollector } from './sample-collector.ts'
import { readTraceFiles } from './trace-files.ts'

/** The endpoints asked for, and findings, of trace files; undefined if nothing could be read, which `stderr` says. */
export async function analyzeTraceFiles(
  files: readonly string[],
  isAsked: (endpoint: Endpoint) => boolean,
  limits: FindingLimits,
  stderr: NodeJS.WritableStream,
): Promise<{ groups: SampleGroup[]; findings: Finding[] } | undefined> {
  const spool = createSpanSpool()
  const samples = createSampleCollector()
  try {
    const pool = createDecodePool(spool.sink)
    const { readFiles } = await readTraceFiles(files, spool.sink, {
      pipes: pool,
      stderr,
      spanCount: spool.spanCount,
      onChunk: spool.relieve,
    }).finally(pool.close)
    if (readFiles === 0) return undefined
    const detector = createDetector(limits)
    const findings = createFindingCollector()
    let model: Model | undefined
    for (const batch of spool.batches()) {
      const groups = groupByTrace(batch)
      model ??= learnDependencies(batch, groups)
      const analysis = analyzeSpans(batch, { model, groups, observer: detector.observer })
      samples.add(groupSamples(analysis).filter(({ endpoint }) => isAsked(endpoint)))
      collectFindings(findings, analysis, detector.evidence())
    }
    return { groups: [...samples.groups()], findings: findings.findings(limits) }
  } finally {
    spool.close()
    samples.close()
  }
}
