import type { CallStacks } from '../analysis/call-stacks.ts'
import type { ExactSum } from '../analysis/exact-sum.ts'
import { appendSparse, binValue, histogramQuantile } from '../analysis/histogram.ts'
import {
  type ComponentRollup,
  type Exemplar,
  leaderOf,
  type Rollup,
  type RollupKey,
} from '../analysis/rollup.ts'
import { createWords, pushNumber, pushPair, pushWord, type WordList, wordsIn } from '../analysis/word-list.ts'
import { codedColumn, codesById, createCodedTexts, pushText } from './column-lists.ts'
import { type NativeColumn, writeBlock } from './native-writer.ts'

export type RollupToStore = {
  step: number
  /** Epoch seconds of the bucket's start. */
  bucket: number
  key: RollupKey
  rollup: Rollup
  version: number
}

/** Steps, in seconds, whose rows say who leads: minutes have too few samples. */
const LEADERS_FROM = 600

/** One Native block of `rollups`, gathered row by row; nothing is kept of a row but its columns. */
export type RollupBlock = {
  rows: number
  add(row: RollupToStore): void
  finish(): Uint8Array[]
}

/** `frameName`: the text of a frame number of the stacks. */
export function createRollupBlock(frameName: (frame: number) => string): RollupBlock {
  const texts = {
    Environment: createCodedTexts(),
    Namespace: createCodedTexts(),
    Service: createCodedTexts(),
    Operation: createCodedTexts(),
    Scope: createCodedTexts(),
    ServiceVersion: createCodedTexts(),
    LeaderKind: createCodedTexts(),
    LeaderName: createCodedTexts(),
  }
  const scalars = {
    UInt32: { Step: list() },
    DateTime: { Bucket: list() },
    UInt64: { Version: list(), Samples: list(), Weight: list(), Errors: list() },
    Float64: { WeightSquares: list(), DurationSquares: list(), P95Ns: list(), LeaderP95Ns: list() },
  }
  const durationNs = createWords()
  const arrays = {
    UInt8: { ExemplarWorst: createWords() },
    UInt16: {
      Bins: createWords(),
      PresentBins: createWords(),
      ShiftBins: createWords(),
      EarlierBins: createWords(),
      LaterBins: createWords(),
      NodeParents: createWords(),
      ExemplarOf: createWords(),
    },
    UInt32: {
      Counts: createWords(),
      PresentCounts: createWords(),
      PresentEnds: createWords(),
      ShiftEnds: createWords(),
      EarlierEnds: createWords(),
      LaterEnds: createWords(),
      ExemplarSeconds: createWords(),
    },
    Int32: { ShiftCounts: createWords(), EarlierCounts: createWords(), LaterCounts: createWords() },
  }
  const criticalSquares = list()
  const words = {
    Present: createWords(),
    Calls: createWords(),
    NodeCalls: createWords(),
    ExemplarNs: createWords(),
    OverlapNs: createWords(),
    PresentNs: createWords(),
    IfInstantNs: createWords(),
    CriticalNs: createWords(),
    NodeNs: createWords(),
    ExemplarHigh: createWords(),
    ExemplarLow: createWords(),
  }
  const named = {
    ComponentKinds: createCodedTexts(),
    ComponentNames: createCodedTexts(),
    NodeFrames: createCodedTexts(),
  }
  const frameOf = codesById(named.NodeFrames, frameName)
  const { UInt8, UInt16, UInt32, Int32 } = arrays
  /** Where the arrays of each row end; of several columns the same. */
  const ends = {
    overlap: createWords(),
    bins: createWords(),
    parts: createWords(),
    present: createWords(),
    shift: createWords(),
    earlier: createWords(),
    earlierEnds: createWords(),
    later: createWords(),
    laterEnds: createWords(),
    nodes: createWords(),
    exemplars: createWords(),
  }

  const block: RollupBlock = { rows: 0, add, finish }
  return block

  function add({ step, bucket, key, rollup, version }: RollupToStore): void {
    block.rows++
    scalars.UInt32.Step.push(step)
    scalars.DateTime.Bucket.push(bucket)
    pushText(texts.Environment, key.environment)
    pushText(texts.Namespace, key.namespace)
    pushText(texts.Service, key.service)
    pushText(texts.Operation, key.operation)
    pushText(texts.Scope, key.scope)
    pushText(texts.ServiceVersion, key.version)
    scalars.UInt64.Version.push(version)
    scalars.UInt64.Samples.push(rollup.samples)
    scalars.UInt64.Weight.push(rollup.weight)
    scalars.UInt64.Errors.push(rollup.errors)
    scalars.Float64.WeightSquares.push(rollup.weightSquares)
    scalars.Float64.DurationSquares.push(rollup.durationSquares)
    scalars.Float64.P95Ns.push(histogramQuantile(rollup.observed, rollup.weight, 0.95))
    pushSum(durationNs, rollup.durationNs)
    const leader = step < LEADERS_FROM ? undefined : leaderOf(rollup)
    pushText(texts.LeaderKind, leader?.component.kind ?? '')
    pushText(texts.LeaderName, leader?.component.name ?? '')
    scalars.Float64.LeaderP95Ns.push(leader === undefined ? 0 : binValue(leader.bin))

    for (const sum of rollup.overlapNs) pushSum(words.OverlapNs, sum)
    pushWord(ends.overlap, words.OverlapNs.length / 2)
    appendSparse(rollup.observed, UInt16.Bins, UInt32.Counts)
    pushWord(ends.bins, UInt16.Bins.length)
    addExemplars(rollup.exemplars, 0)
    addParts(rollup)
    pushWord(ends.exemplars, UInt16.ExemplarOf.length)
    addNodes(rollup.stacks)
  }

  function addParts({ components }: Rollup): void {
    const presentFrom = UInt16.PresentBins.length
    const shiftFrom = UInt16.ShiftBins.length
    const parts = [...components.keys()].sort().map((key) => components.get(key)!)
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      pushText(named.ComponentKinds, part.component.kind)
      pushText(named.ComponentNames, part.component.name)
      pushNumber(words.Present, part.present)
      pushSum(words.PresentNs, part.presentNs)
      pushSum(words.IfInstantNs, part.ifInstantNs)
      pushSum(words.CriticalNs, part.criticalNs)
      criticalSquares.push(part.criticalSquares)
      pushNumber(words.Calls, part.calls)
      appendSparse(part.observed, UInt16.PresentBins, UInt32.PresentCounts)
      appendSparse(part.shift, UInt16.ShiftBins, Int32.ShiftCounts)
      pushWord(UInt32.PresentEnds, UInt16.PresentBins.length - presentFrom)
      pushWord(UInt32.ShiftEnds, UInt16.ShiftBins.length - shiftFrom)
      addExemplars(part.exemplars, i + 1)
    }
    pushWord(ends.parts, criticalSquares.length)
    pushWord(ends.present, UInt16.PresentBins.length)
    pushWord(ends.shift, UInt16.ShiftBins.length)
    const { EarlierBins, LaterBins } = UInt16
    addOpen(parts, 'earlier', { bins: EarlierBins, counts: Int32.EarlierCounts, places: UInt32.EarlierEnds })
    pushWord(ends.earlier, UInt16.EarlierBins.length)
    pushWord(ends.earlierEnds, UInt32.EarlierEnds.length)
    addOpen(parts, 'later', { bins: LaterBins, counts: Int32.LaterCounts, places: UInt32.LaterEnds })
    pushWord(ends.later, UInt16.LaterBins.length)
    pushWord(ends.laterEnds, UInt32.LaterEnds.length)
  }

  /** Histograms of a row's components, and where each ends; none at all where all are empty. */
  function addOpen(
    parts: readonly ComponentRollup[],
    of: 'earlier' | 'later',
    { bins, counts, places }: Readonly<Record<'bins' | 'counts' | 'places', WordList>>,
  ): void {
    const from = bins.length
    const begin = places.length
    for (const part of parts) {
      appendSparse(part[of], bins, counts)
      pushWord(places, bins.length - from)
    }
    if (bins.length === from) places.length = begin
  }

  function addExemplars(exemplars: readonly Exemplar[], of: number): void {
    for (const { worst, ns, seconds, id } of exemplars) {
      pushWord(UInt16.ExemplarOf, of)
      pushWord(UInt8.ExemplarWorst, worst ? 1 : 0)
      pushNumber(words.ExemplarNs, ns)
      pushWord(UInt32.ExemplarSeconds, seconds)
      pushPair(words.ExemplarHigh, id[1], id[0])
      pushPair(words.ExemplarLow, id[3], id[2])
    }
  }

  function addNodes({ parent, frame, criticalNs, calls }: CallStacks): void {
    for (let i = 0; i < parent.length; i++) {
      pushWord(UInt16.NodeParents, parent[i]! + 1)
      pushWord(named.NodeFrames.codes, frameOf(frame[i]!))
      pushSum(words.NodeNs, criticalNs[i]!)
      pushNumber(words.NodeCalls, calls[i]!)
    }
    pushWord(ends.nodes, UInt16.NodeParents.length)
  }

  function finish(): Uint8Array[] {
    const columns: NativeColumn[] = []
    for (const [name, of] of Object.entries(texts)) {
      columns.push({ name, type: 'LowCardinality(String)', ...codedColumn(of) })
    }
    for (const type of ['UInt32', 'DateTime', 'UInt64', 'Float64'] as const) {
      for (const [name, values] of Object.entries(scalars[type])) columns.push({ name, type, values })
    }
    columns.push({ name: 'DurationNs', type: 'UInt64', words: wordsIn(durationNs) })
    for (const type of ['UInt8', 'UInt16', 'UInt32', 'Int32'] as const) {
      for (const [name, values] of Object.entries(arrays[type])) {
        columns.push({ name, type: `Array(${type})`, ends: endsOf(name), values: wordsIn(values) })
      }
    }
    columns.push({
      name: 'CriticalSquares',
      type: 'Array(Float64)',
      ends: wordsIn(ends.parts),
      values: criticalSquares,
    })
    for (const [name, of] of Object.entries(words)) {
      columns.push({ name, type: 'Array(UInt64)', ends: endsOf(name), words: wordsIn(of) })
    }
    for (const [name, of] of Object.entries(named)) {
      columns.push({ name, type: 'Array(LowCardinality(String))', ends: endsOf(name), ...codedColumn(of) })
    }
    return writeBlock(block.rows, columns)
  }

  function endsOf(column: string): Uint32Array {
    return wordsIn(endListOf(column))
  }

  function endListOf(column: string): WordList {
    if (column === 'OverlapNs') return ends.overlap
    if (column === 'Bins' || column === 'Counts') return ends.bins
    if (column === 'PresentBins' || column === 'PresentCounts') return ends.present
    if (column === 'ShiftBins' || column === 'ShiftCounts') return ends.shift
    if (column === 'EarlierBins' || column === 'EarlierCounts') return ends.earlier
    if (column === 'LaterBins' || column === 'LaterCounts') return ends.later
    if (column === 'EarlierEnds') return ends.earlierEnds
    if (column === 'LaterEnds') return ends.laterEnds
    if (column.startsWith('Node')) return ends.nodes
    return column.startsWith('Exemplar') ? ends.exemplars : ends.parts
  }
}

function list(): number[] {
  return []
}

/**
 * A sum as words of a UInt64. A larger one, 584 years of latency, takes a span that says that it stands for billions: it
 * is written as the largest there is, for that endpoint's mean is wrong anyhow, and all others' rows are in the same block.
 */
function pushSum(words: WordList, sum: ExactSum): void {
  if (sum.high < 2 ** 32) pushPair(words, sum.low, sum.high)
  else pushPair(words, 0xffff_ffff, 0xffff_ffff)
}
