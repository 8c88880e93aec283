import { addNodes } from '../analysis/call-stacks.ts'
import { addWords, createSum, type ExactSum } from '../analysis/exact-sum.ts'
import { addSparse } from '../analysis/histogram.ts'
import { componentIn, type Exemplar, type Rollup } from '../analysis/rollup.ts'
import type { Component, ComponentKind } from '../trace/component.ts'
import type { Column, NativeTable } from './native-table.ts'

/** What of a rollup is read; what is not asked for stays empty. */
export type RollupParts = {
  observed?: boolean
  /** How long samples ran in which bucket. */
  overlap?: boolean
  /** Sums of each component, without histograms. */
  components?: boolean
  /** The components' histograms: if infinitely fast, and observed where present. */
  shifts?: boolean
  presents?: boolean
  stacks?: boolean
  exemplars?: boolean
}

const COLUMNS: Readonly<Record<keyof RollupParts, readonly string[]>> = {
  observed: ['Bins', 'Counts'],
  overlap: ['OverlapNs'],
  components: [
    'ComponentKinds',
    'ComponentNames',
    'Present',
    'PresentNs',
    'IfInstantNs',
    'CriticalNs',
    'CriticalSquares',
    'Calls',
  ],
  shifts: [
    'ShiftEnds',
    'ShiftBins',
    'ShiftCounts',
    'EarlierEnds',
    'EarlierBins',
    'EarlierCounts',
    'LaterEnds',
    'LaterBins',
    'LaterCounts',
  ],
  presents: ['PresentEnds', 'PresentBins', 'PresentCounts'],
  stacks: ['NodeParents', 'NodeFrames', 'NodeNs', 'NodeCalls'],
  exemplars: ['ExemplarOf', 'ExemplarWorst', 'ExemplarHigh', 'ExemplarLow', 'ExemplarNs', 'ExemplarSeconds'],
}

const SCALARS = ['Samples', 'Weight', 'WeightSquares', 'Errors', 'DurationNs', 'DurationSquares']

/** Columns to select for some parts; none where nothing is asked for. */
export function columnsOf(parts: RollupParts): string[] {
  if (isNothing(parts)) return []
  const wanted = {
    ...parts,
    components: parts.components || parts.shifts || parts.presents || parts.exemplars,
  }
  return [
    ...SCALARS,
    ...Object.entries(COLUMNS).flatMap(([part, names]) => (wanted[part as keyof RollupParts] ? names : [])),
  ]
}

/** Whether no part of a rollup is asked for, but only that it is there. */
export function isNothing(parts: RollupParts): boolean {
  return Object.values(parts).every((wanted) => !wanted)
}

/** Numbers for the texts of frames. */
export type Frames = { numberOf(text: string): number; readonly texts: readonly string[] }

export function createFrames(): Frames {
  const numbers = new Map<string, number>()
  const texts: string[] = []
  return {
    texts,
    numberOf(text) {
      let number = numbers.get(text)
      if (number === undefined) {
        number = texts.push(text) - 1
        numbers.set(text, number)
      }
      return number
    },
  }
}

/** Adds rows of a block to rollups: `addRow(row, rollup, bucket)`, the bucket as in `addRollup`. */
export function createRowReader(
  table: NativeTable,
  parts: RollupParts,
  frames: Frames,
): (row: number, to: Rollup, bucket?: { at: number; of: number }) => void {
  if (isNothing(parts)) return () => {}
  const scalar = Object.fromEntries(SCALARS.map((name) => [name, table.column(name)]))
  const number = (name: string, row: number) => wordsAt(scalar[name]!.words, row)
  const wanted = new Set(columnsOf(parts))
  const column = (name: string): Column | undefined => (wanted.has(name) ? table.column(name) : undefined)
  const observed = { bins: column('Bins'), counts: column('Counts') }
  const overlap = column('OverlapNs')
  const addComponents = wanted.has('ComponentKinds') ? componentReader(table, parts) : undefined
  const addStacks = wanted.has('NodeFrames') ? stackReader(table, frames) : undefined

  return (row, to, bucket = { at: 0, of: 1 }) => {
    to.samples += number('Samples', row)
    to.weight += number('Weight', row)
    to.weightSquares += scalar.WeightSquares!.values[row]!
    to.errors += number('Errors', row)
    addUInt64(to.durationNs, scalar.DurationNs!, row)
    to.durationSquares += scalar.DurationSquares!.values[row]!
    if (observed.bins !== undefined) {
      const [from, end] = bounds(observed.bins, row)
      addSparse(to.observed, observed.bins.values, observed.counts!.values, from, end)
    }
    if (overlap !== undefined) {
      const [from, end] = bounds(overlap, row)
      for (let i = from; i < end; i++) {
        const place = Math.floor((bucket.at + i - from) / bucket.of)
        while (to.overlapNs.length <= place) to.overlapNs.push(createSum())
        addUInt64(to.overlapNs[place]!, overlap, i)
      }
    }
    addComponents?.(row, to)
    addStacks?.(row, to)
  }
}

/** Histograms of a component, and what their columns are called. */
const HISTOGRAMS = [
  ['observed', 'Present'],
  ['shift', 'Shift'],
  ['earlier', 'Earlier'],
  ['later', 'Later'],
] as const

function componentReader(table: NativeTable, parts: RollupParts): (row: number, to: Rollup) => void {
  const kinds = table.column('ComponentKinds')
  const names = table.column('ComponentNames')
  const present = table.column('Present')
  const sums = {
    presentNs: table.column('PresentNs'),
    ifInstantNs: table.column('IfInstantNs'),
    criticalNs: table.column('CriticalNs'),
  }
  const squares = table.column('CriticalSquares')
  const calls = table.column('Calls')
  const histograms = HISTOGRAMS.flatMap(([of, name]) => {
    if (!(of === 'observed' ? parts.presents : parts.shifts)) return []
    return [
      {
        of,
        ends: table.column(`${name}Ends`),
        bins: table.column(`${name}Bins`),
        counts: table.column(`${name}Counts`),
      },
    ]
  })
  const addExemplars = parts.exemplars ? exemplarReader(table) : undefined
  /** One object a component of the block. */
  const known = new Map<number, Component>()

  return (row, to) => {
    const [from, end] = bounds(kinds, row)
    const exemplars = addExemplars?.(row)
    if (exemplars !== undefined) to.exemplars.push(...(exemplars[0] ?? []))
    for (let i = from; i < end; i++) {
      const code = kinds.values[i]! * 2 ** 32 + names.values[i]!
      let component = known.get(code)
      if (component === undefined) {
        component = {
          kind: kinds.texts[kinds.values[i]!] as ComponentKind,
          name: names.texts[names.values[i]!]!,
        }
        known.set(code, component)
      }
      const part = componentIn(to, component)
      part.present += wordsAt(present.words, i)
      addUInt64(part.presentNs, sums.presentNs, i)
      addUInt64(part.ifInstantNs, sums.ifInstantNs, i)
      addUInt64(part.criticalNs, sums.criticalNs, i)
      part.criticalSquares += squares.values[i]!
      part.calls += wordsAt(calls.words, i)
      for (const { of, ends, bins, counts } of histograms) {
        const [firstEnd, lastEnd] = bounds(ends, row)
        if (firstEnd === lastEnd) continue
        // Ends count from the row's first bin.
        const base = row === 0 ? 0 : bins.ends![row - 1]!
        const at = firstEnd + i - from
        addSparse(
          part[of],
          bins.values,
          counts.values,
          base + (i === from ? 0 : ends.values[at - 1]!),
          base + ends.values[at]!,
        )
      }
      const mine = exemplars?.[i - from + 1]
      if (mine !== undefined) part.exemplars.push(...mine)
    }
  }
}

/** Exemplars of a row, by what they are of: 0 the endpoint, else the component's place. */
function exemplarReader(table: NativeTable): (row: number) => (Exemplar[] | undefined)[] {
  const of = table.column('ExemplarOf')
  const worst = table.column('ExemplarWorst')
  const high = table.column('ExemplarHigh').words
  const low = table.column('ExemplarLow').words
  const ns = table.column('ExemplarNs')
  const seconds = table.column('ExemplarSeconds')
  return (row) => {
    const lists: (Exemplar[] | undefined)[] = []
    const [from, end] = bounds(of, row)
    for (let i = from; i < end; i++) {
      ;(lists[of.values[i]!] ??= []).push({
        worst: worst.values[i] === 1,
        id: [high[2 * i + 1]!, high[2 * i]!, low[2 * i + 1]!, low[2 * i]!],
        ns: wordsAt(ns.words, i),
        seconds: seconds.values[i]!,
      })
    }
    return lists
  }
}

function stackReader(table: NativeTable, frames: Frames): (row: number, to: Rollup) => void {
  const parents = table.column('NodeParents')
  const names = table.column('NodeFrames')
  const nodes = {
    parents: parents.values,
    frames: Uint32Array.from(
      { length: names.values.length },
      codesThrough(names, (text) => frames.numberOf(text)),
    ),
    nsWords: table.column('NodeNs').words,
    calls: toCounts(table.column('NodeCalls')),
  }
  return (row, to) => {
    const [from, end] = bounds(parents, row)
    addNodes(to.stacks, nodes, from, end, 1)
  }
}

/** The i-th value through a function that is called once a text. */
function codesThrough(
  { values, texts }: Column,
  code: (text: string) => number,
): (_: unknown, i: number) => number {
  const codes = new Map<number, number>()
  return (_, i) => {
    const value = values[i]!
    let known = codes.get(value)
    if (known === undefined) {
      known = code(texts[value]!)
      codes.set(value, known)
    }
    return known
  }
}

function toCounts({ words }: Column): Float64Array {
  return Float64Array.from({ length: words.length / 2 }, (_, i) => wordsAt(words, i))
}

export function bounds({ ends }: Column, row: number): [from: number, end: number] {
  return [row === 0 ? 0 : ends![row - 1]!, ends![row]!]
}

function addUInt64(sum: ExactSum, { words }: Column, i: number): void {
  addWords(sum, words[2 * i]!, words[2 * i + 1]!)
}

function wordsAt(words: Uint32Array, i: number): number {
  return words[2 * i]! + words[2 * i + 1]! * 2 ** 32
}
