import type { Bottleneck, Distribution, Scope } from '../analysis/bottlenecks.ts'
import { quantileAt, type Ranked, rank, weightedMean } from '../analysis/ranked.ts'
import { weightsOf } from '../analysis/weights.ts'
import type { Component } from '../trace/component.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { Figures } from './pattern.ts'
import { PATTERNS } from './patterns.ts'
import type { FindingLimits } from './settings.ts'
import { subjectOfKey } from './subject.ts'

/** Trace ids given for each finding. */
const EXEMPLARS = 3
/** A finding that fewer samples show does not reach p99: 1 in 100. */
const LEAST_SHARE = 0.01

/** A known mistake at an endpoint, and what fixing it would save there. */
export type Finding = {
  pattern: string
  title: string
  service: string
  operation: string
  scope: Scope
  environment: string
  namespace: string
  component: Component
  /** Whose code it is, and what it does: empty where nothing says. */
  code: { service: string; caller: string; operation: string }
  /** Samples of the endpoint, and those that show it. */
  entries: number
  samples: number
  /** Medians where it is found: of what the pattern counts, and the time spent on it. */
  amount: number
  spentNs: number
  /** Percentiles of the endpoint as it is, less those with the mistake gone. */
  saved: Distribution
  /** The saving holds only if no call needs an answer of one before it. */
  unproven: boolean
  exemplars: string[]
  advice: string
}

/** Evidence of one endpoint, as it is added up. */
export type FindingGroup = {
  endpoint: Endpoint
  scope: Scope
  durationsNs: number[]
  /** Requests that each sample stands for. */
  weights: number[]
  parts: Map<string, Part>
}
type Part = {
  pattern: string
  subject: string
  sample: number[]
  savedNs: number[]
  spentNs: number[]
  amount: number[]
  exemplars: Exemplar[]
  unproven: boolean
}

/** A trace, and the most that it would be shortened by. */
type Exemplar = { traceId: string; savedNs: number }

export type FoundInSample = {
  pattern: string
  subject: string
  savedNs: number
  spentNs: number
  amount: number
  unproven: boolean
}

/** Adds up samples and what they show, endpoint by endpoint. */
export type FindingCollector = {
  groupOf(endpoint: Endpoint, scope: Scope): FindingGroup
  findings(limits: FindingLimits): Finding[]
}

export function createFindingCollector(): FindingCollector {
  const groups = new Map<string, FindingGroup>()
  return {
    groupOf(endpoint, scope) {
      const { environment, namespace, service, operation } = endpoint
      const key = JSON.stringify([environment, namespace, service, operation, scope])
      let group = groups.get(key)
      if (group === undefined) {
        group = { endpoint, scope, durationsNs: [], weights: [], parts: new Map() }
        groups.set(key, group)
      }
      return group
    },
    findings: (limits) =>
      [...groups.values()].flatMap((group) => findingsOf(group, limits)).sort(compareFindings),
  }
}

/** Adds a sample that stands for so many requests and shows these findings. */
export function addFound(
  group: FindingGroup,
  durationNs: number,
  weight: number,
  traceId: string,
  found: readonly FoundInSample[],
): void {
  const sample = group.durationsNs.push(durationNs) - 1
  group.weights.push(weight)
  for (const one of found) {
    const key = `${one.pattern}\n${one.subject}`
    let part = group.parts.get(key)
    if (part === undefined) {
      const { pattern, subject } = one
      part = {
        pattern,
        subject,
        sample: [],
        savedNs: [],
        spentNs: [],
        amount: [],
        exemplars: [],
        unproven: false,
      }
      group.parts.set(key, part)
    }
    part.sample.push(sample)
    part.savedNs.push(one.savedNs)
    part.spentNs.push(one.spentNs)
    part.amount.push(one.amount)
    offerExemplar(part.exemplars, { traceId, savedNs: one.savedNs })
    part.unproven ||= one.unproven
  }
}

function findingsOf(group: FindingGroup, limits: FindingLimits): Finding[] {
  const { endpoint, scope, durationsNs, parts } = group
  if (parts.size === 0) return []
  const weights = weightsOf(group.weights)
  const entries = group.weights.reduce((sum, weight) => sum + weight, 0)
  const before = distributionOf(Float64Array.from(durationsNs), weights)
  return [...parts.values()].flatMap((part) => {
    const pattern = PATTERNS.find(({ id }) => id === part.pattern)
    const ownWeights = part.sample.map((sample) => group.weights[sample]!)
    const found = ownWeights.reduce((sum, weight) => sum + weight, 0)
    // A pattern of a newer version that this one does not know.
    if (pattern === undefined) return []
    const of = limits.get(pattern.id)!
    if (found < (pattern.leastShare?.(of) ?? LEAST_SHARE) * entries) return []
    const durations = Float64Array.from(durationsNs)
    part.sample.forEach((sample, i) => {
      durations[sample]! -= part.savedNs[i]!
    })
    const after = distributionOf(durations, weights)
    const p99Ns = quantileAt(before.ranked, 0.99)
    const figures: Figures = {
      entries,
      found,
      amount: medianOf(part.amount, ownWeights),
      totalAmount: part.amount.reduce((sum, amount, i) => sum + ownWeights[i]! * amount, 0),
      spentNs: medianOf(part.spentNs, ownWeights),
      saved: {
        p50Ns: quantileAt(before.ranked, 0.5) - quantileAt(after.ranked, 0.5),
        p95Ns: quantileAt(before.ranked, 0.95) - quantileAt(after.ranked, 0.95),
        p99Ns: p99Ns - quantileAt(after.ranked, 0.99),
        meanNs: before.meanNs - after.meanNs,
      },
      reachesP99: part.sample.some((sample, i) => part.savedNs[i]! > 0 && durationsNs[sample]! >= p99Ns),
    }
    if (pattern.isLatencyOnly && figures.saved.meanNs <= 0) return []
    if (pattern.holds !== undefined && !pattern.holds(figures, of)) return []
    const subject = subjectOfKey(part.subject)
    const { component, ...code } = subject
    return [
      {
        pattern: pattern.id,
        title: pattern.title,
        ...endpoint,
        scope,
        component,
        code,
        entries: durationsNs.length,
        samples: part.sample.length,
        amount: figures.amount,
        spentNs: figures.spentNs,
        saved: figures.saved,
        unproven: part.unproven,
        exemplars: part.exemplars.map(({ traceId }) => traceId),
        advice: pattern.advice(subject, figures, of),
      },
    ]
  })
}

function distributionOf(
  durationsNs: Float64Array,
  weights: Float64Array | undefined,
): { ranked: Ranked; meanNs: number } {
  return { ranked: rank(durationsNs, weights), meanNs: weightedMean(durationsNs, weights) }
}

function medianOf(values: readonly number[], weights: readonly number[]): number {
  return quantileAt(rank(Float64Array.from(values), weightsOf(weights)), 0.5)
}

/** Keeps the traces that would be shortened most, in that order. */
function offerExemplar(exemplars: Exemplar[], offered: Exemplar): void {
  const last = exemplars.length === EXEMPLARS ? exemplars.at(-1)! : undefined
  if (last !== undefined && compareExemplars(offered, last) >= 0) return
  const known = exemplars.find(({ traceId }) => traceId === offered.traceId)
  if (known === undefined) exemplars.push(offered)
  else known.savedNs = Math.max(known.savedNs, offered.savedNs)
  exemplars.sort(compareExemplars)
  if (exemplars.length > EXEMPLARS) exemplars.pop()
}

function compareExemplars(a: Exemplar, b: Exemplar): number {
  return b.savedNs - a.savedNs || compareText(a.traceId, b.traceId)
}

/** By p95 saved, then p99, then mean; then by name, so that the order is always the same. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    b.saved.p95Ns - a.saved.p95Ns ||
    b.saved.p99Ns - a.saved.p99Ns ||
    b.saved.meanNs - a.saved.meanNs ||
    compareText(nameOf(a), nameOf(b))
  )
}

function nameOf(f: Finding): string {
  const { environment, namespace, service, operation, scope, pattern, component, code } = f
  return JSON.stringify([environment, namespace, service, operation, scope, pattern, component, code])
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

type Explainable = Pick<Bottleneck, 'service' | 'operation' | 'scope' | 'environment' | 'namespace'> & {
  components: readonly Component[]
}
export type Explained<B extends Explainable> = Omit<B, 'components'> & {
  components: (B['components'][number] & { findings: Finding[] })[]
  findings: Finding[]
}

/** A bottleneck with the findings that explain its components; `findings`: those of components it does not list. */
export type ExplainedBottleneck = Explained<Bottleneck>

/** Puts findings, in their order, under the components of their endpoints. */
export function explain<B extends Explainable>(
  bottlenecks: readonly B[],
  findings: readonly Finding[],
): Explained<B>[] {
  return bottlenecks.map((bottleneck) => {
    const mine = findings.filter((finding) => isOf(finding, bottleneck))
    const components = bottleneck.components.map((component) => ({
      ...component,
      findings: mine.filter((finding) => isSame(finding.component, component)),
    }))
    const others = mine.filter((finding) => !bottleneck.components.some((c) => isSame(c, finding.component)))
    return { ...bottleneck, components, findings: others }
  })
}

function isOf(finding: Finding, of: Explainable): boolean {
  return (
    finding.operation === of.operation &&
    finding.service === of.service &&
    finding.scope === of.scope &&
    finding.environment === of.environment &&
    finding.namespace === of.namespace
  )
}

function isSame(a: Component, b: Component): boolean {
  return a.kind === b.kind && a.name === b.name
}
