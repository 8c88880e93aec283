import { create } from 'xmlbuilder2'
import { meetsTarget, type Target } from '../analysis/target.ts'
import type { ExplainedBottleneck, Finding } from '../findings/findings.ts'
import type { Component } from '../trace/component.ts'
import { duration } from '../trace/figure-text.ts'
import type { Budget } from './budget.ts'
import { componentLabel, printable } from './report-text.ts'
import { wrapped } from './wrap.ts'

export type BudgetVerdict = {
  budget: Budget
  /** `absent`: no request was seen. */
  outcome: 'kept' | 'missed' | 'absent'
  /** The environment and namespace it is about, if the endpoint is in several. */
  place: string | undefined
  /** Of the target's statistic, ns; undefined where the report does not give that percentile. */
  valueNs: number | undefined
  /** What holds it back, and what it would keep without: of a missed budget. */
  component: (Component & { withoutNs: number | undefined }) | undefined
  finding: Finding | undefined
  /** Whose turn it is. */
  owner: string | undefined
}

/**
 * Compares an endpoint with its budget, which every environment and namespace that has it must keep: the verdict on the
 * one that is furthest from it. Verdicts on components were given against the target.
 */
export function judgeBudget(
  budget: Budget,
  endpoints: readonly ExplainedBottleneck[],
  owners: ReadonlyMap<string, string>,
): BudgetVerdict {
  const verdicts = endpoints.map((endpoint) => ({
    ...judgeEndpoint(budget, endpoint, owners),
    place: endpoints.length > 1 ? placeOf(endpoint) : undefined,
  }))
  const missed = verdicts.filter(({ outcome }) => outcome === 'missed')
  const [furthest] = (missed.length > 0 ? missed : verdicts).toSorted(
    (a, b) => (b.valueNs ?? 0) - (a.valueNs ?? 0),
  )
  return furthest ?? { budget, outcome: 'absent', ...NOTHING, owner: owners.get(budget.service) }
}

function placeOf({ environment, namespace }: ExplainedBottleneck): string {
  const named = [environment && `environment ${environment}`, namespace && `namespace ${namespace}`]
  return named.filter(Boolean).join(', ') || 'no environment'
}

const NOTHING = { place: undefined, component: undefined, finding: undefined, valueNs: undefined }

function judgeEndpoint(
  budget: Budget,
  endpoint: ExplainedBottleneck,
  owners: ReadonlyMap<string, string>,
): BudgetVerdict {
  const endpointOwner = owners.get(budget.service)
  const { components, observed } = endpoint
  const valueNs = statisticOf(observed, budget.target)
  const isKept =
    valueNs === undefined
      ? components.every(({ verdict }) => verdict === 'target-met')
      : meetsTarget(valueNs, budget.target)
  if (isKept) return { budget, outcome: 'kept', ...NOTHING, valueNs, owner: endpointOwner }
  const held =
    components.find(({ verdict }) => verdict === 'bottleneck') ??
    components.find(({ verdict }) => verdict === 'contributor') ??
    components[0]
  const finding = findingBehind(held?.findings ?? [], allFindings(endpoint), savedAt(budget.target))
  const service = finding?.code.service || (held?.kind === 'service' ? held.name : budget.service)
  return {
    budget,
    outcome: 'missed',
    place: undefined,
    valueNs,
    component:
      held === undefined
        ? undefined
        : { kind: held.kind, name: held.name, withoutNs: statisticOf(held.ifInstant, budget.target) },
    finding,
    owner: owners.get(service) ?? endpointOwner,
  }
}

function allFindings({ components, findings }: ExplainedBottleneck): Finding[] {
  return [...components.flatMap((component) => component.findings), ...findings]
}

type Saved = keyof Finding['saved']

/**
 * What would save most of what the budget is about: of the component's findings, else of all. Where none saves any of
 * that, by the mean; else what is known of the component and saves nothing by itself.
 */
function findingBehind(own: readonly Finding[], all: readonly Finding[], at: Saved): Finding | undefined {
  return worst(own, at) ?? worst(all, at) ?? worst(own, 'meanNs') ?? worst(all, 'meanNs') ?? own[0]
}

/** The finding that saves most, if any saves some. */
function worst(findings: readonly Finding[], at: Saved): Finding | undefined {
  return findings
    .filter(({ saved }) => saved[at] > 0)
    .reduce<Finding | undefined>((a, b) => (a === undefined || b.saved[at] > a.saved[at] ? b : a), undefined)
}

/** Of what findings say they save: the mean, a budget's own percentile, or that which tells most of it. */
function savedAt({ quantile }: Target): Saved {
  if (quantile === undefined) return 'meanNs'
  if (quantile > 0.95) return 'p99Ns'
  return quantile > 0.5 ? 'p95Ns' : 'p50Ns'
}

function savesText({ saved }: Finding, target: Target): string {
  const at = [savedAt(target), 'meanNs' as const].find((statistic) => saved[statistic] > 0)
  if (at === undefined) return 'saves nothing by itself'
  return `saves ${duration(saved[at])} at ${at === 'meanNs' ? 'the mean' : at.slice(0, -2)}`
}

function statisticOf(
  figures: { p50Ns: number; p95Ns: number; p99Ns: number; meanNs: number },
  { statistic }: Target,
): number | undefined {
  const known: Readonly<Record<string, number>> = {
    p50: figures.p50Ns,
    p95: figures.p95Ns,
    p99: figures.p99Ns,
    mean: figures.meanNs,
  }
  return known[statistic]
}

const INDENT = 8

/** Lines that say what was found, `missed` first of all. */
export function verdictText(verdicts: readonly BudgetVerdict[]): string {
  const order = ['missed', 'absent', 'kept']
  return verdicts
    .toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome))
    .map((verdict) => `${linesOf(verdict).join('\n')}\n`)
    .join('')
}

function linesOf(verdict: BudgetVerdict): string[] {
  const { outcome, owner } = verdict
  const who = owner === undefined ? '' : ` (${owner})`
  return [
    `${outcome.padEnd(INDENT)}${headline(verdict)}${who}`,
    ...reasons(verdict).flatMap((line) => wrapped(line, ' '.repeat(INDENT), INDENT)),
  ]
}

function headline({ budget, outcome, place, valueNs }: BudgetVerdict): string {
  const { service, operation, text, target } = budget
  const name = printable(`${service} ${operation}${place === undefined ? '' : ` in ${place}`}`)
  if (outcome === 'absent') return `${name}: no requests, budget ${text}`
  const value = valueNs === undefined ? '' : `${target.statistic} ${duration(valueNs)}, `
  return `${name}: ${value}budget ${text}`
}

function reasons({ component, finding, budget }: BudgetVerdict): string[] {
  const lines: string[] = []
  if (component !== undefined) {
    const without =
      component.withoutNs === undefined
        ? ''
        : `: without its own work ${budget.target.statistic} ${duration(component.withoutNs)}`
    lines.push(`held back by ${componentLabel(component)}${without}`)
  }
  if (finding !== undefined) {
    lines.push(`${finding.title}, ${savesText(finding, budget.target)}: ${printable(finding.advice)}`)
  }
  return lines
}

/** The same as JUnit XML, a test case a budget; an endpoint without requests is a failure unless it is allowed. */
export function verdictXml(verdicts: readonly BudgetVerdict[], allowAbsent: boolean): string {
  const fails = ({ outcome }: BudgetVerdict) => outcome === 'missed' || (outcome === 'absent' && !allowAbsent)
  const counts = {
    tests: verdicts.length,
    failures: verdicts.filter(fails).length,
    errors: 0,
    skipped: verdicts.filter((verdict) => verdict.outcome === 'absent' && !fails(verdict)).length,
  }
  const suite = create({ version: '1.0', encoding: 'UTF-8' })
    .ele('testsuites', { name: 'longpole', ...counts })
    .ele('testsuite', { name: 'budgets', ...counts })
  for (const verdict of verdicts) {
    const { budget, valueNs, owner } = verdict
    const test = suite.ele('testcase', {
      classname: printable(budget.service),
      name: printable(`${budget.operation} ${budget.text}`),
      time: ((valueNs ?? 0) / 1e9).toFixed(6),
    })
    if (fails(verdict)) {
      const text = [...reasons(verdict), ...(owner === undefined ? [] : [`owner: ${owner}`])].join('\n')
      test.ele('failure', { type: verdict.outcome, message: headline(verdict) }).txt(text)
    } else if (verdict.outcome === 'absent') test.ele('skipped', { message: headline(verdict) })
  }
  return `${suite.end({ prettyPrint: true })}\n`
}
