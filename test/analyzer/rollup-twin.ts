import { expect } from 'vitest'
import { binOf } from '../../src/analysis/histogram.ts'
import { STEPS } from '../../src/analysis/steps.ts'
import type { Store } from '../../src/store/store.ts'

/** What can be compared: everything of a rollup that is no choice of examples. Histograms as bin -> weight. */
export type PlainRollup = {
  samples: number
  weight: number
  errors: number
  durationNs: string
  durationSquares: number
  /** By absolute second of the bucket that the time was spent in. */
  overlapNs: Record<number, string>
  observed: Record<number, number>
  components: Record<string, PlainComponent>
  /** Critical ns by stack. */
  stacks: Record<string, string>
}
type PlainComponent = {
  present: number
  presentNs: string
  ifInstantNs: string
  criticalNs: string
  criticalSquares: number
  calls: number
  observed: Record<number, number>
  shift: Record<number, number>
  earlier: Record<number, number>
  later: Record<number, number>
}

type Sample = {
  startNs: string
  key: string
  DurationNs: string
  Weight: number
  IsError: number
  kinds: string[]
  names: string[]
  critical: string[]
  instant: string[]
  earlier: string[]
  later: string[]
  calls: number[]
  nodeParents: number[]
  nodeFrames: string[]
  nodeNs: string[]
}

const KEY = `arrayStringConcat([Environment, Namespace, Service, Operation, Scope, ServiceVersion], '|')`

async function rowsOf<Row>(store: Store, query: string): Promise<Row[]> {
  return (await store.client.query({ query, format: 'JSONEachRow' })).json()
}

/** The slow twin: every step straight from the samples, a sample at a time, in BigInt. */
export async function rollUpSlowly(store: Store): Promise<Map<string, PlainRollup>> {
  const samples = await rowsOf<Sample>(
    store,
    `SELECT toString(toUnixTimestamp64Nano(Start)) AS startNs, ${KEY} AS key, toString(DurationNs) AS DurationNs, Weight,
            IsError, ComponentKinds AS kinds, ComponentNames AS names, arrayMap(x -> toString(x), CriticalNs) AS critical,
            arrayMap(x -> toString(x), IfInstantNs) AS instant, arrayMap(x -> toString(x), EarlierNs) AS earlier,
            arrayMap(x -> toString(x), LaterNs) AS later, ComponentCalls AS calls, NodeParents AS nodeParents,
            NodeFrames AS nodeFrames, arrayMap(x -> toString(x), NodeNs) AS nodeNs
     FROM samples FINAL ORDER BY Start, TraceId, SpanId`,
  )
  const rollups = new Map<string, PlainRollup>()
  for (const { seconds } of STEPS) for (const sample of samples) addSample(rollups, sample, seconds)
  return rollups
}

function addSample(rollups: Map<string, PlainRollup>, sample: Sample, seconds: number): void {
  const lengthNs = BigInt(seconds) * 1_000_000_000n
  const startNs = BigInt(sample.startNs)
  const bucket = Number(startNs / lengthNs) * seconds
  const name = `${seconds} ${bucket} ${sample.key}`
  let rollup = rollups.get(name)
  if (rollup === undefined) {
    rollup = {
      samples: 0,
      weight: 0,
      errors: 0,
      durationNs: '0',
      durationSquares: 0,
      overlapNs: {},
      observed: {},
      components: {},
      stacks: {},
    }
    rollups.set(name, rollup)
  }
  const weight = sample.Weight
  const durationNs = BigInt(sample.DurationNs)
  const times = (ns: bigint | string) => BigInt(ns) * BigInt(weight)
  const plus = (sum: string | undefined, ns: bigint) => String(BigInt(sum ?? 0) + ns)
  const bump = (histogram: Record<number, number>, ns: number, by: number) => {
    const bin = binOf(ns)
    histogram[bin] = (histogram[bin] ?? 0) + by
    if (histogram[bin] === 0) delete histogram[bin]
  }
  rollup.samples++
  rollup.weight += weight
  rollup.errors += sample.IsError * weight
  rollup.durationNs = plus(rollup.durationNs, times(durationNs))
  rollup.durationSquares += weight * (Number(durationNs) / 1e9) ** 2
  bump(rollup.observed, Number(durationNs), weight)
  for (let at = startNs; at < startNs + durationNs; ) {
    const in_ = at / lengthNs
    const end = (in_ + 1n) * lengthNs < startNs + durationNs ? (in_ + 1n) * lengthNs : startNs + durationNs
    const second = Number(in_) * seconds
    rollup.overlapNs[second] = plus(rollup.overlapNs[second], times(end - at))
    at = end
  }
  sample.kinds.forEach((kind, i) => {
    const key = `${kind}\n${sample.names[i]}`
    const part: PlainComponent = (rollup.components[key] ??= {
      present: 0,
      presentNs: '0',
      ifInstantNs: '0',
      criticalNs: '0',
      criticalSquares: 0,
      calls: 0,
      observed: {},
      shift: {},
      earlier: {},
      later: {},
    })
    part.present += weight
    part.presentNs = plus(part.presentNs, times(durationNs))
    part.ifInstantNs = plus(part.ifInstantNs, times(sample.instant[i]!))
    part.criticalNs = plus(part.criticalNs, times(sample.critical[i]!))
    part.criticalSquares += weight * (Number(sample.critical[i]) / 1e9) ** 2
    part.calls += weight * (sample.calls[i] ?? 0)
    bump(part.observed, Number(durationNs), weight)
    bump(part.shift, Number(durationNs), -weight)
    bump(part.shift, Number(sample.instant[i]), weight)
    const instantNs = Number(sample.instant[i])
    bump(part.earlier, instantNs, -weight)
    bump(part.earlier, instantNs - Number(sample.earlier[i] ?? 0), weight)
    bump(part.later, instantNs, -weight)
    bump(part.later, instantNs + Number(sample.later[i] ?? 0), weight)
  })
  const stacks: string[] = []
  sample.nodeFrames.forEach((frame, i) => {
    const parent = sample.nodeParents[i]!
    stacks.push(parent === 0 ? frame : `${stacks[parent - 1]} > ${frame}`)
    rollup.stacks[stacks[i]!] = plus(rollup.stacks[stacks[i]!], times(sample.nodeNs[i]!))
  })
}

type StoredRow = Record<string, never> & {
  name: string
  Step: number
  bucket: number
  Samples: string
  Weight: string
  Errors: string
  DurationNs: string
  DurationSquares: number
  overlap: string[]
  Bins: number[]
  Counts: number[]
  ComponentKinds: string[]
  ComponentNames: string[]
  present: string[]
  presentNs: string[]
  instant: string[]
  critical: string[]
  CriticalSquares: number[]
  calls: string[]
  PresentEnds: number[]
  PresentBins: number[]
  PresentCounts: number[]
  ShiftEnds: number[]
  ShiftBins: number[]
  ShiftCounts: number[]
  EarlierEnds: number[]
  EarlierBins: number[]
  EarlierCounts: number[]
  LaterEnds: number[]
  LaterBins: number[]
  LaterCounts: number[]
  NodeParents: number[]
  NodeFrames: string[]
  nodeNs: string[]
}

/** The stored rollups, taken apart with nothing of the code that reads them. */
export async function readStored(store: Store): Promise<Map<string, PlainRollup>> {
  const text = (column: string) => `arrayMap(x -> toString(x), ${column})`
  const rows = await rowsOf<StoredRow>(
    store,
    `SELECT concat(toString(Step), ' ', toString(toUnixTimestamp(Bucket)), ' ', ${KEY}) AS name, Step,
            toUInt32(Bucket) AS bucket, Samples, Weight, Errors, toString(DurationNs) AS DurationNs, DurationSquares,
            ${text('OverlapNs')} AS overlap, Bins, Counts, ComponentKinds, ComponentNames, ${text('Present')} AS present,
            ${text('PresentNs')} AS presentNs, ${text('IfInstantNs')} AS instant, ${text('CriticalNs')} AS critical,
            CriticalSquares, ${text('Calls')} AS calls, PresentEnds, PresentBins, PresentCounts, ShiftEnds, ShiftBins,
            ShiftCounts, EarlierEnds, EarlierBins, EarlierCounts, LaterEnds, LaterBins, LaterCounts, NodeParents, NodeFrames, ${text('NodeNs')} AS nodeNs
     FROM rollups FINAL WHERE Weight > 0`,
  )
  return new Map(rows.map((row) => [row.name, plainOf(row)]))
}

function plainOf(row: StoredRow): PlainRollup {
  const histogram = (bins: number[], counts: number[], from: number, to: number) => {
    const plain: Record<number, number> = {}
    for (let i = from; i < to; i++) plain[bins[i]!] = (plain[bins[i]!] ?? 0) + counts[i]!
    return plain
  }
  const stacks: string[] = []
  row.NodeFrames.forEach((frame, i) => {
    const parent = row.NodeParents[i]!
    stacks.push(parent === 0 ? frame : `${stacks[parent - 1]} > ${frame}`)
  })
  return {
    samples: Number(row.Samples),
    weight: Number(row.Weight),
    errors: Number(row.Errors),
    durationNs: row.DurationNs,
    durationSquares: row.DurationSquares,
    overlapNs: Object.fromEntries(
      row.overlap.map((ns, i) => [row.bucket + i * row.Step, ns]).filter(([, ns]) => ns !== '0'),
    ),
    observed: histogram(row.Bins, row.Counts, 0, row.Bins.length),
    components: Object.fromEntries(
      row.ComponentKinds.map((kind, i) => [
        `${kind}\n${row.ComponentNames[i]}`,
        {
          present: Number(row.present[i]),
          presentNs: row.presentNs[i]!,
          ifInstantNs: row.instant[i]!,
          criticalNs: row.critical[i]!,
          criticalSquares: row.CriticalSquares[i]!,
          calls: Number(row.calls[i]),
          observed: histogram(
            row.PresentBins,
            row.PresentCounts,
            row.PresentEnds[i - 1] ?? 0,
            row.PresentEnds[i]!,
          ),
          shift: histogram(row.ShiftBins, row.ShiftCounts, row.ShiftEnds[i - 1] ?? 0, row.ShiftEnds[i]!),
          earlier: histogram(
            row.EarlierBins,
            row.EarlierCounts,
            row.EarlierEnds[i - 1] ?? 0,
            row.EarlierEnds[i] ?? 0,
          ),
          later: histogram(row.LaterBins, row.LaterCounts, row.LaterEnds[i - 1] ?? 0, row.LaterEnds[i] ?? 0),
        },
      ]),
    ),
    stacks: Object.fromEntries(stacks.map((stack, i) => [stack, row.nodeNs[i]!])),
  }
}

/** Every bucket that is over, and every minute, is as expected, and no other is stored. */
export function expectAlike(expected: ReadonlyMap<string, PlainRollup>, actual: Map<string, PlainRollup>) {
  const nowSeconds = Date.now() / 1000
  const due = [...expected].filter(([name]) => {
    const [step, bucket] = name.split(' ').map(Number) as [number, number]
    return step === 60 || bucket + step < nowSeconds - 240
  })
  expect(due.length).toBeGreaterThan(0)
  for (const [name, rollup] of due) {
    const stored = actual.get(name)
    expect(stored, name).toBeDefined()
    // Floating-point sums depend on the order: equal to nine digits is the same.
    const alike = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * a
    if (alike(rollup.durationSquares, stored!.durationSquares))
      stored!.durationSquares = rollup.durationSquares
    for (const [key, part] of Object.entries(rollup.components)) {
      const other = stored!.components[key]
      if (other !== undefined && alike(part.criticalSquares, other.criticalSquares)) {
        other.criticalSquares = part.criticalSquares
      }
    }
    expect(stored, name).toEqual(rollup)
  }
  for (const name of actual.keys())
    expect(expected.has(name), `${name} is stored, and has no samples`).toBe(true)
}
