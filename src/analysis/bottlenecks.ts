import { type Component, compareComponents } from '../trace/component.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { Pair } from './pair.ts'
import {
  type Distribution,
  distributionOf,
  type Intervals,
  intervalsOf,
  type Predicted,
  rangeOf,
  rank,
  weightedMean,
} from './ranked.ts'
import { type Sampling, samplingOf } from './sampling-bias.ts'
import type { Target } from './target.ts'
import { differenceMargin, shareOfBoth, type Verdict, verdictOf } from './verdict.ts'

export type { Distribution } from './ranked.ts'
export type { Verdict } from './verdict.ts'

export type Scope = 'trace' | 'service'

/** The samples of one endpoint, as columns. */
export type SampleGroup = {
  endpoint: Endpoint
  scope: Scope
  durationsNs: Float64Array
  /** Requests that each stands for; undefined: one each. */
  weights?: Float64Array | undefined
  /** 1: ended in an error. */
  failed: Uint8Array
  components: GroupComponent[]
}

/** Where a component had critical time: row i is about sample `sample[i]` of the group. */
export type GroupComponent = {
  component: Component
  sample: Int32Array
  criticalNs: Float64Array
  ifInstantNs: Float64Array
  /** Between which two the evidence leaves ifInstantNs; undefined: nowhere open. */
  range?: { earliestNs: Float64Array; latestNs: Float64Array } | undefined
}

export type BottleneckComponent = Component & {
  criticalShare: number
  presentShare: number
  ifInstant: Distribution
  verdict: Verdict
} & Intervals

/** One endpoint, in the shape of contract.md's `bottlenecks`. */
export type Bottleneck = {
  service: string
  operation: string
  scope: Scope
  environment: string
  namespace: string
  /** Samples. */
  entries: number
  observed: Distribution
  components: BottleneckComponent[]
  /** Without a target: whose saved p95 cannot be told from the leader's. */
  tie?: Component[]
  /** How the samples were chosen, where they stand for more than themselves or look chosen. */
  sampling?: Sampling
} & Partial<Pair>

/** What holds each endpoint back, by environment, namespace, service, operation, scope (`trace` first). */
export function bottlenecksOf(groups: Iterable<SampleGroup>, target?: Target): Bottleneck[] {
  return Array.from(groups, (group) => bottleneckOf(group, target)).sort(compareBottlenecks)
}

export function bottleneckOf(group: SampleGroup, target?: Target): Bottleneck {
  const { endpoint, durationsNs, weights, failed } = group
  const meanNs = weightedMean(durationsNs, weights)
  const observed = { ranked: rank(durationsNs, weights), meanNs }
  const distribution = distributionOf(observed.ranked, meanNs)
  const measured = group.components.map((part) => measure(group, part, meanNs))
  measured.sort(
    (a, b) => a.ifInstant.p95Ns - b.ifInstant.p95Ns || compareComponents(a.component, b.component),
  )
  const leads = (measured[0]?.ifInstant.p95Ns ?? distribution.p95Ns) < distribution.p95Ns
  const tie = target === undefined && leads ? tiedWithLeader(measured, distribution.p95Ns, weights) : []
  const sampling = samplingOf(
    observed.ranked,
    weights,
    failed.reduce((sum, one) => sum + one, 0),
  )
  return {
    service: endpoint.service,
    operation: endpoint.operation,
    scope: group.scope,
    environment: endpoint.environment,
    namespace: endpoint.namespace,
    entries: durationsNs.length,
    observed: distribution,
    components: measured.map(({ component, instant, predicted, ...figures }, place) => ({
      kind: component.kind,
      name: component.name,
      ...figures,
      ...intervalsOf(predicted),
      verdict:
        target !== undefined
          ? verdictOf(target, observed, predicted)
          : place === 0 && leads
            ? 'leader'
            : 'not a bottleneck',
    })),
    ...(tie.length === 0 ? {} : { tie }),
    ...(sampling === undefined ? {} : { sampling }),
  }
}

type Measured = {
  component: Component
  criticalShare: number
  presentShare: number
  ifInstant: Distribution
  /** Latency of each sample without the component, ns. */
  instant: Float64Array
  predicted: Predicted
}

function measure(
  { durationsNs, weights }: SampleGroup,
  part: GroupComponent,
  observedMeanNs: number,
): Measured {
  const instant = durationsNs.slice()
  let criticalNs = 0
  let present = 0
  for (let i = 0; i < part.sample.length; i++) {
    const sample = part.sample[i]!
    const weight = weights === undefined ? 1 : weights[sample]!
    instant[sample] = part.ifInstantNs[i]!
    criticalNs += weight * part.criticalNs[i]!
    present += weight
  }
  const all = weights === undefined ? durationsNs.length : weights.reduce((sum, weight) => sum + weight, 0)
  const meanNs = weightedMean(instant, weights)
  const ranked = rank(instant, weights)
  const { range } = part
  const withPart = (ns: Float64Array) => {
    const latencies = durationsNs.slice()
    for (let i = 0; i < ns.length; i++) latencies[part.sample[i]!] = ns[i]!
    return latencies
  }
  return {
    component: part.component,
    criticalShare: observedMeanNs === 0 ? 0 : criticalNs / (observedMeanNs * all),
    presentShare: present / all,
    ifInstant: distributionOf(ranked, meanNs),
    instant,
    predicted: {
      ranked,
      meanNs,
      ...(range === undefined ? {} : rangeOf(withPart(range.earliestNs), withPart(range.latestNs), weights)),
    },
  }
}

/** Those that save something at p95, and not certainly less than the leader, the first. */
function tiedWithLeader(
  [leader, ...others]: readonly Measured[],
  observedP95Ns: number,
  weights: Float64Array | undefined,
): Component[] {
  const limit = ({ instant, ifInstant }: Measured) => ({ values: instant, limitNs: ifInstant.p95Ns })
  return others
    .filter((other) => {
      if (other.ifInstant.p95Ns >= observedP95Ns) return false
      const both = shareOfBoth(limit(leader!), limit(other), weights)
      const marginNs = differenceMargin(leader!.predicted, other.predicted, 0.95, both) ?? 0
      return other.ifInstant.p95Ns - leader!.ifInstant.p95Ns <= marginNs
    })
    .map(({ component }) => component)
}

/** By environment, namespace, service, operation, scope (`trace` first). */
export function compareBottlenecks(a: Endpoint & { scope: Scope }, b: Endpoint & { scope: Scope }): number {
  for (const key of ['environment', 'namespace', 'service', 'operation'] as const) {
    if (a[key] !== b[key]) return a[key] < b[key] ? -1 : 1
  }
  return a.scope === b.scope ? 0 : a.scope === 'trace' ? -1 : 1
}
