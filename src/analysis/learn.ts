import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import type { ClockOffsets } from '../trace/settle.ts'
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
const ALL_OF = 30_000
const SHARE_OF_LARGE = 0.1

type Kept = Family & { batch: number; rank: number }
type Signature = {
  context: number
  families: Kept[]
  lastBatch: number
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
      const groups = groupByTrace(spans)
      const tree = createTree(spans)
      const reader = createFamilyReader(tree, callsOf(spans.dictionary))
      const repairs = createRepairLog()
      const share = Math.max(ALL_OF, SHARE_OF_LARGE * spans.count) / Math.max(1, spans.count)
      const drawn: { trace: number; rank: number }[] = []
      for (let trace = 0; trace < groups.count; trace++) {
        const row = 2 * groups.rows[groups.first[trace]!]!
        const rank = uniformOf(spans.traceLow[row]!, spans.traceLow[row + 1]!, spans.traceHigh[row]!)
        if (rank < share) drawn.push({ trace, rank })
      }
      drawn.sort((a, b) => a.rank - b.rank)
      const eachDrawn = (
        offsets: ClockOffsets | undefined,
        visit: (end: number, rank: number, wholeMs: boolean) => void,
      ) => {
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
      eachDrawn(undefined, (end) => clocks.add(tree, 0, end))
      pairs = mergePairs(pairs, clocks.pairs())
      eachDrawn(offsetsOf(pairs, spans.dictionary), (end, rank, wholeMs) => {
        reader.read(0, end, wholeMs)
        for (let at = 0; at < end; at++) {
          const family = reader.familyOf(tree.order[at]!)
          if (family === undefined) continue
          const { calls, starts, ends, lengthNs, wholeMs } = family
          const kept = { calls, starts, ends, lengthNs, wholeMs, batch, rank: rank + at }
          keep(family.signature, family.context, kept)
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
        structures.set(number, signature.structure!)
      }
      return createModel(structures, pairs)
    },
  }

  function keep(number: number, context: number, family: Kept): void {
    let signature = signatures.get(number)
    if (signature === undefined) {
      signature = { context, families: [], lastBatch: batch, changed: true, structure: undefined }
      signatures.set(number, signature)
    }
    signature.lastBatch = batch
    signature.changed = true
    signature.families.push(family)
    kept++
    if (signature.families.length > 4 * MOST_FAMILIES) prune(signature)
  }

  /** Newer batches first, then by a number that depends on the trace only. */
  function prune({ families }: Signature): void {
    families.sort((a, b) => b.batch - a.batch || (a.rank % 1) - (b.rank % 1) || a.rank - b.rank)
    if (families.length <= MOST_FAMILIES) return
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
