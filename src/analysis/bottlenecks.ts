import type { Component } from '../trace/component.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import { compareComponents } from './measure.ts'
import { meanOf, quantileInterval, quantileOf } from './quantile.ts'
import { meetsTarget, type Target } from './target.ts'

export type Scope = 'trace' | 'service'

/** The samples of one endpoint, as columns. */
export type SampleGroup = {
  endpoint: Endpoint
  scope: Scope
  durationsNs: Float64Array
  components: GroupComponent[]
}

/** Where a component had critical time: row i is about sample `sample[i]` of the group. */
export type GroupComponent = {
  component: Component
  sample: Int32Array
  criticalNs: Float64Array
  ifInstantNs: Float64Array
}

export type Distribution = { p50Ns: number; p95Ns: number; p99Ns: number; meanNs: number }

export type Verdict = 'bottleneck' | 'contributor' | 'not a bottleneck' | 'target-met' | 'leader'

export type BottleneckComponent = Component & {
  criticalShare: number
  presentShare: number
  ifInstant: Distribution
  /** 95 % confidence interval of ifInstant.p95Ns; null where there are too few samples. */
  p95Interval: [number, number] | null
  verdict: Verdict
}

/** One endpoint, in the shape of contract.md's `bottlenecks`. */
export type Bottleneck = {
  service: string
  operation: string
  scope: Scope
  environment: string
  namespace: string
  entries: number
  observed: Distribution
  components: BottleneckComponent[]
}

/** At least this share of the target's percentile must be gone for a component to be a contributor. */
const CONTRIBUTOR_SHARE = 0.05

/** What holds each endpoint back, by environment, namespace, service, operation, scope (`trace` first). */
export function bottlenecksOf(groups: readonly SampleGroup[], target?: Target): Bottleneck[] {
  return groups.map((group) => bottleneckOf(group, target)).sort(compareBottlenecks)
}

export function bottleneckOf(group: SampleGroup, target?: Target): Bottleneck {
  const { endpoint, durationsNs } = group
  const sorted = durationsNs.slice().sort()
  const observed = distributionOf(sorted)
  const totalNs = observed.meanNs * durationsNs.length
  const measured = group.components.map((part) => {
    const instant = durationsNs.slice()
    let criticalNs = 0
    for (let i = 0; i < part.sample.length; i++) {
      instant[part.sample[i]!] = part.ifInstantNs[i]!
      criticalNs += part.criticalNs[i]!
    }
    instant.sort()
    return {
      component: part.component,
      criticalShare: totalNs === 0 ? 0 : criticalNs / totalNs,
      presentShare: part.sample.length / durationsNs.length,
      ifInstant: distributionOf(instant),
      instant,
    }
  })
  measured.sort(
    (a, b) => a.ifInstant.p95Ns - b.ifInstant.p95Ns || compareComponents(a.component, b.component),
  )
  return {
    service: endpoint.service,
    operation: endpoint.operation,
    scope: group.scope,
    environment: endpoint.environment,
    namespace: endpoint.namespace,
    entries: durationsNs.length,
    observed,
    components: measured.map(({ component, instant, ...figures }, rank) => ({
      kind: component.kind,
      name: component.name,
      ...figures,
      p95Interval: quantileInterval(instant, 0.95) ?? null,
      verdict:
        target === undefined
          ? rank === 0 && figures.ifInstant.p95Ns < observed.p95Ns
            ? 'leader'
            : 'not a bottleneck'
          : verdictOf(sorted, instant, target),
    })),
  }
}

/** Against a target: would the endpoint meet it without the component's own work? */
function verdictOf(observed: Float64Array, instant: Float64Array, target: Target): Verdict {
  const before = statisticOf(observed, target)
  if (meetsTarget(before, target)) return 'target-met'
  const after = statisticOf(instant, target)
  const interval = target.quantile === undefined ? undefined : quantileInterval(instant, target.quantile)
  if (meetsTarget(interval === undefined ? after : interval[1], target)) return 'bottleneck'
  return before - after >= CONTRIBUTOR_SHARE * before ? 'contributor' : 'not a bottleneck'
}

function statisticOf(sorted: Float64Array, target: Target): number {
  return target.quantile === undefined ? meanOf(sorted) : quantileOf(sorted, target.quantile)
}

function distributionOf(sorted: Float64Array): Distribution {
  return {
    p50Ns: quantileOf(sorted, 0.5),
    p95Ns: quantileOf(sorted, 0.95),
    p99Ns: quantileOf(sorted, 0.99),
    meanNs: meanOf(sorted),
  }
}

export function compareBottlenecks(a: Bottleneck, b: Bottleneck): number {
  for (const key of ['environment', 'namespace', 'service', 'operation'] as const) {
    if (a[key] !== b[key]) return a[key] < b[key] ? -1 : 1
  }
  return a.scope === b.scope ? 0 : a.scope === 'trace' ? -1 : 1
}
