import { comesBefore } from '../trace/settle.ts'
import type { TraceTree } from '../trace/tree.ts'
import { drawWork } from './beside.ts'
import { uniformOf } from './calls.ts'
import { type FamilyReader, familyOf, type KnownFamily, readParents, signatureOf } from './family.ts'
import { chanceOfLater, type LaterPlace } from './later-place.ts'
import { type Matcher, matchOf } from './model.ts'
import { childrenOf, type Event, type Places } from './structure.ts'

/**
 * In `besideFrom`: no own work beside calls; work that began when the parent did; from there down, at the end of a span.
 * Else: the span at whose start.
 */
export const NO_WORK = -1
export const FROM_PARENT = -2
export const AFTER_SPAN = -3

/**
 * Dependencies of the root at hand that were learned; where there are none the rules for one trace hold. An **event** is
 * a child's start (its slot) or a parent's end (`ends + parent`). It waited for the ends of `list[first..last)` and for
 * own work of `besideNs` since `besideFrom`.
 */
export type Dependencies = {
  learned: Uint8Array
  /** Slot of each child of a learned parent. */
  slotOf: Int32Array
  /** Where the events of parents' ends begin. */
  ends: number
  first: Int32Array
  last: Int32Array
  besideFrom: Int32Array
  besideNs: Float64Array
  list: number[]
}

/** Readings of what was learned: the likely one, and the two ends of what the evidence allows. */
export type Readings = {
  likely: Dependencies
  /** Everything waited for what no trace shows it did not wait for; only where asked for. */
  most: Dependencies | undefined
  /** Only what is proven was waited for; own work beside calls took all the time there was. */
  least: Dependencies | undefined
  /** Whether they differ in the trace at hand. */
  differ: boolean
  /** Per span: 1: they may differ in it or below it. */
  differIn: Uint8Array
}

function createDependencies(list: number[]): Dependencies {
  const none = new Int32Array(0)
  return {
    learned: new Uint8Array(0),
    slotOf: none,
    ends: 0,
    first: none,
    last: none,
    besideFrom: none,
    besideNs: new Float64Array(0),
    list,
  }
}

/** Readings have one list, so that an event of which nothing is open is in it once. */
export function createReadings(range: boolean): Readings {
  const list: number[] = []
  return {
    likely: createDependencies(list),
    most: range ? createDependencies(list) : undefined,
    least: range ? createDependencies(list) : undefined,
    differ: false,
    differIn: new Uint8Array(0),
  }
}

function growReadings({ likely, most, least }: Readings, spans: number): void {
  if (likely.learned.length >= spans) return
  // What they have in common whatever the evidence leaves open.
  const shared = { learned: new Uint8Array(spans), slotOf: new Int32Array(spans), ends: spans }
  for (const dependencies of [likely, most, least]) {
    if (dependencies === undefined) continue
    Object.assign(dependencies, shared)
    for (const name of ['first', 'last', 'besideFrom'] as const)
      dependencies[name] = new Int32Array(2 * spans)
    dependencies.besideNs = new Float64Array(2 * spans)
  }
}

/** Nothing is known of the trace that comes now. */
export function clearReadings(readings: Readings, { capacity, count }: TraceTree): void {
  readings.differ = false
  if (readings.most !== undefined) {
    if (readings.differIn.length < capacity) readings.differIn = new Uint8Array(capacity)
    readings.differIn.fill(0, 0, count)
  }
  growReadings(readings, capacity)
  readings.likely.learned.fill(0, 0, count)
  readings.likely.list.length = 0
}

/** A model as it is applied to one trace after the other. */
export type Applied = { matcher: Matcher; reader: FamilyReader; readings: Readings }

/** Works out the learned dependencies of a settled and charged root, behind those already in the lists. */
export function applyModel(
  { matcher, reader, readings }: Applied,
  tree: TraceTree,
  from: number,
  to: number,
  wholeMs: boolean,
): void {
  const { learned } = readings.likely
  readParents(reader, from, to, wholeMs)
  const { parents, count } = reader
  for (let i = 0; i < count; i++) {
    const parent = parents[i]!
    learned[parent] = 0
    if (tree.live[parent] === 0) continue
    const signature = signatureOf(reader, parent)
    if (Number.isNaN(signature)) continue
    const matched = matchOf(matcher, signature, parent, reader)
    if (matched === undefined) continue
    const family = familyOf(reader, parent, signature)
    const childAt = childrenOf(matched.places, family, matched.same)
    if (childAt === undefined) continue
    if (matched.places.ambiguous && readings.most !== undefined) tellDifference(readings, tree, parent)
    apply(matched.places, placeChildren(tree, family, childAt, parent), tree, readings)
  }
}

/** Readings differ in a parent, and so in all spans above it. */
function tellDifference(readings: Readings, { parent }: TraceTree, span: number): void {
  const { differIn } = readings
  readings.differ = true
  for (let above = span; above >= 0 && differIn[above] === 0; above = parent[above]!) differIn[above] = 1
}

/** Which ends an event waited for, and how much of the time before it was work beside them. */
type Reading = {
  waits: (event: Event) => readonly number[]
  /** Of the time since the work began, given the time until the last end waited for. */
  workNs: (event: Event, callsNs: number, allNs: number, uniform: number) => number
  /** A call was made at the later one of two places where that is at least so likely. */
  leastChance: number
}
const LIKELY: Reading = {
  waits: (event) => event.waitsFor,
  workNs: (event, callsNs, allNs, uniform) => drawWork(callsNs, allNs, event.beside!, uniform),
  leastChance: 0.5,
}
const MOST: Reading = { waits: (event) => event.possible, workNs: () => 0, leastChance: 0.01 }
const LEAST: Reading = {
  waits: (event) => event.certain,
  workNs: (_event, _callsNs, allNs) => allNs,
  leastChance: 0.99,
}

/**
 * A parent's children: the span at each site (-1: none, or detached), and those of which nothing was learned. These obey
 * the rules for one trace: they waited for all, and all waited for them.
 */
type Placed = { parent: number; spanAt: Int32Array; others: readonly number[]; wholeMs: boolean }

const NOBODY: readonly number[] = []

function placeChildren(
  tree: TraceTree,
  { children, wholeMs }: KnownFamily,
  childAt: Int32Array,
  parent: number,
): Placed {
  const { detached } = tree
  let placed = 0
  const spanAt = new Int32Array(childAt.length).fill(-1)
  for (let site = 0; site < childAt.length; site++) {
    if (childAt[site]! < 0) continue
    placed++
    const span = children[childAt[site]!]!
    if (detached[span] === 0) spanAt[site] = span
  }
  if (placed === children.length) return { parent, spanAt, others: NOBODY, wholeMs }
  const known = new Uint8Array(children.length)
  for (let site = 0; site < childAt.length; site++) if (childAt[site]! >= 0) known[childAt[site]!] = 1
  return {
    parent,
    spanAt,
    wholeMs,
    others: Array.from(children).filter((c, i) => known[i] === 0 && detached[c] === 0),
  }
}

function apply(places: Places, placed: Placed, tree: TraceTree, readings: Readings): void {
  const { firstChild, child, live, cutStart, cutEnd } = tree
  const { list, slotOf, first, last, besideFrom, learned, ends } = readings.likely
  const { parent, spanAt, others } = placed
  const { structure, open } = places
  const from = firstChild[parent]!
  for (let slot = from; slot < from + live[parent]!; slot++) slotOf[child[slot]!] = slot
  for (let i = 0; i < others.length; i++) {
    const c = others[i]!
    const event = slotOf[c]!
    first[event] = list.length
    for (let slot = from; slot < event; slot++) {
      if (hadEnded(tree, child[slot]!, cutStart[c]!, c, parent)) list.push(child[slot]!)
    }
    last[event] = list.length
    besideFrom[event] = NO_WORK
    readAlike(readings, event)
  }
  const { sites, end } = structure
  for (let site = 0; site < spanAt.length; site++) {
    const c = spanAt[site]!
    if (c >= 0) readEvent(sites[site]!, open[site]!, placed, tree, readings, slotOf[c]!, cutStart[c]!, c)
  }
  readEvent(end, open[sites.length]!, placed, tree, readings, ends + parent, cutEnd[parent]!, parent)
  learned[parent] = 1
}

/** An event in all readings; `open`: 1: in which it may differ. */
function readEvent(
  event: Event,
  open: number,
  placed: Placed,
  tree: TraceTree,
  readings: Readings,
  at: number,
  momentNs: number,
  span: number,
): void {
  const { likely, most, least } = readings
  addEvent(event, LIKELY, placed, tree, likely, at, momentNs, span)
  if (open === 0) readAlike(readings, at)
  else {
    if (most !== undefined) addEvent(event, MOST, placed, tree, most, at, momentNs, span)
    if (least !== undefined) addEvent(event, LEAST, placed, tree, least, at, momentNs, span)
  }
}

/** An event that is the same in all readings, and waited for no work beside calls. */
function readAlike({ likely, most, least }: Readings, event: number): void {
  if (most !== undefined) copyEvent(likely, most, event)
  if (least !== undefined) copyEvent(likely, least, event)
}

function copyEvent(from: Dependencies, to: Dependencies, event: number): void {
  to.first[event] = from.first[event]!
  to.last[event] = from.last[event]!
  to.besideFrom[event] = NO_WORK
}

/** Whether a span had ended at a moment of another one, and comes before it. */
function hadEnded(tree: TraceTree, waited: number, momentNs: number, span: number, parent: number): boolean {
  if (tree.cutEnd[waited]! > momentNs || waited === span) return false
  return span === parent || comesBefore(tree, waited, span)
}

/** Appends what an event waited for: the start of `span`, or the end of the parent. */
function addEvent(
  event: Event,
  reading: Reading,
  placed: Placed,
  tree: TraceTree,
  dependencies: Dependencies,
  at: number,
  momentNs: number,
  span: number,
): void {
  const { cutStart, cutEnd } = tree
  const { list, first, last, besideFrom } = dependencies
  const { parent, spanAt, others } = placed
  let ready = cutStart[parent]!
  first[at] = list.length
  const waits = reading.waits(event)
  for (let i = 0; i < waits.length; i++) {
    const waited = spanAt[waits[i]!]!
    if (waited < 0 || !hadEnded(tree, waited, momentNs, span, parent)) continue
    list.push(waited)
    if (cutEnd[waited]! > ready) ready = cutEnd[waited]!
  }
  for (let i = 0; i < others.length; i++) {
    const waited = others[i]!
    if (!hadEnded(tree, waited, momentNs, span, parent)) continue
    list.push(waited)
    if (cutEnd[waited]! > ready) ready = cutEnd[waited]!
  }
  if (event.later !== undefined) {
    addLater(event.later, reading, placed, tree, list, momentNs, span, ready)
  }
  last[at] = list.length
  besideFrom[at] = NO_WORK
  if (event.beside === undefined) return
  const since = event.beside.since < 0 ? parent : spanAt[event.beside.since]!
  if (since < 0) return
  const beganNs = event.beside.after ? cutEnd[since]! : cutStart[since]!
  if (beganNs >= momentNs) return
  if (since !== parent && span !== parent && !comesBefore(tree, since, span)) return
  // Events that waited for the same work draw alike.
  const uniform = uniformOf(tree.id[2 * since]!, tree.id[2 * since + 1]!, 1)
  const allNs = momentNs - beganNs
  const workNs = reading.workNs(event, Math.max(0, ready - beganNs), allNs, uniform)
  if (workNs <= 0) return
  besideFrom[at] = event.beside.after ? AFTER_SPAN - since : since === parent ? FROM_PARENT : since
  dependencies.besideNs[at] = Math.min(workNs, allNs)
}

/** Appends what a call waited for besides, if it was made at the later place. `ready`: at the first place, ns. */
function addLater(
  later: LaterPlace,
  { leastChance }: Reading,
  { parent, spanAt, wholeMs }: Placed,
  tree: TraceTree,
  list: number[],
  momentNs: number,
  span: number,
  ready: number,
): void {
  const { waitsFor } = later
  const before = list.length
  let readyLater = ready
  for (let i = 0; i < waitsFor.length; i++) {
    const waited = spanAt[waitsFor[i]!]!
    if (waited < 0 || !hadEnded(tree, waited, momentNs, span, parent)) continue
    list.push(waited)
    if (tree.cutEnd[waited]! > readyLater) readyLater = tree.cutEnd[waited]!
  }
  if (chanceOfLater(later, momentNs - ready, momentNs - readyLater, wholeMs) < leastChance)
    list.length = before
}

/** The moment at which an event's own gap began: the last end or work that it waited for. */
export function readyAt(tree: TraceTree, dependencies: Dependencies, parent: number, event: number): number {
  const last = lastToEnd(tree, dependencies, event)
  return Math.max(
    last < 0 ? tree.cutStart[parent]! : tree.cutEnd[last]!,
    workDoneAt(tree, dependencies, parent, event),
  )
}

function workDoneAt(
  { cutStart, cutEnd }: TraceTree,
  { besideFrom, besideNs }: Dependencies,
  parent: number,
  event: number,
): number {
  const since = besideFrom[event]!
  if (since === NO_WORK) return Number.NEGATIVE_INFINITY
  if (since <= AFTER_SPAN) return cutEnd[AFTER_SPAN - since]! + besideNs[event]!
  return cutStart[since === FROM_PARENT ? parent : since]! + besideNs[event]!
}

/** Of those an event waited for, the last to end (ties: the first in span order); -1 if there is none. */
function lastToEnd(tree: TraceTree, { list, first, last }: Dependencies, event: number): number {
  const { cutEnd } = tree
  let latest = -1
  for (let i = first[event]!; i < last[event]!; i++) {
    const c = list[i]!
    if (
      latest < 0 ||
      cutEnd[c]! > cutEnd[latest]! ||
      (cutEnd[c] === cutEnd[latest] && comesBefore(tree, c, latest))
    ) {
      latest = c
    }
  }
  return latest
}

/**
 * The child before an event of a learned parent on the critical path; -1: the parent's start. Where own work beside the
 * calls took longer than they did, the path goes through it to the call after which it began, or to what its beginning
 * had waited for.
 */
export function lastWaitedFor(
  tree: TraceTree,
  dependencies: Dependencies,
  parent: number,
  event: number,
): number {
  let at = event
  for (;;) {
    const latest = lastToEnd(tree, dependencies, at)
    const endNs = latest < 0 ? tree.cutStart[parent]! : tree.cutEnd[latest]!
    if (workDoneAt(tree, dependencies, parent, at) <= endNs) return latest
    const since = dependencies.besideFrom[at]!
    if (since === FROM_PARENT) return -1
    if (since <= AFTER_SPAN) return AFTER_SPAN - since
    at = dependencies.slotOf[since]!
  }
}

/** The event of a parent's end. */
export function endOf({ ends }: Dependencies, parent: number): number {
  return ends + parent
}
