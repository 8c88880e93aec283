import { appendRows, createColumns, type SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { createTree } from '../trace/tree.ts'
import { assembleTrace } from './assemble.ts'
import { callsOf, uniformOf } from './calls.ts'
import { type ClockPair, createClockLearner, offsetsOf } from './clocks.ts'
import { createFamilyReader } from './family.ts'
import { createModel, type Model } from './model.ts'
import { type Family, isEvidence, learnStructure, MOST_FAMILIES, type Structure } from './structure.ts'

/**
 * Learns over batches of traces what calls wait for. Keeps at most MOST_FAMILIES families a signature, newer batches
 * before older ones, and MOST_KEPT in all.
 */
export type Learner = {
  /** What is drawn from the batch does not depend on the order of its rows. */
  add(spans: SpanColumns): void
  /** What is known by now. Work is done only for signatures that have new families. */
  model(): Model
}

/** Families kept in all; a signature that was not met for longest makes room. */
const MOST_KEPT = 100_000
/** Spans of a batch that are learned from: all of a small one, of a larger one the share below. */
const ALL_OF = 60_000
const SHARE_OF_LARGE = 0.12

type Kept = Family & { batch: number }
type Signature = {
  context: number
  families: Kept[]
  lastBatch: number
  /** Families of that batch. */
  added: number
  changed: boolean
  structure: Structure | undefined
}

/** A learner; what an earlier model knew holds until there is enough to learn it anew. */
export function createLearner(earlier?: Model): Learner {
  const signatures = new Map<number, Signature>()
  const clocks = createClockLearner()
  let pairs = earlier?.clocks ?? []
  let batch = 0
  let kept = 0

  return {
    add(spans) {
      batch++
      const sample = drawTraces(
        spans,
        Math.max(ALL_OF, SHARE_OF_LARGE * spans.count) / Math.max(1, spans.count),
      )
      const groups = groupByTrace(sample)
      const tree = createTree(sample)
      const reader = createFamilyReader(tree, callsOf(spans.dictionary))
      const repairs = createRepairLog()
      const rankOf = (trace: number) => rankOfRow(sample, groups.rows[groups.first[trace]!]!)
      const drawn = Array.from({ length: groups.count }, (_, trace) => ({ trace, rank: rankOf(trace) }))
      drawn.sort((a, b) => a.rank - b.rank)
      const eachDrawn = (visit: (end: number, rank: number, wholeMs: boolean) => void) => {
        const offsets = offsetsOf(pairs, spans.dictionary)
        for (const { trace, rank } of drawn) {
          repairs.count = 0
          const from = groups.first[trace]!
          const to = groups.first[trace + 1]!
          const { entries, orderFrom, millisecondClock } = assembleTrace(
            tree,
            groups.rows,
            from,
            to,
            repairs,
            offsets,
          )
          if (entries.length > 0) visit(orderFrom.at(-1)!, rank, millisecondClock)
        }
      }
      // Clocks first: what waited for what can be seen only where times can be compared.
      eachDrawn((end) => clocks.add(tree, 0, end))
      pairs = mergePairs(pairs, clocks.pairs())
      eachDrawn((end, rank, wholeMs) => {
        reader.read(0, end, wholeMs)
        for (let at = 0; at < end; at++) {
          const parent = tree.order[at]!
          const number = reader.signatureOf(parent)
          if (Number.isNaN(number)) continue
          const signature = signatureAt(number, reader.contextOf(parent))
          // Traces come by rank: the first ones of a batch are the ones to keep.
          if (signature.lastBatch === batch && signature.added === MOST_FAMILIES) continue
          const { calls, starts, ends, lengthNs } = reader.familyOf(parent)
          if (signature.lastBatch !== batch) signature.added = 0
          signature.lastBatch = batch
          signature.added++
          signature.changed = true
          signature.families.push({ calls, starts, ends, lengthNs, wholeMs, batch })
          kept++
        }
      })
      for (const signature of signatures.values()) if (signature.lastBatch === batch) prune(signature)
      evict()
    },
    model() {
      const structures = new Map<number, Structure>(earlier?.structures)
      for (const [number, signature] of signatures) {
        if (!isEvidence(signature.families)) continue
        if (signature.changed) signature.structure = learnStructure(signature.families, signature.context)
        signature.changed = false
        if (signature.structure !== undefined) structures.set(number, signature.structure)
        else structures.delete(number)
      }
      return createModel(structures, pairs)
    },
  }

  function signatureAt(number: number, context: number): Signature {
    let signature = signatures.get(number)
    if (signature === undefined) {
      signature = { context, families: [], lastBatch: 0, added: 0, changed: true, structure: undefined }
      signatures.set(number, signature)
    }
    return signature
  }

  /** Newer batches before older ones. */
  function prune({ families }: Signature): void {
    if (families.length <= MOST_FAMILIES) return
    families.sort((a, b) => b.batch - a.batch)
    kept -= families.length - MOST_FAMILIES
    families.length = MOST_FAMILIES
  }

  function evict(): void {
    if (kept <= MOST_KEPT) return
    const byAge = [...signatures].sort(([a, x], [b, y]) => x.lastBatch - y.lastBatch || a - b)
    for (const [number, { families }] of byAge) {
      if (kept <= MOST_KEPT) return
      kept -= families.length
      signatures.delete(number)
    }
  }
}

/** Uniform in (0, 1), the same for all spans of a trace. */
function rankOfRow({ traceLow, traceHigh }: SpanColumns, row: number): number {
  return uniformOf(traceLow[2 * row]!, traceLow[2 * row + 1]!, traceHigh[2 * row]!)
}

/** The spans of a share of the traces. */
function drawTraces(spans: SpanColumns, share: number): SpanColumns {
  if (share >= 1) return spans
  const rows: number[] = []
  for (let row = 0; row < spans.count; row++) if (rankOfRow(spans, row) < share) rows.push(row)
  const drawn = createColumns(spans.dictionary, rows.length + 1)
  appendRows(drawn, spans, rows)
  const { tieText } = spans
  if (tieText !== undefined) drawn.tieText = (row) => tieText(rows[row]!)
  return drawn
}

/** What is known anew takes the place of what was. */
function mergePairs(before: readonly ClockPair[], now: readonly ClockPair[]): ClockPair[] {
  const byNames = new Map([...before, ...now].map((pair) => [`${pair.from}\t${pair.to}`, pair]))
  return [...byNames].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair)
}

/** Learns from the traces of one batch. The model does not depend on the order of the rows. */
export function learnDependencies(spans: SpanColumns): Model {
  const learner = createLearner()
  learner.add(spans)
  return learner.model()
}
