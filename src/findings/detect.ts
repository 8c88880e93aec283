import type { Again, TraceObserver } from '../analysis/analyze.ts'
import { createCounterfactual } from '../analysis/counterfactual.ts'
import type { Dependencies } from '../analysis/dependencies.ts'
import type { ResultBuilder } from '../analysis/result-builder.ts'
import { SERVER } from '../trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../trace/tree.ts'
import { type CallIndex, createCallIndex } from './calls.ts'
import { addEvidence, createEvidence, type EvidenceRows } from './evidence.ts'
import type { Evidence, Report } from './pattern.ts'
import { PATTERNS } from './patterns.ts'
import { createPopulation, type Suspect } from './population.ts'
import { createScan, type Scan, scanRoot } from './scan.ts'
import { type FindingLimits, limitsOf } from './settings.ts'
import { type Subject, subjectKeyOf } from './subject.ts'

/** Watches analyses for known mistakes, batch after batch; what many traces show together is remembered. */
export type Detector = {
  /** To be given to `analyzeSpans`; one batch after the other. */
  observer: TraceObserver
  /** Of the batch analyzed last. */
  evidence(): EvidenceRows
}

/** A row whose sample is not known yet: the span it is of. */
type Waiting = {
  span: number
  pattern: number
  /** Number of its key. */
  subject: number
  savedNs: number
  spentNs: number
  amount: number
  unproven: boolean
}
/** What a pattern says about spans of the root at hand. */
type Claim = Omit<Waiting, 'savedNs'> & { change: (() => void) | undefined }

export function createDetector(limits: FindingLimits = limitsOf({})): Detector {
  const population = createPopulation()
  const counterfactual = createCounterfactual()
  let index: CallIndex | undefined
  let scan: Scan | undefined
  let evidence = createEvidence()
  let subjects = new Map<string, number>()
  let waiting: Waiting[] = []
  let claims: Claim[] = []
  const detectors = PATTERNS.flatMap((pattern, number) => {
    const { detect } = pattern
    if (detect === undefined) return []
    const report: Report = (found, span, change) => claims.push(claimOf(found, number, span, change))
    const of = limits.get(pattern.id)!
    return [(at: Scan) => detect(at, of, report)]
  })

  const observer: TraceObserver = {
    begin(tree) {
      const { dictionary } = tree.spans
      if (index?.dictionary !== dictionary) index = createCallIndex(dictionary)
      scan = createScan(tree, index, counterfactual)
      evidence = createEvidence()
      subjects = new Map()
      population.begin(tree.spans, index)
    },
    assembled(tree, trace, { entries, orderFrom }, dependencies) {
      waiting = []
      scan!.dependencies = dependencies
      for (let e = 0; e < entries.length; e++) {
        scanRoot(scan!, orderFrom[e]!, orderFrom[e + 1]!)
        population.observe(scan!, trace)
        for (const detect of detectors) detect(scan!)
        if (claims.length > 0) settleClaims(tree, dependencies, orderFrom[e]!, orderFrom[e + 1]!)
      }
    },
    sampled(result, trace) {
      if (waiting.length > 0) settleWaiting(result, trace)
    },
    finished(result, again, rows) {
      population.close(rows)
      judge(result, again)
      weigh(result)
      population.end()
    },
  }
  return { observer, evidence: () => evidence }

  /** Replays what was claimed of the root at hand, all claims of one finding together. */
  function settleClaims(
    tree: TraceTree,
    dependencies: Dependencies | undefined,
    from: number,
    to: number,
  ): void {
    const entry = tree.order[from]!
    counterfactual.begin(tree, dependencies, from, to)
    for (const group of bySubject(claims)) {
      for (const claim of group) claim.change?.()
      counterfactual.replay()
      let amount = 0
      let spentNs = 0
      let unproven = false
      for (const claim of group) {
        amount += claim.amount
        spentNs += claim.spentNs
        unproven ||= claim.unproven
      }
      const [{ pattern, subject }] = group as [Claim]
      const rows = new Set([entry])
      for (const { span } of group) {
        for (let up = span; up >= 0 && up !== entry; up = tree.parent[up]!) {
          // What was cut is analyzed again within its own bounds: this saving is not its sample's.
          const isCut = tree.cutStart[up] !== tree.start[up] || tree.cutEnd[up] !== tree.end[up]
          if (tree.kind[up] === SERVER && !isCut) rows.add(up)
        }
      }
      for (const row of rows) {
        waiting.push({
          span: tree.row[row]!,
          pattern,
          subject,
          savedNs: counterfactual.savedNs(row),
          spentNs,
          amount,
          unproven,
        })
      }
      counterfactual.clear()
    }
    claims = []
  }

  /** Gives the rows their samples, once the trace has some; one row a sample and finding. */
  function settleWaiting({ samples, traces }: ResultBuilder, trace: number): void {
    const last = trace + 1 < traces.count ? traces.firstSample[trace + 1]! : samples.count
    const sampleOf = new Map(waiting.map(({ span }) => [span, -1]))
    for (let s = last - 1; s >= traces.firstSample[trace]!; s--) {
      const span = samples.span[s]!
      if (sampleOf.has(span)) sampleOf.set(span, s)
    }
    const seen = new Set<number>()
    for (const found of waiting) {
      const sample = sampleOf.get(found.span)!
      if (sample < 0 || samples.counted[sample] === 0) continue
      const key = (sample * 2 ** 20 + found.subject) * 64 + found.pattern
      if (seen.has(key)) continue
      seen.add(key)
      add(sample, found)
    }
    waiting = []
  }

  function add(sample: number, found: Omit<Waiting, 'span'>): void {
    addEvidence(evidence, {
      sample,
      pattern: found.pattern,
      subject: found.subject,
      savedNs: Math.max(0, found.savedNs),
      spentNs: Math.round(found.spentNs),
      amount: found.amount,
      unproven: found.unproven ? 1 : 0,
    })
  }

  function claimOf(found: Evidence, pattern: number, span: number, change: (() => void) | undefined): Claim {
    const { spentNs, amount, unproven = false } = found
    return { span, pattern, subject: subjectNumber(found.subject), spentNs, amount, unproven, change }
  }

  function subjectNumber(subject: Subject): number {
    const key = subjectKeyOf(subject)
    let number = subjects.get(key)
    if (number === undefined) {
      number = evidence.subjects.push(key) - 1
      subjects.set(key, number)
    }
    return number
  }

  /** What samples of the analysis show, one look at each. */
  function weigh(result: ResultBuilder): void {
    const visitors = PATTERNS.flatMap((pattern, number) => {
      const visitor = pattern.weigh?.(result, limits.get(pattern.id)!, (sample, savedNs, found) =>
        add(sample, { ...claimOf(found, number, -1, undefined), savedNs }),
      )
      return visitor === undefined ? [] : [visitor]
    })
    const { samples, components } = result
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0) continue
      const first = samples.firstComponent[s]!
      const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
      for (const visit of visitors) visit(s, first, last)
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
      waiting = []
      for (const suspect of suspects) {
        if (suspect.change !== undefined) continue
        waiting.push({ ...claimOf(suspect, suspect.pattern, suspect.row, undefined), savedNs: 0 })
      }
      if (waiting.length < suspects.length) {
        again(trace, (tree, { entries, orderFrom }, dependencies) => {
          const spanOf = new Map<number, number>()
          for (let i = 0; i < tree.count; i++) spanOf.set(tree.row[i]!, i)
          for (let e = 0; e < entries.length; e++) {
            for (const suspect of suspects) {
              const { change } = suspect
              if (change === undefined) continue
              const span = spanOf.get(suspect.row)
              if (span === undefined || rootOf(tree, span) !== entries[e]) continue
              claims.push(claimOf(suspect, suspect.pattern, span, () => change(counterfactual, tree, span)))
            }
            if (claims.length > 0) settleClaims(tree, dependencies, orderFrom[e]!, orderFrom[e + 1]!)
          }
        })
      }
      settleWaiting(result, trace)
    }
  }
}

/** Claims that are one finding. */
function bySubject(claims: readonly Claim[]): Claim[][] {
  if (claims.length === 1) return [[...claims]]
  const groups = new Map<number, Claim[]>()
  for (const claim of claims) {
    const key = claim.subject * 64 + claim.pattern
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [claim])
    else known.push(claim)
  }
  return [...groups.values()]
}

function rootOf(tree: TraceTree, span: number): number {
  let up = span
  while (tree.entry[up] === NOT_ENTRY && tree.parent[up]! >= 0) up = tree.parent[up]!
  return up
}
