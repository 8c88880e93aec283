import type { GroupComponent, SampleGroup, Scope } from '../analysis/bottlenecks.ts'
import { weightsOf } from '../analysis/weights.ts'
import { type Component, type ComponentKind, OTHER_COMPONENT } from '../trace/component.ts'
import type { Store } from './store.ts'

/** '*' where nothing is asked for. */
export type SampleFilter = {
  fromMs: number
  toMs: number
  environment: string
  namespace: string
  service: string
  operation: string
  scope: string
}

/** An endpoint's samples with the trace each is of. */
export type StoredGroup = SampleGroup & { traceIds: string[] }

/** Components of an endpoint that are told apart; the others count as service (other). */
export const COMPONENTS_PER_ENDPOINT = 200

type Part = { component: Component; sample: number[]; criticalNs: number[]; ifInstantNs: number[] }
type Group = {
  endpoint: SampleGroup['endpoint']
  scope: Scope
  durations: number[]
  weights: number[]
  failed: number[]
  traceIds: string[]
  parts: Map<string, Part>
}

type Row = [
  environment: string,
  namespace: string,
  service: string,
  operation: string,
  scope: Scope,
  traceId: string,
  durationNs: number | string,
  isError: number,
  kinds: ComponentKind[],
  names: string[],
  criticalNs: (number | string)[],
  ifInstantNs: (number | string)[],
  weight: number,
]

/** Samples of a range, by endpoint and scope. */
export async function readSampleGroups(store: Store, filter: SampleFilter): Promise<StoredGroup[]> {
  const groups = new Map<string, Group>()
  for await (const rows of store.stream<Row>('samples', filter)) {
    for (const row of rows) addRow(groups, row)
  }
  return [...groups.values()].map((group) => ({
    endpoint: group.endpoint,
    scope: group.scope,
    traceIds: group.traceIds,
    weights: weightsOf(group.weights),
    failed: Uint8Array.from(group.failed),
    durationsNs: Float64Array.from(group.durations),
    components: columnsOf(group),
  }))
}

function addRow(groups: Map<string, Group>, row: Row): void {
  const [
    environment,
    namespace,
    service,
    operation,
    scope,
    traceId,
    durationNs,
    isError,
    kinds,
    names,
    critical,
    instant,
    weight,
  ] = row
  const key = [environment, namespace, service, operation, scope].join('\n')
  let group = groups.get(key)
  if (group === undefined) {
    const endpoint = { environment, namespace, service, operation }
    group = { endpoint, scope, durations: [], weights: [], failed: [], traceIds: [], parts: new Map() }
    groups.set(key, group)
  }
  const index = group.durations.push(Number(durationNs)) - 1
  group.traceIds.push(traceId)
  group.weights.push(weight)
  group.failed.push(isError)
  for (let i = 0; i < kinds.length; i++) {
    const name = `${kinds[i]}\n${names[i]}`
    let part = group.parts.get(name)
    if (part === undefined) {
      part = { component: { kind: kinds[i]!, name: names[i]! }, sample: [], criticalNs: [], ifInstantNs: [] }
      group.parts.set(name, part)
    }
    part.sample.push(index)
    part.criticalNs.push(Number(critical[i]))
    part.ifInstantNs.push(Number(instant[i]))
  }
}

/** The components with the most critical time; what is beyond COMPONENTS_PER_ENDPOINT is added up a sample. */
function columnsOf(group: Group): GroupComponent[] {
  const parts = [...group.parts.values()]
  if (parts.length <= COMPONENTS_PER_ENDPOINT) return parts.map(toColumns)
  const total = new Map(parts.map((part) => [part, part.criticalNs.reduce((a, b) => a + b, 0)]))
  parts.sort((a, b) => total.get(b)! - total.get(a)!)
  const otherNs = new Map<number, number>()
  for (const part of parts.slice(COMPONENTS_PER_ENDPOINT)) {
    part.sample.forEach((sample, i) => {
      otherNs.set(sample, (otherNs.get(sample) ?? 0) + part.criticalNs[i]!)
    })
  }
  const samples = [...otherNs.keys()]
  return [
    ...parts.slice(0, COMPONENTS_PER_ENDPOINT).map(toColumns),
    {
      component: OTHER_COMPONENT,
      sample: Int32Array.from(samples),
      criticalNs: Float64Array.from(otherNs.values()),
      ifInstantNs: Float64Array.from(samples, (sample) => group.durations[sample]! - otherNs.get(sample)!),
    },
  ]
}

function toColumns(part: Part): GroupComponent {
  return {
    component: part.component,
    sample: Int32Array.from(part.sample),
    criticalNs: Float64Array.from(part.criticalNs),
    ifInstantNs: Float64Array.from(part.ifInstantNs),
  }
}
