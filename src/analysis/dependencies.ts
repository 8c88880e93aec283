import { comesBefore } from '../trace/settle.ts'
import type { TraceTree } from '../trace/tree.ts'
import { drawWork } from './beside.ts'
import { uniformOf } from './calls.ts'
import type { FamilyReader, KnownFamily } from './family.ts'
import type { Matcher } from './model.ts'
import { childrenAtSites, type Event, type Structure } from './structure.ts'

/** In `besideFrom`: no own work beside calls; work that began when the parent did. Else: the span at whose start. */
export const NO_WORK = -1
export const FROM_PARENT = -2

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
  /** Whether they differ in the root at hand. */
  differ: boolean
}

function createDependencies(): Dependencies {
  const none = new Int32Array(0)
  return {
    learned: new Uint8Array(0),
    slotOf: none,
    ends: 0,
    first: none,
    last: none,
    besideFrom: none,
    besideNs: new Float64Array(0),
    list: [],
  }
}

export function createReadings(range: boolean): Readings {
  return {
    likely: createDependencies(),
    most: range ? createDependencies() : undefined,
    least: range ? createDependencies() : undefined,
    differ: false,
  }
}

function growDependencies(dependencies: Dependencies, spans: number): void {
  if (dependencies.learned.length >= spans) return
  dependencies.learned = new Uint8Array(spans)
  dependencies.slotOf = new Int32Array(spans)
  dependencies.ends = spans
  for (const name of ['first', 'last', 'besideFrom'] as const) dependencies[name] = new Int32Array(2 * spans)
  dependencies.besideNs = new Float64Array(2 * spans)
}

/** Nothing is known of the trace that comes now. */
export function clearReadings(readings: Readings): void {
  readings.differ = false
  for (const dependencies of [readings.likely, readings.most, readings.least]) {
    if (dependencies !== undefined) dependencies.list.length = 0
  }
}

/** Works out the learned dependencies of a settled and charged root, behind those already in the lists. */
export function applyModel(
  matcher: Matcher,
  tree: TraceTree,
  reader: FamilyReader,
  readings: Readings,
  from: number,
  to: number,
  wholeMs: boolean,
): void {
  const { likely, most, least } = readings
  for (const dependencies of [likely, most, least]) {
    if (dependencies === undefined) continue
    growDependencies(dependencies, tree.capacity)
    for (let at = from; at < to; at++) dependencies.learned[tree.order[at]!] = 0
  }
  reader.read(from, to, wholeMs)
  for (let at = from; at < to; at++) {
    const parent = tree.order[at]!
    if (tree.live[parent] === 0 || !matcher.knows(reader.contextOf(parent))) continue
    const signature = reader.signatureOf(parent)
    if (Number.isNaN(signature)) continue
    const matched = matcher.match(signature, () => reader.familyOf(parent))
    if (matched === undefined) continue
    const { structure, same } = matched
    const family = reader.familyOf(parent)
    const childAt = childrenAtSites(family, structure, same)
    if (childAt === undefined) continue
    const differs = isAmbiguous(structure)
    if (differs) readings.differ = true
    apply(structure, LIKELY, family, childAt, tree, likely, parent)
    if (most !== undefined) apply(structure, differs ? MOST : LIKELY, family, childAt, tree, most, parent)
    if (least !== undefined) apply(structure, differs ? LEAST : LIKELY, family, childAt, tree, least, parent)
  }
}

/** Which ends an event waited for, and how much of the time before it was work beside them. */
type Reading = {
  waits: (event: Event) => readonly number[]
  /** Of the time since the work began, given the time until the last end waited for. */
  workNs: (event: Event, callsNs: number, allNs: number, uniform: number) => number
}
const LIKELY: Reading = {
  waits: (event) => event.waitsFor,
  workNs: (event, callsNs, allNs, uniform) => drawWork(callsNs, allNs, event.beside!, uniform),
}
const MOST: Reading = { waits: (event) => event.possible, workNs: () => 0 }
const LEAST: Reading = { waits: (event) => event.certain, workNs: (_event, _callsNs, allNs) => allNs }

function isAmbiguous({ sites, end }: Structure): boolean {
  const open = (event: Event) =>
    event.beside !== undefined ||
    event.certain.length < event.waitsFor.length ||
    event.possible.length > event.waitsFor.length
  return open(end) || sites.some(open)
}

function apply(
  structure: Structure,
  reading: Reading,
  family: KnownFamily,
  childAt: Int32Array,
  tree: TraceTree,
  dependencies: Dependencies,
  parent: number,
): void {
  const { firstChild, child, live, detached, cutStart, cutEnd, idLow, idHigh } = tree
  const { list, slotOf, first, last, besideFrom, besideNs, learned, ends } = dependencies
  const from = firstChild[parent]!
  const spanAt = (site: number) => (childAt[site]! < 0 ? -1 : family.children[childAt[site]!]!)
  for (let slot = from; slot < from + live[parent]!; slot++) slotOf[child[slot]!] = slot
  // Children of which nothing was learned obey the rules for one trace: they waited for all, and all waited for them.
  const others: number[] = []
  const known = new Uint8Array(family.children.length)
  for (const at of childAt) if (at >= 0) known[at] = 1
  family.children.forEach((c, i) => {
    if (known[i] === 0 && detached[c] === 0) others.push(c)
  })
  for (const c of others) {
    const event = slotOf[c]!
    first[event] = list.length
    for (let slot = from; slot < event; slot++) addWaited(child[slot]!, cutStart[c]!, c)
    last[event] = list.length
    besideFrom[event] = NO_WORK
  }
  structure.sites.forEach((site, s) => {
    const c = spanAt(s)
    if (c >= 0 && detached[c] === 0) addEvent(site, slotOf[c]!, cutStart[c]!, c)
  })
  addEvent(structure.end, ends + parent, cutEnd[parent]!, parent)
  learned[parent] = 1

  function addWaited(waited: number, momentNs: number, span: number): void {
    if (cutEnd[waited]! > momentNs || waited === span) return
    if (span === parent || comesBefore(tree, waited, span)) list.push(waited)
  }

  function addEvent(event: Event, at: number, momentNs: number, span: number): void {
    first[at] = list.length
    for (const site of reading.waits(event)) {
      const waited = spanAt(site)
      if (waited >= 0 && detached[waited] === 0) addWaited(waited, momentNs, span)
    }
    for (const waited of others) addWaited(waited, momentNs, span)
    let ready = cutStart[parent]!
    for (let i = first[at]!; i < list.length; i++) ready = Math.max(ready, cutEnd[list[i]!]!)
    last[at] = list.length
    besideFrom[at] = NO_WORK
    if (event.beside === undefined) return
    const since = event.beside.since < 0 ? parent : spanAt(event.beside.since)
    if (since < 0 || detached[since] !== 0 || cutStart[since]! >= momentNs) return
    if (since !== parent && span !== parent && !comesBefore(tree, since, span)) return
    const uniform = uniformOf(idLow[span]!, idHigh[span]!, at === ends + parent ? 1 : 0)
    const allNs = momentNs - cutStart[since]!
    const workNs = reading.workNs(event, Math.max(0, ready - cutStart[since]!), allNs, uniform)
    if (workNs <= 0) return
    besideFrom[at] = since === parent ? FROM_PARENT : since
    besideNs[at] = Math.min(workNs, allNs)
  }
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
  tree: TraceTree,
  { besideFrom, besideNs }: Dependencies,
  parent: number,
  event: number,
): number {
  const since = besideFrom[event]!
  if (since === NO_WORK) return Number.NEGATIVE_INFINITY
  return tree.cutStart[since === FROM_PARENT ? parent : since]! + besideNs[event]!
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
 * calls took longer than they did, the path goes through it to what its beginning had waited for.
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
    at = dependencies.slotOf[since]!
  }
}

/** The event of a parent's end. */
export function endOf({ ends }: Dependencies, parent: number): number {
  return ends + parent
}
