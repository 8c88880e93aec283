import type { Analysis } from '../analysis/result.ts'
import { createWords, pushNumber, type WordList, wordsIn } from '../analysis/word-list.ts'
import { OTHER_COMPONENT } from '../trace/component.ts'
import type { NativeColumn } from './native-writer.ts'

const WORD = 2 ** 32

/**
 * The columns that say what each component has in the samples named, in that order; rows beyond them have none.
 * Components beyond the first 64 of a sample are one: service (other).
 */
export function createComponentColumns(
  { spans, samples, components }: Analysis,
  order: Uint32Array,
  rows: number,
): NativeColumn[] {
  // Kind and name have the component's number as their code.
  const { kinds, names, other } = textsOf(spans.dictionary.components)
  let most = order.length
  for (let row = 0; row < order.length; row++) {
    most += samples.firstComponent[order[row]! + 1]! - samples.firstComponent[order[row]!]!
  }
  const codes = new Uint32Array(most)
  const criticalNs = new Uint32Array(2 * most)
  const ifInstantNs = new Uint32Array(2 * most)
  const calls = new Uint32Array(most)
  const earlierNs = createWords()
  const laterNs = createWords()
  const ends = new Uint32Array(rows)
  const callEnds = new Uint32Array(rows)
  const rangeEnds = new Uint32Array(rows)
  const hasRanges = components.earliestNs.length > 0
  let count = 0
  let callCount = 0
  for (let row = 0; row < order.length; row++) {
    const s = order[row]!
    const from = samples.firstComponent[s]!
    const end = samples.firstComponent[s + 1]!
    // Only entries have call stacks.
    const hasCalls = samples.firstNode[s + 1]! > samples.firstNode[s]!
    const hasRange = hasRanges && isOpen(from, end)
    let otherNs = 0
    let otherCalls = 0
    for (let i = from; i < end; i++) {
      if (components.bound[i] === 1) {
        otherNs += components.criticalNs[i]!
        otherCalls += components.calls[i]!
        continue
      }
      put(components.component[i]!, components.criticalNs[i]!, components.ifInstantNs[i]!)
      if (hasRange) {
        pushNumber(earlierNs, components.ifInstantNs[i]! - components.earliestNs[i]!)
        pushNumber(laterNs, components.latestNs[i]! - components.ifInstantNs[i]!)
      }
      if (hasCalls) calls[callCount++] = components.calls[i]!
    }
    if (otherNs > 0) {
      put(other, otherNs, samples.durationNs[s]! - otherNs)
      if (hasRange) for (const list of [earlierNs, laterNs]) pushNumber(list, 0)
      if (hasCalls) calls[callCount++] = otherCalls
    }
    ends[row] = count
    callEnds[row] = callCount
    rangeEnds[row] = earlierNs.length / 2
  }
  ends.fill(count, order.length)
  callEnds.fill(callCount, order.length)
  rangeEnds.fill(earlierNs.length / 2, order.length)
  const used = codes.subarray(0, count)
  const pairs = (words: Uint32Array) => words.subarray(0, 2 * count)
  const range = (list: WordList) => ({ ends: rangeEnds, words: wordsIn(list) })
  return [
    { name: 'ComponentKinds', type: 'Array(LowCardinality(String))', ends, texts: kinds, codes: used },
    { name: 'ComponentNames', type: 'Array(LowCardinality(String))', ends, texts: names, codes: used },
    { name: 'CriticalNs', type: 'Array(UInt64)', ends, words: pairs(criticalNs) },
    { name: 'IfInstantNs', type: 'Array(UInt64)', ends, words: pairs(ifInstantNs) },
    { name: 'EarlierNs', type: 'Array(UInt64)', ...range(earlierNs) },
    { name: 'LaterNs', type: 'Array(UInt64)', ...range(laterNs) },
    { name: 'ComponentCalls', type: 'Array(UInt32)', ends: callEnds, values: calls.subarray(0, callCount) },
  ]

  function put(code: number, critical: number, ifInstant: number): void {
    codes[count] = code
    criticalNs[2 * count] = critical
    criticalNs[2 * count + 1] = critical / WORD
    ifInstantNs[2 * count] = ifInstant
    ifInstantNs[2 * count + 1] = ifInstant / WORD
    count++
  }

  /** Whether the evidence for dependencies leaves open what any component would save. */
  function isOpen(from: number, end: number): boolean {
    for (let i = from; i < end; i++) {
      if (components.bound[i] === 0 && components.earliestNs[i] !== components.latestNs[i]) return true
    }
    return false
  }
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
