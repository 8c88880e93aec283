import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'
import { createLinkedTraces } from '../trace/linked-traces.ts'
import { readAhead } from '../trace/read-ahead.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { createTree } from '../trace/tree.ts'
import { linkTrace, settleTrace } from './assemble.ts'
import { callsOf } from './calls.ts'
import { type ClockPair, createClockLearner, offsetsOf } from './clocks.ts'
import { createTraceDrawer } from './draw-traces.ts'
import { createFamilyReader, type KnownFamily } from './family.ts'
import {
  addFamilies,
  createFamilyLog,
  createFamilyStore,
  type FamilyStore,
  familiesIn,
  logFamily,
  placesBySignature,
} from './family-store.ts'
import { createModel, type Model } from './model.ts'
import { createNumberTable } from './number-table.ts'
import { isPlainCall } from './plain-call.ts'
import { enoughFamilies, learnStructure, MOST_FAMILIES, type Structure } from './structure.ts'

/**
 * Learns over batches of traces what calls wait for. Keeps at most MOST_FAMILIES families a signature, newer batches
 * before older ones, and MOST_KEPT in all.
 */
export type Learner = {
  /** What is drawn from the batch does not depend on the order of its rows. `groups`: by traces, where that is at hand. */
  add(spans: SpanColumns, groups?: TraceGroups): void
  /** What is known by now. Work is done only for signatures that have new families. */
  model(): Model
}

/** Families kept in all; a signature that was not met for longest makes room. */
const MOST_KEPT = 100_000
/** Spans of traces that are kept linked from clocks to families: 7 MB. */
const MOST_LINKED = 120_000
/** Numbers in the log of families when they are dealt out to their signatures: 8 MB. */
const LONGEST_LOG = 2 ** 20

type Signature = {
  context: number
  /** Families that are enough to learn from. */
  enough: number
  families: FamilyStore
  lastBatch: number
  changed: boolean
  structure: Structure | undefined
}

/** A learner; what an earlier model knew holds until there is enough to learn it anew. */
export function createLearner(earlier?: Model): Learner {
  const signatures = new Map<number, Signature>()
  const clocks = createClockLearner()
  const draw = createTraceDrawer()
  let pairs = earlier?.clocks ?? []
  let batch = 0

  return {
    add(spans, groups = groupByTrace(spans)) {
      batch++
      const { traces, forClocks, rank } = draw(spans, groups)
      const tree = createTree(spans)
      const reader = createFamilyReader(tree, callsOf(spans.dictionary), () => true)
      const repairs = createRepairLog()
      const { rows, first } = groups
      // Clocks first: what waited for what can be seen only where times can be compared.
      const linked = createLinkedTraces(Math.min(spansIn(groups, forClocks), MOST_LINKED))
      /** By trace: 1 + its place among those that are kept linked. */
      const placeOf = new Uint32Array(groups.count)
      let kept = 0
      const aheadForClocks = { row: 0, words: 0 }
      for (const trace of forClocks) {
        repairs.count = 0
        readAhead(aheadForClocks, spans, first[trace + 1]!)
        const roots = linkTrace(tree, rows, first[trace]!, first[trace + 1]!, repairs)
        if (linked.keep(tree, roots)) placeOf[trace] = ++kept
        clocks.add(tree, rank[trace]!)
      }
      clocks.endBatch()
      pairs = mergePairs(pairs, clocks.pairs())
      const offsets = offsetsOf(pairs, spans.dictionary)
      /** Signatures of this batch, and by place in it. */
      const metNow = createNumberTable()
      const signaturesNow: Signature[] = []
      const log = createFamilyLog()
      const ahead = { row: 0, words: 0 }
      for (const trace of traces) {
        repairs.count = 0
        readAhead(ahead, spans, first[trace + 1]!)
        const roots =
          placeOf[trace]! > 0
            ? linked.restore(tree, placeOf[trace]! - 1)
            : linkTrace(tree, rows, first[trace]!, first[trace + 1]!, repairs)
        const assembled = settleTrace(tree, roots, repairs, offsets)
        reader.read(0, assembled.orderFrom.at(-1)!, assembled.millisecondClock)
        logFamilies(rank[trace]!)
        if (log.length > LONGEST_LOG) dealOut()
      }
      dealOut()
      evict()

      function logFamilies(rank: number): void {
        const { parents, count } = reader
        for (let i = 0; i < count; i++) {
          const parent = parents[i]!
          const number = reader.signatureOf(parent)
          if (Number.isNaN(number)) continue
          const family = reader.familyOf(parent, number)
          let place = metNow.placeOf(number)
          if (place < 0) {
            place = metNow.add(number)
            signaturesNow[place] = signatureOf(family)
          }
          logFamily(log, family, place, batch, rank)
        }
      }

      function dealOut(): void {
        const { places, first } = placesBySignature(log, signaturesNow.length)
        for (let s = 0; s < signaturesNow.length; s++) {
          const from = first[s]!
          const to = first[s + 1]!
          if (from < to) addFamilies(signaturesNow[s]!.families, log, places, from, to, MOST_FAMILIES)
        }
        log.count = 0
        log.length = 0
      }
    },
    model() {
      const structures = new Map<number, Structure>(earlier?.structures)
      for (const [number, signature] of signatures) {
        if (signature.families.count < signature.enough) continue
        if (signature.changed) signature.structure = structureOf(signature)
        signature.changed = false
        if (signature.structure !== undefined) structures.set(number, signature.structure)
        else structures.delete(number)
      }
      return createModel(structures, pairs)
    },
  }

  /** A family's signature, met in this batch for the first time. */
  function signatureOf(family: KnownFamily): Signature {
    let signature = signatures.get(family.signature)
    if (signature === undefined) {
      signature = {
        context: family.context,
        enough: enoughFamilies(family),
        families: createFamilyStore(family.children.length),
        lastBatch: batch,
        changed: true,
        structure: undefined,
      }
      signatures.set(family.signature, signature)
    }
    signature.lastBatch = batch
    signature.changed = true
    return signature
  }

  function evict(): void {
    let kept = 0
    for (const { families } of signatures.values()) kept += families.count
    if (kept <= MOST_KEPT) return
    const byAge = [...signatures].sort(([a, x], [b, y]) => x.lastBatch - y.lastBatch || a - b)
    for (const [number, { families }] of byAge) {
      if (kept <= MOST_KEPT) return
      kept -= families.count
      signatures.delete(number)
    }
  }
}

function spansIn({ first }: TraceGroups, traces: Uint32Array): number {
  let spans = 0
  for (const trace of traces) spans += first[trace + 1]! - first[trace]!
  return spans
}

function structureOf({ families, context }: Signature): Structure | undefined {
  if (families.children === 1 && isPlainCall(families)) return undefined
  return learnStructure(familiesIn(families), context)
}

/** What is known anew takes the place of what was. */
function mergePairs(before: readonly ClockPair[], now: readonly ClockPair[]): ClockPair[] {
  const byNames = new Map([...before, ...now].map((pair) => [`${pair.from}\t${pair.to}`, pair]))
  return [...byNames].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair)
}

/** Learns from the traces of one batch. The model does not depend on the order of the rows. */
export function learnDependencies(spans: SpanColumns, groups?: TraceGroups): Model {
  const learner = createLearner()
  learner.add(spans, groups)
  return learner.model()
}
