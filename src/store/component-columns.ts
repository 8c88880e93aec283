import type { Analysis } from '../analysis/result.ts'
import { putNumber } from '../analysis/word-list.ts'
import { OTHER_COMPONENT } from '../trace/component.ts'
import type { NativeColumn } from './native-writer.ts'
import { endsOfRows, NO_ROW } from './sample-order.ts'

/**
 * The columns that say what each component has in the samples, each in the row that `rowOf` says; rows of none have none.
 * Components beyond the first 64 of a sample are one: service (other).
 */
export function createComponentColumns(analysis: Analysis, rowOf: Uint32Array, rows: number): NativeColumn[] {
  const { spans, samples, components } = analysis
  // Kind and name have the component's number as their code.
  const { kinds, names, other } = textsOf(spans.dictionary.components)
  const { counts, callCounts, rangeCounts } = countsOf(analysis, rowOf)
  const ends = endsOfRows(rows, rowOf, counts)
  const callEnds = endsOfRows(rows, rowOf, callCounts)
  const rangeEnds = endsOfRows(rows, rowOf, rangeCounts)
  const last = (ends: Uint32Array) => (rows === 0 ? 0 : ends[rows - 1]!)
  const codes = new Uint32Array(last(ends))
  const criticalNs = new Uint32Array(2 * last(ends))
  const ifInstantNs = new Uint32Array(2 * last(ends))
  const calls = new Uint32Array(last(callEnds))
  const earlierNs = new Uint32Array(2 * last(rangeEnds))
  const laterNs = new Uint32Array(2 * last(rangeEnds))
  for (let s = 0; s < samples.count; s++) {
    const row = rowOf[s]!
    if (row === NO_ROW) continue
    let at = row === 0 ? 0 : ends[row - 1]!
    let range = rangeCounts[s] === 0 ? -1 : row === 0 ? 0 : rangeEnds[row - 1]!
    let call = callCounts[s] === 0 ? -1 : row === 0 ? 0 : callEnds[row - 1]!
    let otherNs = 0
    let otherCalls = 0
    const end = samples.firstComponent[s + 1]!
    for (let i = samples.firstComponent[s]!; i < end; i++) {
      if (components.bound[i] === 1) {
        otherNs += components.criticalNs[i]!
        if (call >= 0) otherCalls += components.calls[i]!
        continue
      }
      const ns = components.ifInstantNs[i]!
      codes[at] = components.component[i]!
      putNumber(criticalNs, at, components.criticalNs[i]!)
      putNumber(ifInstantNs, at++, ns)
      if (call >= 0) calls[call++] = components.calls[i]!
      if (range < 0) continue
      putNumber(earlierNs, range, ns - components.earliestNs[i]!)
      putNumber(laterNs, range++, components.latestNs[i]! - ns)
    }
    if (otherNs === 0) continue
    codes[at] = other
    putNumber(criticalNs, at, otherNs)
    putNumber(ifInstantNs, at, samples.durationNs[s]! - otherNs)
    if (call >= 0) calls[call] = otherCalls
  }
  return [
    { name: 'ComponentKinds', type: 'Array(LowCardinality(String))', ends, texts: kinds, codes },
    { name: 'ComponentNames', type: 'Array(LowCardinality(String))', ends, texts: names, codes },
    { name: 'CriticalNs', type: 'Array(UInt64)', ends, words: criticalNs },
    { name: 'IfInstantNs', type: 'Array(UInt64)', ends, words: ifInstantNs },
    { name: 'EarlierNs', type: 'Array(UInt64)', ends: rangeEnds, words: earlierNs },
    { name: 'LaterNs', type: 'Array(UInt64)', ends: rangeEnds, words: laterNs },
    { name: 'ComponentCalls', type: 'Array(UInt32)', ends: callEnds, values: calls },
  ]
}

/**
 * Components that are stored of each sample; so many as well with calls (of entries, which have call stacks), and with the
 * range of what they save (of samples where the evidence for dependencies leaves that open for any), else 0.
 */
function countsOf(
  { samples, components }: Analysis,
  rowOf: Uint32Array,
): Readonly<Record<'counts' | 'callCounts' | 'rangeCounts', Uint32Array>> {
  const counts = new Uint32Array(samples.count)
  const callCounts = new Uint32Array(samples.count)
  const rangeCounts = new Uint32Array(samples.count)
  const hasRanges = components.earliestNs.length > 0
  for (let s = 0; s < samples.count; s++) {
    if (rowOf[s] === NO_ROW) continue
    const end = samples.firstComponent[s + 1]!
    let count = 0
    let hasOther = false
    let isOpen = false
    for (let i = samples.firstComponent[s]!; i < end; i++) {
      if (components.bound[i] === 1) {
        if (components.criticalNs[i]! > 0) hasOther = true
        continue
      }
      count++
      if (hasRanges && components.earliestNs[i] !== components.latestNs[i]) isOpen = true
    }
    if (hasOther) count++
    counts[s] = count
    if (samples.firstNode[s + 1]! > samples.firstNode[s]!) callCounts[s] = count
    if (isOpen) rangeCounts[s] = count
  }
  return { counts, callCounts, rangeCounts }
}

/** Texts by component, and the number of what stands for the rest. */
function textsOf(components: readonly { kind: string; name: string }[]): {
  kinds: string[]
  names: string[]
  other: number
} {
  const all = [...components, OTHER_COMPONENT]
  return {
    kinds: all.map(({ kind }) => kind),
    names: all.map(({ name }) => name),
    other: components.length,
  }
}
