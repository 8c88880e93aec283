import type { CallStacks } from '../analysis/call-stacks.ts'
import { type ExactSum, sumValue } from '../analysis/exact-sum.ts'
import { appendSparse, binValue, histogramQuantile } from '../analysis/histogram.ts'
import { leaderOf, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import { codesById, createCodedTexts } from './column-lists.ts'
import { type NativeColumn, writeBlock } from './native-writer.ts'

export type RollupToStore = {
  step: number
  /** Epoch seconds of the bucket's start. */
  bucket: number
  key: RollupKey
  rollup: Rollup
  version: number
}

/** Steps, in seconds, whose rows say who leads. */
const LEADERS_FROM = 600

const NAMED = ['ComponentKinds', 'ComponentNames', 'NodeFrames'] as const

/** Values of rows of arrays, and where each row ends. */
type Lists<T> = { values: T[]; ends: number[] }

/** One Native block of `rollups`. `frameName`: the text of a frame number of the stacks. */
export function rollupsBlock(rows: readonly RollupToStore[], frameName: (frame: number) => string): Buffer {
  const numbers = (): Lists<number> => ({ values: [], ends: [] })
  const sums = (): Lists<ExactSum> => ({ values: [], ends: [] })
  const bins = { Bins: numbers(), PresentBins: numbers(), ShiftBins: numbers() }
  const counts = { Counts: numbers(), PresentCounts: numbers() }
  const shiftCounts = numbers()
  const histogramEnds = { PresentEnds: numbers(), ShiftEnds: numbers() }
  const named = {
    ComponentKinds: createCodedTexts(),
    ComponentNames: createCodedTexts(),
    NodeFrames: createCodedTexts(),
  }
  const namedEnds = {
    ComponentKinds: [] as number[],
    ComponentNames: [] as number[],
    NodeFrames: [] as number[],
  }
  const frameOf = codesById(named.NodeFrames, frameName)
  const summed = {
    OverlapNs: sums(),
    PresentNs: sums(),
    IfInstantNs: sums(),
    CriticalNs: sums(),
    NodeNs: sums(),
  }
  const counted = { Present: numbers(), Calls: numbers(), NodeCalls: numbers() }
  const squares = numbers()
  const nodeParents = numbers()
  const exemplars = { of: numbers(), worst: numbers(), ns: numbers(), seconds: numbers() }
  const ids = { ExemplarHigh: [] as bigint[], ExemplarLow: [] as bigint[] }
  // Minutes have too few samples to say who leads.
  const leaders = rows.map(({ step, rollup }) => (step < LEADERS_FROM ? undefined : leaderOf(rollup)))

  const all: Lists<unknown>[] = [
    ...Object.values(bins),
    ...Object.values(counts),
    shiftCounts,
    ...Object.values(histogramEnds),
    ...Object.values(summed),
    ...Object.values(counted),
    squares,
    nodeParents,
    ...Object.values(exemplars),
  ]
  for (const { rollup } of rows) {
    appendSparse(rollup.observed, bins.Bins.values, counts.Counts.values)
    summed.OverlapNs.values.push(...rollup.overlapNs)
    const parts = [...rollup.components].sort(([a], [b]) => (a < b ? -1 : 1))
    const presentFrom = bins.PresentBins.values.length
    const shiftFrom = bins.ShiftBins.values.length
    addExemplars(rollup.exemplars, 0)
    parts.forEach(([, part], i) => {
      named.ComponentKinds.push(part.component.kind)
      named.ComponentNames.push(part.component.name)
      counted.Present.values.push(part.present)
      summed.PresentNs.values.push(part.presentNs)
      summed.IfInstantNs.values.push(part.ifInstantNs)
      summed.CriticalNs.values.push(part.criticalNs)
      squares.values.push(part.criticalSquares)
      counted.Calls.values.push(part.calls)
      appendSparse(part.observed, bins.PresentBins.values, counts.PresentCounts.values)
      appendSparse(part.shift, bins.ShiftBins.values, shiftCounts.values)
      histogramEnds.PresentEnds.values.push(bins.PresentBins.values.length - presentFrom)
      histogramEnds.ShiftEnds.values.push(bins.ShiftBins.values.length - shiftFrom)
      addExemplars(part.exemplars, i + 1)
    })
    addNodes(rollup.stacks)
    for (const lists of all) lists.ends.push(lists.values.length)
    for (const name of NAMED) namedEnds[name].push(named[name].codes.length)
  }

  const scalar = (read: (row: RollupToStore) => number) => rows.map(read)
  const text = (read: (key: RollupKey) => string) => rows.map(({ key }) => read(key))
  const columns: NativeColumn[] = [
    { name: 'Step', type: 'UInt32', values: scalar((r) => r.step) },
    { name: 'Bucket', type: 'DateTime', values: scalar((r) => r.bucket) },
    { name: 'Environment', type: 'LowCardinality(String)', values: text((k) => k.environment) },
    { name: 'Namespace', type: 'LowCardinality(String)', values: text((k) => k.namespace) },
    { name: 'Service', type: 'LowCardinality(String)', values: text((k) => k.service) },
    { name: 'Operation', type: 'LowCardinality(String)', values: text((k) => k.operation) },
    { name: 'Scope', type: 'LowCardinality(String)', values: text((k) => k.scope) },
    { name: 'ServiceVersion', type: 'LowCardinality(String)', values: text((k) => k.version) },
    { name: 'Version', type: 'UInt64', values: scalar((r) => r.version) },
    { name: 'Samples', type: 'UInt64', values: scalar((r) => r.rollup.samples) },
    { name: 'Weight', type: 'UInt64', values: scalar((r) => r.rollup.weight) },
    { name: 'WeightSquares', type: 'Float64', values: scalar((r) => r.rollup.weightSquares) },
    { name: 'Errors', type: 'UInt64', values: scalar((r) => r.rollup.errors) },
    { name: 'DurationNs', type: 'UInt64', words: wordsOf(rows.map((r) => r.rollup.durationNs)) },
    { name: 'DurationSquares', type: 'Float64', values: scalar((r) => r.rollup.durationSquares) },
    {
      name: 'P95Ns',
      type: 'Float64',
      values: scalar(({ rollup }) => histogramQuantile(rollup.observed, rollup.weight, 0.95)),
    },
    {
      name: 'LeaderKind',
      type: 'LowCardinality(String)',
      values: leaders.map((leader) => leader?.component.kind ?? ''),
    },
    {
      name: 'LeaderName',
      type: 'LowCardinality(String)',
      values: leaders.map((leader) => leader?.component.name ?? ''),
    },
    {
      name: 'LeaderP95Ns',
      type: 'Float64',
      values: leaders.map((leader) => (leader === undefined ? 0 : binValue(leader.bin))),
    },
    ...arrays('Array(UInt16)', { ...bins, NodeParents: nodeParents, ExemplarOf: exemplars.of }),
    ...arrays('Array(UInt32)', { ...counts, ...histogramEnds, ExemplarSeconds: exemplars.seconds }),
    ...arrays('Array(Int32)', { ShiftCounts: shiftCounts }),
    ...arrays('Array(Float64)', { CriticalSquares: squares }),
    ...arrays('Array(UInt64)', { ...counted, ExemplarNs: exemplars.ns }),
    ...arrays('Array(UInt8)', { ExemplarWorst: exemplars.worst }),
    ...NAMED.map((name) => ({
      name,
      type: 'Array(LowCardinality(String))' as const,
      ends: namedEnds[name],
      ...named[name],
    })),
    ...Object.entries(summed).map(([name, { values, ends }]) => ({
      name,
      type: 'Array(UInt64)' as const,
      words: wordsOf(values),
      ends,
    })),
    ...Object.entries(ids).map(([name, values]) => ({
      name,
      type: 'Array(UInt64)' as const,
      words: new Uint32Array(BigUint64Array.from(values).buffer),
      ends: exemplars.of.ends,
    })),
  ]
  return writeBlock(rows.length, columns)

  function addExemplars(list: Rollup['exemplars'], of: number): void {
    for (const exemplar of list) {
      exemplars.of.values.push(of)
      exemplars.worst.values.push(exemplar.worst ? 1 : 0)
      exemplars.ns.values.push(exemplar.ns)
      exemplars.seconds.values.push(exemplar.seconds)
      ids.ExemplarHigh.push(exemplar.high)
      ids.ExemplarLow.push(exemplar.low)
    }
  }

  function addNodes({ parent, frame, criticalNs, calls }: CallStacks): void {
    for (let i = 0; i < parent.length; i++) {
      nodeParents.values.push(parent[i]! + 1)
      named.NodeFrames.codes.push(frameOf(frame[i]!))
      summed.NodeNs.values.push(criticalNs[i]!)
      counted.NodeCalls.values.push(calls[i]!)
    }
  }
}

function arrays<T extends 'UInt8' | 'UInt16' | 'UInt32' | 'Int32' | 'Float64' | 'UInt64'>(
  type: `Array(${T})`,
  lists: Readonly<Record<string, Lists<number>>>,
): NativeColumn[] {
  return Object.entries(lists).map(([name, { values, ends }]) => ({ name, type, values, ends }))
}

/** Sums as UInt64 words, low first. @throws RangeError for one that is larger */
function wordsOf(sums: readonly ExactSum[]): Uint32Array {
  const words = new Uint32Array(2 * sums.length)
  sums.forEach((sum, i) => {
    if (sum.high >= 2 ** 32) throw new RangeError(`a sum of ${sumValue(sum)} ns does not fit into 64 bits`)
    words[2 * i] = sum.low
    words[2 * i + 1] = sum.high
  })
  return words
}
