import type { Analysis } from '../analysis/result.ts'
import type { CallIndex } from './calls.ts'
import type { Population, SuspectReport } from './population.ts'
import type { ListName, Scan } from './scan.ts'
import type { Subject } from './subject.ts'

/** A number that decides, with the reason for it. */
export type Threshold = { readonly value: number; readonly unit: string; readonly source: string }
export type Thresholds = Readonly<Record<string, Threshold>>
/** Their values, as the settings leave them. */
export type Limits<T extends Thresholds = Thresholds> = { readonly [K in keyof T]: number }

/** What is seen of a pattern at one place. */
export type Evidence = {
  subject: Subject
  /** Of what the pattern counts: calls, attempts, rows, bytes. */
  amount: number
  /** Time spent on it, ns. */
  spentNs: number
  /** The saving holds only if nothing was needed from an earlier call. */
  unproven?: boolean
}
/**
 * Takes what was seen, and at which span: the root's sample shows it, and those of SERVERs at or above the span.
 * `change` makes the changes to `scan.counterfactual` that fixing it would make; without one nothing is saved. Reports
 * of one subject in one root are added up, and replayed together.
 */
export type Report = (evidence: Evidence, span: number, change?: () => void) => void
/** Takes what a sample of the analysis shows, and what it would save. */
export type SampleReport = (sample: number, savedNs: number, evidence: Evidence) => void
/** Looks at a sample that counts, whose components are the rows [first, last). */
export type SampleVisitor = (sample: number, first: number, last: number) => void

/** All evidence for one finding at one endpoint. */
export type Figures = {
  /** Requests of the endpoint, and those that show it: samples by what each stands for. */
  entries: number
  found: number
  /** Median where it is found, and sum. */
  amount: number
  totalAmount: number
  /** Median where it is found, ns. */
  spentNs: number
  saved: { p50Ns: number; p95Ns: number; p99Ns: number; meanNs: number }
  /** Whether a request that takes the endpoint's p99 or longer would be shorter. */
  reachesP99: boolean
}

/** A cause that teams know. One file each, one line each in patterns.ts. */
export type Pattern<T extends Thresholds = Thresholds> = {
  readonly id: string
  readonly title: string
  readonly thresholds: T
  /** `detect` is called where one of these lists is not empty; everywhere if not given. */
  readonly needs?: readonly ListName[]
  /** Looks at one settled root. */
  readonly detect?: (scan: Scan, limits: Limits<T>, report: Report) => void
  /** Looks at many traces together, and names spans of this batch whose traces are looked at again. */
  readonly judge?: (population: Population, limits: Limits<T>, report: SuspectReport) => void
  /** Looks at samples by themselves, as soon as their trace has been analyzed; told of each batch before. */
  readonly watch?: (
    analysis: Analysis,
    limits: Limits<T>,
    report: SampleReport,
    index: CallIndex,
  ) => SampleVisitor
  /** Looks at the whole analysis; returns what looks at each of its samples, undefined where nothing can be found. */
  readonly weigh?: (analysis: Analysis, limits: Limits<T>, report: SampleReport) => SampleVisitor | undefined
  /** Fixing it wins latency and nothing else: not listed where that would stay as it is. */
  readonly isLatencyOnly?: true
  /** What it costs is not in the endpoint's latency: fixing it saves none of that, and it matters all the same. */
  readonly costsNoLatency?: true
  /** The least share of an endpoint's requests that shows it, where settings say it; 1 % if not given. */
  readonly leastShare?: (limits: Limits<T>) => number
  /** Whether what was found at an endpoint is enough; all of it, if not given. */
  readonly holds?: (figures: Figures, limits: Limits<T>) => boolean
  /** One sentence that names the code's own operations. */
  readonly advice: (subject: Subject, figures: Figures, limits: Limits<T>) => string
}

/** Keeps the thresholds' names in the type. */
export function definePattern<const T extends Thresholds>(pattern: Pattern<T>): Pattern {
  return pattern as unknown as Pattern
}
