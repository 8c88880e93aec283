import { type Component, OTHER_COMPONENT } from '../trace/component.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import type { Scope } from './bottlenecks.ts'
import { addStacks, type CallStacks, createStacks } from './call-stacks.ts'
import { addSum, createSum, type ExactSum, sumValue } from './exact-sum.ts'
import { addHistogram, counterfactual, createHistogram, type Histogram, quantileBin } from './histogram.ts'

/** Samples of one endpoint added up: a stored rollup, or any sum of them. All figures are weighted. */
export type Rollup = {
  /** Rows of samples. */
  samples: number
  /** Entries they stand for, and the sum of the squares of their weights. */
  weight: number
  weightSquares: number
  errors: number
  durationNs: ExactSum
  /** Square seconds. */
  durationSquares: number
  /** Time that the samples were running in the bucket they started in, the one after it, ... */
  overlapNs: ExactSum[]
  observed: Histogram
  /** By componentKey. */
  components: Map<string, ComponentRollup>
  stacks: CallStacks
  exemplars: Exemplar[]
}

/** Where a component had critical time. */
export type ComponentRollup = {
  component: Component
  /** Weight of those samples; what their latency was; what it would be without the component's own work. */
  present: number
  presentNs: ExactSum
  ifInstantNs: ExactSum
  criticalNs: ExactSum
  /** Square seconds. */
  criticalSquares: number
  /** How often the critical path entered it; of entries only. */
  calls: number
  observed: Histogram
  /** If infinitely fast, minus observed. */
  shift: Histogram
  /** The earliest and the latest that the evidence for dependencies allows, minus if infinitely fast. */
  earlier: Histogram
  later: Histogram
  exemplars: Exemplar[]
}

export type TraceIdWords = readonly [number, number, number, number]

/** A trace to look at. `ns`: its latency; of a component, what it saves there. */
export type Exemplar = {
  worst: boolean
  /** Trace id, 32 bits each, the highest first. */
  id: TraceIdWords
  ns: number
  /** Epoch seconds of its start. */
  seconds: number
}

export type RollupKey = Endpoint & { scope: Scope; version: string }

/** Components of a rollup that are told apart; what is beyond counts as service (other). */
export const COMPONENTS_KEPT = 200

/** Exemplars of each kind that are kept of an endpoint. */
export const EXEMPLARS = 3

export function componentKey(component: Component): string {
  let key = keys.get(component)
  if (key === undefined) {
    key = `${component.kind}\n${component.name}`
    keys.set(component, key)
  }
  return key
}
/** A text made anew would have to be hashed anew, for each component of each row. */
const keys = new WeakMap<Component, string>()

export function createRollup(): Rollup {
  return {
    samples: 0,
    weight: 0,
    weightSquares: 0,
    errors: 0,
    durationNs: createSum(),
    durationSquares: 0,
    overlapNs: [],
    observed: createHistogram(),
    components: new Map(),
    stacks: createStacks(),
    exemplars: [],
  }
}

export function componentIn(rollup: Rollup, component: Component): ComponentRollup {
  const key = componentKey(component)
  let part = rollup.components.get(key)
  if (part === undefined) {
    part = {
      component,
      present: 0,
      presentNs: createSum(),
      ifInstantNs: createSum(),
      criticalNs: createSum(),
      criticalSquares: 0,
      calls: 0,
      observed: createHistogram(),
      shift: createHistogram(),
      earlier: createHistogram(),
      later: createHistogram(),
      exemplars: [],
    }
    rollup.components.set(key, part)
  }
  return part
}

/**
 * Adds a rollup to another. `bucket`: how many of the sum's buckets the added one's spans, and which of them within it
 * this is, for the overlap with later buckets (`of` 1: buckets are equally long).
 */
export function addRollup(
  to: Rollup,
  from: Rollup,
  bucket: { at: number; of: number } = { at: 0, of: 1 },
): void {
  to.samples += from.samples
  to.weight += from.weight
  to.weightSquares += from.weightSquares
  to.errors += from.errors
  addSum(to.durationNs, from.durationNs)
  to.durationSquares += from.durationSquares
  from.overlapNs.forEach((sum, later) => {
    const place = Math.floor((bucket.at + later) / bucket.of)
    while (to.overlapNs.length <= place) to.overlapNs.push(createSum())
    addSum(to.overlapNs[place]!, sum)
  })
  addHistogram(to.observed, from.observed)
  for (const part of from.components.values()) addComponent(componentIn(to, part.component), part)
  addStacks(to.stacks, from.stacks)
  to.exemplars.push(...from.exemplars)
}

function addComponent(to: ComponentRollup, from: ComponentRollup): void {
  to.present += from.present
  addSum(to.presentNs, from.presentNs)
  addSum(to.ifInstantNs, from.ifInstantNs)
  addSum(to.criticalNs, from.criticalNs)
  to.criticalSquares += from.criticalSquares
  to.calls += from.calls
  addHistogram(to.observed, from.observed)
  addHistogram(to.shift, from.shift)
  addHistogram(to.earlier, from.earlier)
  addHistogram(to.later, from.later)
  to.exemplars.push(...from.exemplars)
}

/**
 * Keeps the components with the most critical time. The critical time and calls of the others count as service (other);
 * what those would save is given up (their samples cannot be told apart any more), so its shift is 0.
 */
export function capComponents(rollup: Rollup, most = COMPONENTS_KEPT): void {
  if (rollup.components.size <= most) return
  const other = componentKey(OTHER_COMPONENT)
  const parts = [...rollup.components.values()].sort(
    (a, b) =>
      sumValue(b.criticalNs) - sumValue(a.criticalNs) ||
      (componentKey(a.component) < componentKey(b.component) ? -1 : 1),
  )
  const rest = parts.filter((part, i) => i >= most && componentKey(part.component) !== other)
  const into = componentIn(rollup, OTHER_COMPONENT)
  for (const part of rest) {
    addSum(into.criticalNs, part.criticalNs)
    into.criticalSquares += part.criticalSquares
    into.calls += part.calls
    rollup.components.delete(componentKey(part.component))
  }
}

/** The component without which p95 would be lowest, if lower by a bin; ties by kind, then name. */
export function leaderOf(rollup: Rollup): { component: Component; bin: number } | undefined {
  let leader: { component: Component; bin: number } | undefined
  const observed = quantileBin(rollup.observed, rollup.weight, 0.95)
  for (const { component, shift } of rollup.components.values()) {
    const bin = quantileBin(counterfactual(rollup.observed, shift), rollup.weight, 0.95)
    if (bin >= observed) continue
    const before =
      leader === undefined ||
      bin < leader.bin ||
      (bin === leader.bin && componentKey(component) < componentKey(leader.component))
    if (before) leader = { component, bin }
  }
  return leader
}

export function compareTraceIds(a: TraceIdWords, b: TraceIdWords): number {
  for (let word = 0; word < 4; word++) if (a[word] !== b[word]) return a[word]! - b[word]!
  return 0
}

/** A few exemplars: the worst by ns, and the typical ones nearest to `typicalNs`; ties by trace id. */
export function pickExemplars(exemplars: readonly Exemplar[], typicalNs: number, count: number): Exemplar[] {
  const worst: Exemplar[] = []
  const typical: Exemplar[] = []
  for (const exemplar of exemplars) {
    if (exemplar.worst) keepFirst(worst, exemplar, count, ({ ns }) => -ns)
    else keepFirst(typical, exemplar, count, ({ ns }) => Math.abs(ns - typicalNs))
  }
  return [...worst, ...typical]
}

/** Keeps a trace among the `count` that go first by rank, then by trace id; each once, by its first. */
function keepFirst(
  kept: Exemplar[],
  exemplar: Exemplar,
  count: number,
  rankOf: (exemplar: Exemplar) => number,
): void {
  const rank = rankOf(exemplar)
  let at = kept.length
  while (at > 0) {
    const before = rankOf(kept[at - 1]!)
    if (before < rank || (before === rank && compareTraceIds(kept[at - 1]!.id, exemplar.id) <= 0)) break
    at--
  }
  if (at === count) return
  const same = kept.findIndex(({ id }) => compareTraceIds(id, exemplar.id) === 0)
  if (same >= 0 && same < at) return
  if (same >= 0) kept.splice(same, 1)
  kept.splice(at, 0, exemplar)
  if (kept.length > count) kept.pop()
}

/** What a component usually saves where it is on the path: the mean. */
export function meanSavingNs({ present, presentNs, ifInstantNs }: ComponentRollup): number {
  return present === 0 ? 0 : (sumValue(presentNs) - sumValue(ifInstantNs)) / present
}
