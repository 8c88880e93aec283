import { analyzeSpans } from '../../src/analysis/analyze.ts'
import { collectFindings } from '../../src/findings/collect.ts'
import { createDetector } from '../../src/findings/detect.ts'
import { createFindingCollector, type Finding } from '../../src/findings/findings.ts'
import { limitsOf } from '../../src/findings/settings.ts'
import type { SpanColumns } from '../../src/trace/columns.ts'
import { type Plant, plantTraffic } from './planted.ts'

/** All findings in some spans. */
export function findingsIn(columns: SpanColumns, overrides: Record<string, number> = {}): Finding[] {
  const limits = limitsOf(overrides)
  const detector = createDetector(limits)
  const analysis = analyzeSpans(columns, { observer: detector.observer })
  const collector = createFindingCollector()
  collectFindings(collector, analysis, detector.evidence())
  return collector.findings(limits)
}

export type Score = { pattern: string; found: number; missed: string[]; wrong: string[] }

/** Right, missed and wrong findings a pattern, over endpoints and seeds: what counts is found in entries or not. */
export function scorePlants(plants: readonly Plant[], seeds: readonly number[]): Score[] {
  const scores = new Map<string, Score>()
  const of = (pattern: string) => {
    let score = scores.get(pattern)
    if (score === undefined) {
      score = { pattern, found: 0, missed: [], wrong: [] }
      scores.set(pattern, score)
    }
    return score
  }
  for (const seed of seeds) {
    const { columns, planted } = plantTraffic(seed, plants)
    const findings = findingsIn(columns).filter(({ scope }) => scope === 'trace')
    for (const { operation, plant } of planted) {
      const found = new Set(findings.filter((f) => f.operation === operation).map(({ pattern }) => pattern))
      const where = `seed ${seed}: ${plant.name}`
      if (plant.pattern !== '') {
        if (found.delete(plant.pattern)) of(plant.pattern).found++
        else of(plant.pattern).missed.push(where)
      }
      for (const pattern of plant.also ?? []) found.delete(pattern)
      for (const pattern of found) of(pattern).wrong.push(where)
    }
  }
  return [...scores.values()].sort((a, b) => (a.pattern < b.pattern ? -1 : 1))
}

export function precisionOf({ found, wrong }: Score): number {
  return found + wrong.length === 0 ? 1 : found / (found + wrong.length)
}

export function recallOf({ found, missed }: Score): number {
  return found + missed.length === 0 ? 1 : found / (found + missed.length)
}
