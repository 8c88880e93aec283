import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace } from '../trace/group.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { createTree } from '../trace/tree.ts'
import { assembleTrace } from './assemble.ts'
import { callsOf, uniformOf } from './calls.ts'
import { createFamilyReader } from './family.ts'
import { createModel, type Model } from './model.ts'
import { type Family, LEAST_FAMILIES, learnStructure, MOST_FAMILIES, type Structure } from './structure.ts'

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
type Signature = { families: Kept[]; lastBatch: number; changed: boolean; structure: Structure | undefined }

/** A learner; what an earlier model knew holds until there is enough to learn it anew. */
export function createLearner(earlier?: Model): Learner {
  const signatures = new Map<number, Signature>()
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
      for (let trace = 0; trace < groups.count; trace++) {
        const row = 2 * groups.rows[groups.first[trace]!]!
        const rank = uniformOf(spans.traceLow[row]!, spans.traceLow[row + 1]!, spans.traceHigh[row]!)
        if (rank > share) continue
        repairs.count = 0
        const from = groups.first[trace]!
        const to = groups.first[trace + 1]!
        const { entries, orderFrom } = assembleTrace(tree, groups.rows, from, to, repairs)
        if (entries.length === 0) continue
        const end = orderFrom.at(-1)!
        reader.read(0, end)
        for (let at = 0; at < end; at++) {
          const family = reader.familyOf(tree.order[at]!)
          if (family !== undefined) keep(family.signature, { ...family, batch, rank: rank + at })
        }
      }
      for (const signature of signatures.values()) if (signature.lastBatch === batch) prune(signature)
      evict()
    },
    model() {
      const structures = new Map<number, Structure>(earlier?.structures)
      for (const [number, signature] of signatures) {
        if (signature.families.length < LEAST_FAMILIES) continue
        if (signature.changed)
          signature.structure = learnStructure(signature.families, sitesOf(signature.families[0]!))
        signature.changed = false
        structures.set(number, signature.structure!)
      }
      return createModel(structures)
    },
  }

  function keep(number: number, { calls, starts, ends, lengthNs, batch, rank }: Kept): void {
    let signature = signatures.get(number)
    if (signature === undefined) {
      signature = { families: [], lastBatch: batch, changed: true, structure: undefined }
      signatures.set(number, signature)
    }
    signature.lastBatch = batch
    signature.changed = true
    signature.families.push({ calls, starts, ends, lengthNs, batch, rank })
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

function sitesOf({ calls }: Family): number[] {
  return Array.from(calls).sort((a, b) => a - b)
}

/** Learns from the traces of one batch. The model does not depend on the order of the rows. */
export function learnDependencies(spans: SpanColumns): Model {
  const learner = createLearner()
  learner.add(spans)
  return learner.model()
}
