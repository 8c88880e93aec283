import type { StoredGroup } from '../store/read-samples.ts'

/** Trace ids given for each. */
const EXEMPLARS = 3

export type Exemplars = { typical: string[]; worst: string[] }

/** Of an endpoint: traces next to the median, and the slowest. */
export function endpointExemplars(group: StoredGroup): Exemplars {
  const order = Array.from(group.durationsNs.keys()).sort(
    (a, b) => group.durationsNs[a]! - group.durationsNs[b]!,
  )
  return pick(group, order)
}

/** Of a component: traces where it saves about as much as usual where it is present, and most. */
export function componentExemplars(
  group: StoredGroup,
  component: StoredGroup['components'][number],
): Exemplars {
  const saved = (i: number) => group.durationsNs[component.sample[i]!]! - component.ifInstantNs[i]!
  const order = Array.from(component.sample.keys())
    .sort((a, b) => saved(a) - saved(b))
    .map((i) => component.sample[i]!)
  return pick(group, order)
}

/** `order`: samples, ascending by what is to be exemplified. */
function pick(group: StoredGroup, order: readonly number[]): Exemplars {
  const ids = (samples: readonly number[]) => [...new Set(samples.map((sample) => group.traceIds[sample]!))]
  const middle = Math.max(0, Math.floor((order.length - EXEMPLARS) / 2))
  return {
    typical: ids(order.slice(middle, middle + EXEMPLARS)),
    worst: ids(order.slice(-EXEMPLARS).reverse()),
  }
}
