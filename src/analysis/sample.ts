import { chargeSpans } from '../trace/charge.ts'
import { millisecondSubtrees } from '../trace/clock.ts'
import { IS_RECEIVE } from '../trace/dictionary.ts'
import { CONSUMER_ENTRY, ORPHAN_ENTRY, ROOT_ENTRY } from '../trace/identity.ts'
import { comesBefore, settle } from '../trace/settle.ts'
import { CONSUMER, SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { addCritical, beginCalls, type CallTree, callsOf, createCallTree } from './call-tree.ts'
import { type PathWalk, walkCriticalPath } from './critical-path.ts'
import { type Applied, applyModel } from './dependencies.ts'
import { type Measure, measureRoot } from './measure.ts'
import { findProducers, queueWaitNs } from './queue-wait.ts'
import { SERVICE } from './result.ts'
import { makeRoom, type ResultBuilder } from './result-builder.ts'
import type { Lap } from './timings.ts'
import { createWeights, takeWeights, type Weights, weightOf } from './weights.ts'

/** A cut SERVER with more cut SERVERs than this above it keeps the bounds of its entry's analysis. */
const CUT_SERVERS_ABOVE = 16
/** In `above`: belongs to a SERVER that is analyzed as a trace of its own. */
const ELSEWHERE = -1

/** A SERVER that is settled again within its own bounds; `whole`: with the SERVERs below it. */
type Resettled = { server: number; millisecondClock: boolean; whole: boolean }

export type SamplerOptions = {
  measure: Measure
  /** Of the entry whose sample was appended last. */
  walk: PathWalk
  /** The model, applied anew to what was settled and charged again. */
  applied: Applied | undefined
  lap: Lap
  /** Whether SERVER spans that are no entries are samples too. */
  serviceScope: boolean
  /** Whether critical time is told by call stack as well. */
  callTrees: boolean
}

/** What sampling takes. Functions of it are no closures: those would be compiled anew for each batch. */
export type Sampling = SamplerOptions & {
  tree: TraceTree
  result: ResultBuilder
  callTree: CallTree | undefined
  weights: Weights
  above: Int32Array
  /** The entry being measured, and its sample. */
  entryAtHand: number
  entrySample: number
  addSample: (sampling: Sampling, span: number) => void
}

export function createSampling(tree: TraceTree, result: ResultBuilder, options: SamplerOptions): Sampling {
  return {
    measure: options.measure,
    applied: options.applied,
    lap: options.lap,
    serviceScope: options.serviceScope,
    callTrees: options.callTrees,
    tree,
    result,
    callTree: options.callTrees ? createCallTree(tree, result) : undefined,
    walk: options.walk,
    weights: createWeights(tree),
    above: new Int32Array(0),
    entryAtHand: -1,
    entrySample: -1,
    addSample: addEntryOrService,
  }
}

/** Appends the samples of a settled and charged trace to the result: entries, primary first, then SERVER spans. */
export function sampleTrace(
  sampling: Sampling,
  entries: readonly number[],
  orderFrom: readonly number[],
  millisecondClock: boolean,
): void {
  const { tree, measure, applied, serviceScope } = sampling
  const orderTo = orderFrom[entries.length]!
  takeWeights(sampling.weights, tree, orderTo)
  for (const entry of entries) {
    if (tree.entry[entry] !== CONSUMER_ENTRY) continue
    findProducers(tree, orderTo, tree.scratch2)
    break
  }
  const subtrees = millisecondClock || !serviceScope ? undefined : millisecondSubtrees(tree, orderTo)
  const again: Resettled[] = []
  for (const e of inReportOrder(tree, entries)) {
    const entry = entries[e]!
    const from = orderFrom[e]!
    const to = orderFrom[e + 1]!
    const servers = listServers(sampling, entry, from, to, millisecondClock, subtrees, again)
    sampling.entryAtHand = entry
    measureRoot(measure, servers, entry, from, to, sampling)
    if (sampling.callTree !== undefined) addCalls(sampling, sampling.callTree)
  }
  // Settling again overwrites what the entries' own analyses left, so it comes last. Entries below have been sampled.
  sampling.entryAtHand = -1
  for (let i = 0; i < again.length; i++) {
    const { server, millisecondClock, whole } = again[i]!
    const end = settle(tree, server, 0, millisecondClock, undefined, undefined)
    chargeSpans(tree, 0, end)
    if (applied !== undefined) applyModel(applied, tree, 0, end, millisecondClock)
    const servers = whole
      ? listServers(sampling, server, 0, end, millisecondClock, undefined, again)
      : [server]
    measureRoot(measure, servers, -1, 0, end, sampling)
  }
}

/** The root and the SERVER spans below it whose samples this analysis gives; those to be settled again go to `again`. */
function listServers(
  sampling: Sampling,
  root: number,
  from: number,
  to: number,
  millisecondClock: boolean,
  subtrees: Uint8Array | undefined,
  again: Resettled[],
): number[] {
  const { tree } = sampling
  const servers: number[] = [root]
  if (!sampling.serviceScope) return servers
  const { order, parent, kind } = tree
  if (sampling.above.length < tree.count) sampling.above = new Int32Array(tree.capacity)
  const { above } = sampling
  above[root] = 0
  for (let at = from + 1; at < to; at++) {
    const i = order[at]!
    const p = parent[i]!
    let cutServers = above[p]!
    if (cutServers !== ELSEWHERE && p !== root && kind[p] === SERVER) {
      if (subtrees?.[p] === 1) cutServers = ELSEWHERE
      else if (isCut(tree, p)) cutServers++
    }
    above[i] = cutServers
    if (kind[i] !== SERVER || cutServers === ELSEWHERE) continue
    if (subtrees?.[i] === 1) again.push({ server: i, millisecondClock: true, whole: true })
    else if (isCut(tree, i) && cutServers <= CUT_SERVERS_ABOVE) {
      again.push({ server: i, millisecondClock, whole: false })
    } else servers.push(i)
  }
  return servers
}

function isCut({ start, end, cutStart, cutEnd }: TraceTree, i: number): boolean {
  return cutStart[i] !== start[i] || cutEnd[i] !== end[i]
}

/** Statistics leave out orphans that are neither SERVER nor CONSUMER (half a trace), and idle waiting. */
function isCounted(tree: TraceTree, entry: number): boolean {
  const kind = tree.kind[entry]!
  if (tree.entry[entry] === ORPHAN_ENTRY && kind !== SERVER && kind !== CONSUMER) return false
  return (tree.spans.dictionary.shapeFlags[tree.shape[entry]!]! & IS_RECEIVE) === 0
}

function addEntryOrService(sampling: Sampling, span: number): void {
  const { tree } = sampling
  if (span !== sampling.entryAtHand) {
    addSample(sampling, span, SERVICE, 0)
    return
  }
  const kind = tree.entry[span]!
  sampling.entrySample = sampling.result.samples.count
  addSample(sampling, span, kind, kind === CONSUMER_ENTRY ? queueWaitNs(tree, span, tree.scratch2) : 0)
  addSegments(sampling, span)
}

/** Of the entry at hand, once its components are there. */
function addCalls({ result, entrySample }: Sampling, callTree: CallTree): void {
  const { components, samples } = result
  const to = entrySample + 1 < samples.count ? samples.firstComponent[entrySample + 1]! : components.count
  for (let i = samples.firstComponent[entrySample]!; i < to; i++) {
    components.calls[i] = callsOf(callTree, components.component[i]!)
  }
}

function addSample({ tree, result, weights }: Sampling, span: number, kind: number, wait: number): void {
  const { samples } = result
  makeRoom(result, samples, samples.count + 1, samples.span.length)
  const at = samples.count++
  samples.span[at] = tree.row[span]!
  samples.endpoint[at] = tree.spans.dictionary.endpoint(tree.shape[span]!)
  samples.kind[at] = kind
  samples.counted[at] = isCounted(tree, span) ? 1 : 0
  samples.startNs[at] = tree.cutStart[span]!
  samples.durationNs[at] = tree.cutEnd[span]! - tree.cutStart[span]!
  samples.queueWaitNs[at] = wait
  samples.weight[at] = weightOf(weights, span)
  samples.firstComponent[at] = result.components.count
  samples.firstSegment[at] = result.segments.count
  samples.firstNode[at] = result.nodes.count
}

/** The entry's path, ascending. */
function addSegments({ tree, result, walk, applied, callTree, lap }: Sampling, entry: number): void {
  lap('whatIfMs')
  walkCriticalPath(tree, walk, applied?.readings.likely, entry)
  const { count, piece, startNs } = walk
  if (callTree !== undefined) {
    beginCalls(callTree, entry)
    let endNs = tree.cutEnd[entry]!
    for (let i = 0; i < count; i++) {
      addCritical(callTree, piece[i]!, endNs - startNs[i]!)
      endNs = startNs[i]!
    }
  }
  const { segments } = result
  makeRoom(result, segments, segments.count + count, segments.span.length)
  const { span: rows, component: components, startNs: starts, endNs: ends } = segments
  const { row, component, cutStart, cutEnd } = tree
  const originNs = cutStart[entry]!
  let endNs = cutEnd[entry]! - originNs
  let at = segments.count + count
  segments.count = at
  for (let i = 0; i < count; i++) {
    const span = piece[i]!
    rows[--at] = row[span]!
    components[at] = component[span]!
    ends[at] = endNs
    starts[at] = endNs = startNs[i]! - originNs
  }
  lap('criticalPathMs')
}

const ONLY = [0]

/** Positions in `entries`: the primary one first (a true root before an orphan), then span order. */
function inReportOrder(tree: TraceTree, entries: readonly number[]): readonly number[] {
  if (entries.length === 1) return ONLY
  const positions = entries.map((_, position) => position)
  const spanOrder = (a: number, b: number) => (comesBefore(tree, entries[a]!, entries[b]!) ? -1 : 1)
  positions.sort(spanOrder)
  const isKind = (kind: number) => (position: number) => tree.entry[entries[position]!] === kind
  const primary = positions.find(isKind(ROOT_ENTRY)) ?? positions.find(isKind(ORPHAN_ENTRY))
  return primary === undefined
    ? positions
    : [primary, ...positions.filter((position) => position !== primary)]
}
