import type { SpanColumns } from '../trace/columns.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'
import { createLinkedTraces, keepLinked, type LinkedTraces, restoreLinked } from '../trace/linked-traces.ts'
import { readAhead } from '../trace/read-ahead.ts'
import { createRepairLog } from '../trace/repair-log.ts'
import { borrowTree, returnTree, type TraceTree } from '../trace/tree.ts'
import { linkTrace, settleTrace } from './assemble.ts'
import { callsOf } from './calls.ts'
import {
  addClocks,
  type ClockLearner,
  clockPairs,
  createClockLearner,
  endBatch,
  offsetsOf,
} from './clocks.ts'
import { createTraceDrawer, type TraceDraw } from './draw-traces.ts'
import {
  createFamilyReader,
  type FamilyReader,
  familyOf,
  type KnownFamily,
  readParents,
  signatureOf,
} from './family.ts'
import {
  addFamilies,
  createFamilyLog,
  createFamilyStore,
  type FamilyLog,
  type FamilyStore,
  familiesIn,
  logFamily,
  placesBySignature,
} from './family-store.ts'
import { createModel, type Model } from './model.ts'
import { addNumber, createNumberTable, type NumberTable } from './number-table.ts'
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
  /** Which batch, from 1 on, had a signature last; 0: it is not remembered. */
  lastBatchOf(signature: number): number
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

/** What a learner knows. Functions of it are no closures: code compiled for those is lost with each learner. */
type Learning = {
  signatures: Map<number, Signature>
  clocks: ClockLearner
  draw: (spans: SpanColumns, groups: TraceGroups) => TraceDraw
  batch: number
}

/** A learner; what an earlier model knew holds until there is enough to learn it anew. */
export function createLearner(earlier?: Model, mostClocks?: ClockLearner['most']): Learner {
  const learning: Learning = {
    signatures: new Map(),
    clocks: createClockLearner(earlier?.clocks, mostClocks),
    draw: createTraceDrawer(),
    batch: 0,
  }
  return {
    add: (spans, groups = groupByTrace(spans)) => addBatch(learning, spans, groups),
    model: () => modelOf(learning, earlier),
    lastBatchOf: (signature) => learning.signatures.get(signature)?.lastBatch ?? 0,
  }
}

function addBatch(learning: Learning, spans: SpanColumns, groups: TraceGroups): void {
  learning.batch++
  const drawn = learning.draw(spans, groups)
  const tree = borrowTree(spans)
  // Clocks first: what waited for what can be seen only where times can be compared.
  const linked = addClocksOf(learning, tree, groups, drawn)
  addFamiliesOf(learning, tree, groups, drawn, linked)
  returnTree(tree)
  evict(learning.signatures)
}

/** Traces that are kept linked; by trace: 1 + its place among them. */
type KeptLinked = { linked: LinkedTraces; placeOf: Uint32Array }

function addClocksOf(
  { clocks }: Learning,
  tree: TraceTree,
  groups: TraceGroups,
  { forClocks, rank }: TraceDraw,
): KeptLinked {
  const { rows, first } = groups
  const linked = createLinkedTraces(Math.min(spansIn(groups, forClocks), MOST_LINKED))
  const placeOf = new Uint32Array(groups.count)
  const repairs = createRepairLog()
  const ahead = { row: 0, words: 0 }
  for (const trace of forClocks) {
    repairs.count = 0
    readAhead(ahead, tree.spans, first[trace + 1]!)
    const roots = linkTrace(tree, rows, first[trace]!, first[trace + 1]!, repairs)
    if (keepLinked(linked, tree, roots)) placeOf[trace] = linked.traces.length
    addClocks(clocks, tree, rank[trace]!)
  }
  endBatch(clocks)
  return { linked, placeOf }
}

/** Families of a batch: signatures that were met in it, each at the place of its number, and what was read of them. */
type BatchLog = { met: NumberTable; signatures: Signature[]; log: FamilyLog }

function addFamiliesOf(
  learning: Learning,
  tree: TraceTree,
  { rows, first }: TraceGroups,
  { traces, rank }: TraceDraw,
  { linked, placeOf }: KeptLinked,
): void {
  const { dictionary } = tree.spans
  const reader = createFamilyReader(tree, callsOf(dictionary), () => true)
  const offsets = offsetsOf(clockPairs(learning.clocks), dictionary)
  const batchLog = { met: createNumberTable(), signatures: [], log: createFamilyLog() }
  const repairs = createRepairLog()
  const ahead = { row: 0, words: 0 }
  for (const trace of traces) {
    repairs.count = 0
    readAhead(ahead, tree.spans, first[trace + 1]!)
    const roots =
      placeOf[trace]! > 0
        ? restoreLinked(linked, tree, placeOf[trace]! - 1)
        : linkTrace(tree, rows, first[trace]!, first[trace + 1]!, repairs)
    const assembled = settleTrace(tree, roots, repairs, offsets)
    readParents(reader, 0, assembled.orderFrom.at(-1)!, assembled.millisecondClock)
    logFamilies(learning, reader, batchLog, rank[trace]!)
    if (batchLog.log.length > LONGEST_LOG) dealOut(batchLog)
  }
  dealOut(batchLog)
}

function logFamilies(learning: Learning, reader: FamilyReader, batchLog: BatchLog, rank: number): void {
  const { met, signatures, log } = batchLog
  const { parents, count } = reader
  for (let i = 0; i < count; i++) {
    const number = signatureOf(reader, parents[i]!)
    if (Number.isNaN(number)) continue
    const family = familyOf(reader, parents[i]!, number)
    const place = addNumber(met, number)
    if (place === signatures.length) signatures.push(meet(learning, family))
    logFamily(log, family, place, learning.batch, rank)
  }
}

/** Families that were logged go to their signatures. */
function dealOut({ log, signatures }: BatchLog): void {
  const { places, first } = placesBySignature(log, signatures.length)
  for (let s = 0; s < signatures.length; s++) {
    const from = first[s]!
    const to = first[s + 1]!
    if (from < to) addFamilies(signatures[s]!.families, log, places, from, to, MOST_FAMILIES)
  }
  log.count = 0
  log.length = 0
}

/** A family's signature, met in this batch for the first time. */
function meet({ signatures, batch }: Learning, family: KnownFamily): Signature {
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

function evict(signatures: Map<number, Signature>): void {
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

function modelOf({ signatures, clocks }: Learning, earlier: Model | undefined): Model {
  const structures = new Map<number, Structure>(earlier?.structures)
  for (const [number, signature] of signatures) {
    if (signature.families.count < signature.enough) continue
    if (signature.changed) signature.structure = structureOf(signature)
    signature.changed = false
    if (signature.structure !== undefined) structures.set(number, signature.structure)
    else structures.delete(number)
  }
  return createModel(structures, clockPairs(clocks))
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

/** Learns from the traces of one batch. The model does not depend on the order of the rows. */
export function learnDependencies(spans: SpanColumns, groups?: TraceGroups): Model {
  const learner = createLearner()
  learner.add(spans, groups)
  return learner.model()
}
