import type { CallStacks } from '../analysis/call-stacks.ts'
import { type ExactSum, sumValue } from '../analysis/exact-sum.ts'
import { appendSparse, binValue, type Histogram, histogramQuantile } from '../analysis/histogram.ts'
import { type Exemplar, leaderOf, type Rollup, type RollupKey } from '../analysis/rollup.ts'
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

/** Steps, in seconds, whose rows say who leads: minutes have too few samples. */
const LEADERS_FROM = 600

/** One Native block of `rollups`, gathered row by row; nothing is kept of a row but its columns. */
export type RollupBlock = {
  rows: number
  add(row: RollupToStore): void
  finish(): Buffer
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
  const durationNs = list()
  const arrays = {
    UInt8: { ExemplarWorst: list() },
    UInt16: {
      Bins: list(),
      PresentBins: list(),
      ShiftBins: list(),
      EarlierBins: list(),
      LaterBins: list(),
      NodeParents: list(),
      ExemplarOf: list(),
    },
    UInt32: {
      Counts: list(),
      PresentCounts: list(),
      PresentEnds: list(),
      ShiftEnds: list(),
      EarlierEnds: list(),
      LaterEnds: list(),
      ExemplarSeconds: list(),
    },
    Int32: { ShiftCounts: list(), EarlierCounts: list(), LaterCounts: list() },
    UInt64: { Present: list(), Calls: list(), NodeCalls: list(), ExemplarNs: list() },
    Float64: { CriticalSquares: list() },
  }
  /** UInt64 as words, low first. */
  const words = {
    OverlapNs: list(),
    PresentNs: list(),
    IfInstantNs: list(),
    CriticalNs: list(),
    NodeNs: list(),
    ExemplarHigh: list(),
    ExemplarLow: list(),
  }
  const named = {
    ComponentKinds: createCodedTexts(),
    ComponentNames: createCodedTexts(),
    NodeFrames: createCodedTexts(),
  }
  const frameOf = codesById(named.NodeFrames, frameName)
  const { UInt8, UInt16, UInt32, Int32, UInt64, Float64 } = arrays
  /** Where the arrays of each row end; of several columns the same. */
  const ends = {
    overlap: list(),
    bins: list(),
    parts: list(),
    present: list(),
    shift: list(),
    earlier: list(),
    earlierEnds: list(),
    later: list(),
    laterEnds: list(),
    nodes: list(),
    exemplars: list(),
  }

  const block: RollupBlock = { rows: 0, add, finish }
  return block

  function add({ step, bucket, key, rollup, version }: RollupToStore): void {
    block.rows++
    scalars.UInt32.Step.push(step)
    scalars.DateTime.Bucket.push(bucket)
    texts.Environment.push(key.environment)
    texts.Namespace.push(key.namespace)
    texts.Service.push(key.service)
    texts.Operation.push(key.operation)
    texts.Scope.push(key.scope)
    texts.ServiceVersion.push(key.version)
    scalars.UInt64.Version.push(version)
    scalars.UInt64.Samples.push(rollup.samples)
    scalars.UInt64.Weight.push(rollup.weight)
    scalars.UInt64.Errors.push(rollup.errors)
    scalars.Float64.WeightSquares.push(rollup.weightSquares)
    scalars.Float64.DurationSquares.push(rollup.durationSquares)
    scalars.Float64.P95Ns.push(histogramQuantile(rollup.observed, rollup.weight, 0.95))
    pushSum(durationNs, rollup.durationNs)
    const leader = step < LEADERS_FROM ? undefined : leaderOf(rollup)
    texts.LeaderKind.push(leader?.component.kind ?? '')
    texts.LeaderName.push(leader?.component.name ?? '')
    scalars.Float64.LeaderP95Ns.push(leader === undefined ? 0 : binValue(leader.bin))

    for (const sum of rollup.overlapNs) pushSum(words.OverlapNs, sum)
    ends.overlap.push(words.OverlapNs.length / 2)
    appendSparse(rollup.observed, UInt16.Bins, UInt32.Counts)
    ends.bins.push(UInt16.Bins.length)
    addExemplars(rollup.exemplars, 0)
    addParts(rollup)
    ends.exemplars.push(UInt16.ExemplarOf.length)
    addNodes(rollup.stacks)
  }

  function addParts({ components }: Rollup): void {
    const presentFrom = UInt16.PresentBins.length
    const shiftFrom = UInt16.ShiftBins.length
    const keys = [...components.keys()].sort()
    for (let i = 0; i < keys.length; i++) {
      const part = components.get(keys[i]!)!
      named.ComponentKinds.push(part.component.kind)
      named.ComponentNames.push(part.component.name)
      UInt64.Present.push(part.present)
      pushSum(words.PresentNs, part.presentNs)
      pushSum(words.IfInstantNs, part.ifInstantNs)
      pushSum(words.CriticalNs, part.criticalNs)
      Float64.CriticalSquares.push(part.criticalSquares)
      UInt64.Calls.push(part.calls)
      appendSparse(part.observed, UInt16.PresentBins, UInt32.PresentCounts)
      appendSparse(part.shift, UInt16.ShiftBins, Int32.ShiftCounts)
      UInt32.PresentEnds.push(UInt16.PresentBins.length - presentFrom)
      UInt32.ShiftEnds.push(UInt16.ShiftBins.length - shiftFrom)
      addExemplars(part.exemplars, i + 1)
    }
    ends.parts.push(UInt64.Present.length)
    ends.present.push(UInt16.PresentBins.length)
    ends.shift.push(UInt16.ShiftBins.length)
    const parts = keys.map((key) => components.get(key)!)
    addOpen(
      parts.map(({ earlier }) => earlier),
      { bins: UInt16.EarlierBins, counts: Int32.EarlierCounts, places: UInt32.EarlierEnds },
    )
    ends.earlier.push(UInt16.EarlierBins.length)
    ends.earlierEnds.push(UInt32.EarlierEnds.length)
    addOpen(
      parts.map(({ later }) => later),
      { bins: UInt16.LaterBins, counts: Int32.LaterCounts, places: UInt32.LaterEnds },
    )
    ends.later.push(UInt16.LaterBins.length)
    ends.laterEnds.push(UInt32.LaterEnds.length)
  }

  /** Histograms of a row's components, and where each ends; none at all where all are empty. */
  function addOpen(
    histograms: readonly Histogram[],
    { bins, counts, places }: Readonly<Record<'bins' | 'counts' | 'places', number[]>>,
  ): void {
    const from = bins.length
    const lengths = histograms.map((histogram) => {
      appendSparse(histogram, bins, counts)
      return bins.length - from
    })
    if (bins.length > from) places.push(...lengths)
  }

  function addExemplars(exemplars: readonly Exemplar[], of: number): void {
    for (const { worst, ns, seconds, id } of exemplars) {
      UInt16.ExemplarOf.push(of)
      UInt8.ExemplarWorst.push(worst ? 1 : 0)
      UInt64.ExemplarNs.push(ns)
      UInt32.ExemplarSeconds.push(seconds)
      words.ExemplarHigh.push(id[1], id[0])
      words.ExemplarLow.push(id[3], id[2])
    }
  }

  function addNodes({ parent, frame, criticalNs, calls }: CallStacks): void {
    for (let i = 0; i < parent.length; i++) {
      UInt16.NodeParents.push(parent[i]! + 1)
      named.NodeFrames.codes.push(frameOf(frame[i]!))
      pushSum(words.NodeNs, criticalNs[i]!)
      UInt64.NodeCalls.push(calls[i]!)
    }
    ends.nodes.push(UInt16.NodeParents.length)
  }

  function finish(): Buffer {
    const columns: NativeColumn[] = []
    for (const [name, { codes, texts: of }] of Object.entries(texts)) {
      columns.push({ name, type: 'LowCardinality(String)', codes, texts: of })
    }
    for (const type of ['UInt32', 'DateTime', 'UInt64', 'Float64'] as const) {
      for (const [name, values] of Object.entries(scalars[type])) columns.push({ name, type, values })
    }
    columns.push({ name: 'DurationNs', type: 'UInt64', words: new Uint32Array(durationNs) })
    for (const type of ['UInt8', 'UInt16', 'UInt32', 'Int32', 'UInt64', 'Float64'] as const) {
      for (const [name, values] of Object.entries(arrays[type])) {
        columns.push({ name, type: `Array(${type})`, ends: endsOf(name), values })
      }
    }
    for (const [name, of] of Object.entries(words)) {
      columns.push({ name, type: 'Array(UInt64)', ends: endsOf(name), words: new Uint32Array(of) })
    }
    for (const [name, { codes, texts }] of Object.entries(named)) {
      columns.push({ name, type: 'Array(LowCardinality(String))', ends: endsOf(name), codes, texts })
    }
    return writeBlock(block.rows, columns)
  }

  function endsOf(column: string): number[] {
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

/** A sum as words of a UInt64. @throws RangeError for one that is larger */
function pushSum(words: number[], sum: ExactSum): void {
  if (sum.high >= 2 ** 32) throw new RangeError(`a sum of ${sumValue(sum)} ns does not fit into 64 bits`)
  words.push(sum.low, sum.high)
}
