import { OTHER_COMPONENT } from '../trace/component.ts'
import { STATUS_ERROR } from '../trace/span.ts'
import type { GroupComponent, SampleGroup } from './bottlenecks.ts'
import { type Analysis, SERVICE } from './result.ts'
import { weightsOf } from './weights.ts'

/** A group, and which rows of `analysis.samples` its samples are. */
export type AnalyzedGroup = SampleGroup & { rows: Int32Array }

/**
 * The counted samples, by endpoint and scope. Components beyond a sample's first 64 count as `(other)`. `weightOf` a
 * row says what it counts as, 0: not at all.
 */
export function groupSamples(
  analysis: Analysis,
  weightOf: (row: number) => number = (row) => analysis.samples.weight[row]!,
): AnalyzedGroup[] {
  const { spans, samples, components } = analysis
  const { dictionary } = spans
  const other = dictionary.component(OTHER_COMPONENT)
  type Part = Record<'sample' | 'criticalNs' | 'ifInstantNs' | 'earliestNs' | 'latestNs', number[]>
  type Parts = Map<number, Part>
  const ranged = components.earliestNs.length > 0
  type Group = {
    endpoint: number
    service: boolean
    rows: number[]
    durations: number[]
    weights: number[]
    failed: number[]
    parts: Parts
  }
  const groups = new Map<number, Group>()

  for (let s = 0; s < samples.count; s++) {
    const weight = samples.counted[s] === 0 ? 0 : weightOf(s)
    if (weight === 0) continue
    const endpoint = samples.endpoint[s]!
    const service = samples.kind[s] === SERVICE
    const key = 2 * endpoint + (service ? 1 : 0)
    let group = groups.get(key)
    if (group === undefined) {
      group = { endpoint, service, rows: [], durations: [], weights: [], failed: [], parts: new Map() }
      groups.set(key, group)
    }
    const durationNs = samples.durationNs[s]!
    const index = group.durations.push(durationNs) - 1
    group.rows.push(s)
    group.weights.push(weight)
    group.failed.push(spans.status[samples.span[s]!] === STATUS_ERROR ? 1 : 0)
    let otherNs = 0
    for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
      if (components.bound[i] === 1) otherNs += components.criticalNs[i]!
      else
        addPart(
          group.parts,
          components.component[i]!,
          index,
          components.criticalNs[i]!,
          components.ifInstantNs[i]!,
          i,
        )
    }
    if (otherNs > 0) addPart(group.parts, other, index, otherNs, durationNs - otherNs)
  }

  return [...groups.values()].map((group) => ({
    endpoint: dictionary.endpoints[group.endpoint]!,
    scope: group.service ? 'service' : 'trace',
    rows: Int32Array.from(group.rows),
    durationsNs: Float64Array.from(group.durations),
    weights: weightsOf(group.weights),
    failed: Uint8Array.from(group.failed),
    components: [...group.parts].map(([component, part]) => ({
      component: dictionary.components[component]!,
      sample: Int32Array.from(part.sample),
      criticalNs: Float64Array.from(part.criticalNs),
      ifInstantNs: Float64Array.from(part.ifInstantNs),
      range: rangeOf(part),
    })),
  }))

  function addPart(
    parts: Parts,
    component: number,
    sample: number,
    criticalNs: number,
    ifInstantNs: number,
    row?: number,
  ) {
    let part = parts.get(component)
    if (part === undefined) {
      part = { sample: [], criticalNs: [], ifInstantNs: [], earliestNs: [], latestNs: [] }
      parts.set(component, part)
    }
    part.sample.push(sample)
    part.criticalNs.push(criticalNs)
    part.ifInstantNs.push(ifInstantNs)
    if (!ranged) return
    part.earliestNs.push(row === undefined ? ifInstantNs : components.earliestNs[row]!)
    part.latestNs.push(row === undefined ? ifInstantNs : components.latestNs[row]!)
  }
}

/** undefined where the evidence leaves nothing open. */
function rangeOf(part: { earliestNs: number[]; latestNs: number[] }): GroupComponent['range'] {
  if (part.earliestNs.every((ns, i) => ns === part.latestNs[i])) return undefined
  return { earliestNs: Float64Array.from(part.earliestNs), latestNs: Float64Array.from(part.latestNs) }
}
