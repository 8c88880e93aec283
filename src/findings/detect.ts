import type { Again, TraceObserver } from '../analysis/analyze.ts'
import { createCounterfactual } from '../analysis/counterfactual.ts'
import type { ResultBuilder } from '../analysis/result-builder.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type CallIndex, createCallIndex } from './calls.ts'
import { addEvidence, createEvidence, type EvidenceRows } from './evidence.ts'
import type { Evidence, Limits, Pattern, Report, SampleReport, SampleVisitor } from './pattern.ts'
import { PATTERNS } from './patterns.ts'
import { createPopulation, type Suspect } from './population.ts'
import { createScan, LISTS, listBits, type Scan, scanRoot } from './scan.ts'
import { type FindingLimits, limitsOf } from './settings.ts'
import { type Claim, createClaimSettler } from './settle-claims.ts'
import { createSubjects, type Subjects } from './subject.ts'

/** Watches analyses for known mistakes, batch after batch; what many traces show together is remembered. */
export type Detector = {
  /** To be given to `analyzeSpans`; one batch after the other. */
  observer: TraceObserver
  /** Of the batch analyzed last. */
  evidence(): EvidenceRows
}

export function createDetector(limits: FindingLimits = limitsOf({})): Detector {
  const population = createPopulation(limits)
  const counterfactual = createCounterfactual()
  const settler = createClaimSettler(counterfactual)
  let index: CallIndex | undefined
  /** Of the dictionary at hand. */
  let subjects: Subjects = createSubjects()
  let scan: Scan | undefined
  let evidence = createEvidence(subjects.keys)
  /** Of the batch at hand. */
  let watchers: readonly SampleVisitor[] | undefined
  const claims: Claim[] = []
  const detectors = PATTERNS.flatMap((pattern, number) => {
    const { detect } = pattern
    if (detect === undefined) return []
    const report: Report = (found, span, change) => {
      claims.push(claimOf(found, number, span, change))
    }
    const of = limits.get(pattern.id)!
    const needs = listBits(pattern.needs ?? LISTS)
    return [{ needs, detect: (at: Scan) => detect(at, of, report) }]
  })

  const observer: TraceObserver = {
    begin(tree, rows) {
      const { spans } = tree
      if (index?.dictionary !== spans.dictionary) {
        index = createCallIndex(spans.dictionary)
        subjects = createSubjects()
      }
      scan = createScan(tree, index, counterfactual)
      evidence = createEvidence(subjects.keys)
      watchers = undefined
      settler.begin(spans.count)
      population.begin(spans, rows, index)
    },
    assembled(tree, trace, { entries, orderFrom }, dependencies) {
      scan!.dependencies = dependencies
      population.observeTrace(trace)
      for (let e = 0; e < entries.length; e++) {
        scanRoot(scan!, orderFrom[e]!, orderFrom[e + 1]!)
        population.observe(scan!, trace)
        for (const { needs, detect } of detectors) if ((needs & scan!.present) !== 0) detect(scan!)
        if (claims.length === 0) continue
        settler.replay(tree, dependencies, orderFrom[e]!, claims)
        claims.length = 0
      }
    },
    sampled(result, trace) {
      settler.addEvidence(evidence, result, trace)
      watchers ??= visitorsOf((pattern, of, report) => pattern.watch?.(result, of, report, index!))
      showSamples(watchers, result, result.traces.firstSample[trace]!)
    },
    finished(result, again) {
      population.close()
      judge(result, again)
      const visitors = visitorsOf((pattern, of, report) => pattern.weigh?.(result, of, report))
      if (visitors.length > 0) showSamples(visitors, result, 0)
      population.end()
    },
  }
  return { observer, evidence: () => evidence }

  function claimOf(found: Evidence, pattern: number, span: number, change: (() => void) | undefined): Claim {
    const { spentNs, amount, unproven = false } = found
    return { span, pattern, subject: subjects.numberOf(found.subject), spentNs, amount, unproven, change }
  }

  function visitorsOf(
    ask: (pattern: Pattern, limits: Limits, report: SampleReport) => SampleVisitor | undefined,
  ): readonly SampleVisitor[] {
    return PATTERNS.flatMap((pattern, number) => {
      const report: SampleReport = (sample, savedNs, found) => {
        const { spentNs, amount, unproven = false } = found
        const subject = subjects.numberOf(found.subject)
        addEvidence(evidence, sample, number, subject, savedNs, spentNs, amount, unproven)
      }
      const visitor = ask(pattern, limits.get(pattern.id)!, report)
      return visitor === undefined ? [] : [visitor]
    })
  }

  /** One look at each sample from `from` on. */
  function showSamples(
    visitors: readonly SampleVisitor[],
    { samples, components }: ResultBuilder,
    from: number,
  ): void {
    for (let s = from; s < samples.count; s++) {
      if (samples.counted[s] === 0) continue
      const first = samples.firstComponent[s]!
      const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
      for (let v = 0; v < visitors.length; v++) visitors[v]!(s, first, last)
    }
  }

  /** What many traces show together: the traces concerned are assembled once more for the replay. */
  function judge(result: ResultBuilder, again: Again): void {
    const byTrace = new Map<number, (Suspect & { pattern: number })[]>()
    PATTERNS.forEach((pattern, number) => {
      pattern.judge?.(population, limits.get(pattern.id)!, (suspect) => {
        const known = byTrace.get(suspect.trace)
        if (known === undefined) byTrace.set(suspect.trace, [{ ...suspect, pattern: number }])
        else known.push({ ...suspect, pattern: number })
      })
    })
    for (const [trace, suspects] of byTrace) {
      again(trace, (tree, { entries, orderFrom }, dependencies) => {
        const spanOf = new Map<number, number>()
        for (let i = 0; i < tree.count; i++) spanOf.set(tree.row[i]!, i)
        for (let e = 0; e < entries.length; e++) {
          for (const suspect of suspects) {
            const { change } = suspect
            const span = spanOf.get(suspect.row)
            if (span === undefined || rootOf(tree, span) !== entries[e]) continue
            const changeIt = change && (() => change(counterfactual, tree, span))
            claims.push(claimOf(suspect, suspect.pattern, span, changeIt))
          }
          if (claims.length === 0) continue
          settler.replay(tree, dependencies, orderFrom[e]!, claims)
          claims.length = 0
        }
      })
      settler.addEvidence(evidence, result, trace)
    }
  }
}

function rootOf(tree: TraceTree, span: number): number {
  let up = span
  while (tree.entry[up] === NOT_ENTRY && tree.parent[up]! >= 0) up = tree.parent[up]!
  return up
}
