import type { Assembled } from '../../src/analysis/assemble.ts'
import { drawWork } from '../../src/analysis/beside.ts'
import { callNumber, callsOf, hashPair, uniformOf } from '../../src/analysis/calls.ts'
import type { LaterPlace } from '../../src/analysis/later-place.ts'
import type { LogNormal } from '../../src/analysis/log-normal.ts'
import type { Model } from '../../src/analysis/model.ts'
import type { Event, Structure } from '../../src/analysis/structure.ts'
import { CLIENT, PRODUCER } from '../../src/trace/span.ts'
import { NOT_ENTRY, type TraceTree } from '../../src/trace/tree.ts'

/**
 * What a model says of a settled trace, an object a span and the obvious loops: which structure a parent has, which child
 * is at which of its sites, what each waited for, the critical path and the re-scheduling that follow. The twin that the
 * fast code is compared with. What it shares: assembly (it has a twin of its own), and single numbers (hashes of calls,
 * the draw of own work beside calls).
 */
type Span = {
  index: number
  component: string
  kind: number
  /** Number of its call, and of that and those above it. */
  call: number
  context: number
  start: number
  end: number
  cutStart: number
  cutEnd: number
  parent: Span | undefined
  isEntry: boolean
  detached: boolean
  children: Span[]
  /** Of the draw of work that began with it. */
  uniform: number
  order: [id: bigint, kind: number]
}

export type Reading = 'likely' | 'most' | 'least'
export type TwinEntry = {
  span: number
  path: { span: number; startNs: number; endNs: number }[]
  components: Map<string, { criticalNs: number; ifInstantNs: number; earliestNs: number; latestNs: number }>
  /** With the factors given, by `kind name`. */
  latencyNs: Record<Reading, number>
}
/** How often what there is to get wrong was met. */
export type Met = {
  learned: number
  repeated: number
  alike: number
  beside: number
  after: number
  later: number
  open: number
}

export function analyzeByModel(
  tree: TraceTree,
  { entries, millisecondClock }: Assembled,
  model: Model,
  factorOf: (component: string) => number,
  met: Met,
): TwinEntry[] {
  const spans = spansOf(tree)
  const learned = new Map<Span, Placed>()
  for (const span of spans) {
    const placed = placedChildren(span, model, millisecondClock, met)
    if (placed !== undefined) learned.set(span, placed)
  }
  const isOpen = [...learned.values()].some(({ structure }) => isAmbiguous(structure))
  return entries.map((entry) => {
    const root = spans[entry]!
    const path = pathOf(root, learned)
    const criticalNs = new Map<string, number>()
    for (const { span, startNs, endNs } of path) {
      const { component } = spans[span]!
      criticalNs.set(component, (criticalNs.get(component) ?? 0) + endNs - startNs)
    }
    const components: TwinEntry['components'] = new Map()
    for (const [component, ns] of criticalNs) {
      const without = (reading: Reading) => replay(root, learned, reading, (c) => (c === component ? 0 : 1))
      const ifInstantNs = without('likely')
      const all = isOpen ? [ifInstantNs, without('most'), without('least')] : [ifInstantNs]
      components.set(component, {
        criticalNs: ns,
        ifInstantNs,
        earliestNs: Math.min(...all),
        latestNs: Math.max(...all),
      })
    }
    const at = (reading: Reading) => Math.round(replay(root, learned, reading, factorOf))
    return {
      span: entry,
      path,
      components,
      latencyNs: { likely: at('likely'), most: at('most'), least: at('least') },
    }
  })
}

function spansOf(tree: TraceTree): Span[] {
  const { dictionary } = tree.spans
  const calls = callsOf(dictionary)
  const spans = Array.from({ length: tree.count }, (_, index): Span => {
    const { kind, name } = dictionary.components[tree.component[index]!]!
    return {
      index,
      component: `${kind} ${name}`,
      kind: tree.kind[index]!,
      call: 0,
      context: 0,
      start: tree.start[index]!,
      end: tree.end[index]!,
      cutStart: tree.cutStart[index]!,
      cutEnd: tree.cutEnd[index]!,
      parent: undefined,
      isEntry: tree.entry[index] !== NOT_ENTRY,
      detached: tree.detached[index] !== 0,
      children: [],
      uniform: uniformOf(tree.id[2 * index]!, tree.id[2 * index + 1]!, 1),
      order: [(BigInt(tree.id[2 * index + 1]!) << 32n) | BigInt(tree.id[2 * index]!), tree.kind[index]!],
    }
  })
  for (const span of spans) {
    const parent = spans[tree.parent[span.index]!]
    span.parent = parent
    for (let slot = tree.firstChild[span.index]!; slot < tree.firstChild[span.index + 1]!; slot++) {
      span.children.push(spans[tree.child[slot]!]!)
    }
    const shape = tree.shape[span.index]!
    span.call = callNumber(calls, shape, tree.component[span.index]!)
    if (span.kind === CLIENT && span.children.length > 0) {
      const callee = tree.shape[span.children[0]!.index]!
      span.call = hashPair(span.call, callNumber(calls, callee, dictionary.shapeComponent[callee]!))
    }
  }
  const contextOf = (span: Span): number =>
    hashPair(span.parent === undefined ? 0 : contextOf(span.parent), span.call)
  for (const span of spans) span.context = contextOf(span)
  return spans
}

function comesBefore(a: Span, b: Span): boolean {
  if (a.cutStart !== b.cutStart) return a.cutStart < b.cutStart
  if (a.cutEnd !== b.cutEnd) return a.cutEnd > b.cutEnd
  return a.order[0] !== b.order[0] ? a.order[0] < b.order[0] : a.order[1] < b.order[1]
}

function liveChildren(span: Span): Span[] {
  return span.children
    .filter((child) => !child.isEntry && !child.detached)
    .sort((a, b) => (comesBefore(a, b) ? -1 : 1))
}

/** The children of a parent whose structure is known, and the child at each site. */
type Placed = { structure: Structure; at: (Span | undefined)[]; others: Span[]; wholeMs: boolean }

function placedChildren(parent: Span, model: Model, wholeMs: boolean, met: Met): Placed | undefined {
  const { children } = parent
  if (liveChildren(parent).length === 0 || children.length > 24) return undefined
  if (children.length === 1 && (parent.kind === CLIENT || parent.kind === PRODUCER)) return undefined
  const mine = children
    .filter((child) => !child.isEntry)
    .sort((a, b) => a.start - b.start || a.index - b.index)
  const own = model.structures.get(signatureOf(parent, mine))
  const structure = own ?? mostAlike(parent, mine, model)
  if (structure === undefined) return undefined
  const family: Family = { parent, children: mine, wholeMs }
  const repeated = structure.sites.some(({ call }, s) => call === structure.sites[s - 1]?.call)
  let at: (Span | undefined)[]
  if (own !== undefined && !repeated) at = guess(family, structure, KEYS[0]!)
  else {
    at = likeliest(family, structure)
    const fits = likelihood(family, structure, at) / (mine.length + 1)
    if (own === undefined && fits < structure.usual - 0.5) return undefined
  }
  met.learned++
  if (repeated) met.repeated++
  if (own === undefined) met.alike++
  if (isAmbiguous(structure)) met.open++
  const works = [structure.end, ...structure.sites].map(({ beside }) => beside)
  if (works.some((beside) => beside !== undefined && !beside.after)) met.beside++
  if (works.some((beside) => beside?.after)) met.after++
  if (structure.sites.some(({ later }) => later !== undefined)) met.later++
  return {
    structure,
    wholeMs,
    at: at.map((child) => (child?.detached ? undefined : child)),
    others: mine.filter((child) => !child.detached && !at.includes(child)),
  }
}

/** Of the parent's context, and how often it made each call: sums, whatever the order. */
function signatureOf(parent: Span, children: readonly Span[]): number {
  let low = 0
  let high = 0
  for (const { call } of children) {
    const upper = Math.floor(call / 2 ** 32)
    low = (low + Math.imul(call | 0, 0x9e3779b1)) | 0
    high = (high + Math.imul(upper ^ (call | 0), 0x85ebca6b)) | 0
  }
  return hashPair(hashPair(parent.context, children.length), (high >>> 11) * 2 ** 32 + (low >>> 0))
}

/** Of the structures of the parent's context that make most of its calls, the one that differs least. */
function mostAlike(parent: Span, children: readonly Span[], model: Model): Structure | undefined {
  const known = [...model.structures.values()].filter(({ context }) => context === parent.context)
  const differences = known.slice(0, 64).map(({ sites }) => {
    const left = children.map(({ call }) => call)
    for (const { call } of sites) if (left.includes(call)) left.splice(left.indexOf(call), 1)
    const shared = children.length - left.length
    return left.length + (sites.length - shared) / 2
  })
  const least = Math.min(...differences)
  return least < children.length / 2 ? known[differences.indexOf(least)] : undefined
}

type Family = { parent: Span; children: readonly Span[]; wholeMs: boolean }
type Key = (child: Span, family: Family) => number

/** First guesses of which occurrence of its call a child is. */
const KEYS: readonly Key[] = [
  ({ start }) => start,
  ({ end }) => end,
  ({ start, end }) => end - start,
  (child, { parent, children }) => {
    const before = children.slice(0, children.indexOf(child)).filter(({ end }) => end <= child.start)
    return child.start - Math.max(parent.start, ...before.map(({ end }) => end))
  },
]

/** Children of one call, in the order of the key, at the first sites of that call. */
function guess(family: Family, { sites }: Structure, key: Key): (Span | undefined)[] {
  const left = [...family.children].sort((a, b) => key(a, family) - key(b, family))
  return sites.map(({ call }) => {
    const next = left.findIndex((child) => child.call === call)
    return next < 0 ? undefined : left.splice(next, 1)[0]
  })
}

function likeliest(family: Family, structure: Structure): (Span | undefined)[] {
  const climbed = KEYS.map((key) => climb(family, structure, guess(family, structure, key)))
  const fits = climbed.map((at) => likelihood(family, structure, at))
  // Climbs that end at the same place have the same likelihood but for rounding.
  const most = Math.max(...fits)
  return climbed[fits.findIndex((fit) => fit >= most - 1e-9)]!
}

/** Swaps children of one call between two sites, alone or together with those of two sites that certainly wait for them. */
function climb(family: Family, structure: Structure, at: (Span | undefined)[]): (Span | undefined)[] {
  const { sites } = structure
  const numbers = [...sites.keys()]
  const after = (site: number) => numbers.filter((s) => sites[s]!.certain.includes(site))
  const pays = (...swaps: [number, number][]) => {
    const before = likelihood(family, structure, at)
    for (const [a, b] of swaps) [at[a], at[b]] = [at[b], at[a]]
    if (likelihood(family, structure, at) - before > 1e-9) return true
    for (const [a, b] of swaps.reverse()) [at[a], at[b]] = [at[b], at[a]]
    return false
  }
  const canSwap = (a: number, b: number) => sites[a]!.call === sites[b]!.call && at[a] !== at[b]
  const improve = (a: number, b: number) => {
    if (pays([a, b])) return true
    for (const c of after(a)) {
      for (const d of after(b)) {
        if (c === d || c === b || d === a || !canSwap(c, d)) continue
        if (pays([a, b], [c, d])) return true
      }
    }
    return false
  }
  for (let pass = 0; pass < sites.length; pass++) {
    let improved = false
    for (const a of numbers) {
      for (const b of numbers) if (a < b && canSwap(a, b) && improve(a, b)) improved = true
    }
    if (!improved) break
  }
  return at
}

/** Log-likelihood of a family whose children are at these sites. */
function likelihood(
  { parent, children: _, wholeMs }: Family,
  { sites, end }: Structure,
  at: readonly (Span | undefined)[],
): number {
  const startTerm = (event: Event, site: number, startNs: number, endNs: number): number => {
    let term = 0
    let readyNs = parent.start
    for (const k of event.waitsFor) {
      const child = at[k]
      if (child === undefined) continue
      const overNs = child.end - startNs
      const shorterNs = Math.min(endNs - startNs, child.end - child.start)
      const toleratedNs = wholeMs ? 1e6 : Math.max(shorterNs / 100, Math.min(1e5, 0.2 * shorterNs))
      const eitherOrder = site < sites.length && sites[k]!.waitsFor.includes(site)
      if (overNs <= 0 || overNs <= toleratedNs) readyNs = Math.max(readyNs, Math.min(startNs, child.end))
      else if (!eitherOrder || child.start < endNs) term -= 60
    }
    return term + density(startNs - readyNs, event.gap)
  }
  let sum = startTerm(end, sites.length, parent.end, 2 * parent.end - parent.start)
  sites.forEach((site, s) => {
    const child = at[s]
    if (child === undefined) sum += Math.log(Math.max(0.01, 1 - site.presence))
    else {
      sum += Math.log(Math.max(0.01, site.presence)) + density(child.end - child.start, site.length)
      sum += startTerm(site, s, child.start, child.end)
    }
  })
  return sum
}

/** Logarithm of a lognormal density, up to a constant; times below 1 us are the clock's. */
function density(ns: number, { mean, sigma }: LogNormal): number {
  const log = Math.log(Math.max(ns, 1000))
  return -log - Math.log(sigma) - 0.5 * Math.min(50, ((log - mean) / sigma) ** 2)
}

function isAmbiguous({ sites, end }: Structure): boolean {
  return [...sites, end].some(
    ({ waitsFor, certain, possible, beside, later }) =>
      beside !== undefined ||
      later !== undefined ||
      certain.length < waitsFor.length ||
      possible.length > waitsFor.length,
  )
}

/**
 * What the start of a child (or the end of the parent itself) waited for: ends, and own work since a start, or `after`
 * that span's end.
 */
type Waited = { ends: Span[]; since: Span | undefined; after: boolean; workNs: number }

function waitedFor(parent: Span, placed: Placed, span: Span, reading: Reading): Waited {
  const { structure, at, others } = placed
  const momentNs = span === parent ? parent.cutEnd : span.cutStart
  const isBefore = (other: Span) => span === parent || (other !== span && comesBefore(other, span))
  const hadEnded = (other: Span) => other.cutEnd <= momentNs && isBefore(other)
  if (others.includes(span)) {
    return { ends: liveChildren(parent).filter(hadEnded), since: undefined, after: false, workNs: 0 }
  }
  const event = span === parent ? structure.end : structure.sites[at.indexOf(span)]!
  const its = isAmbiguous(structure) ? reading : 'likely'
  const sites = { likely: event.waitsFor, most: event.possible, least: event.certain }[its]
  const ends = [...sites.map((site) => at[site]), ...others].filter(
    (other): other is Span => other !== undefined && hadEnded(other),
  )
  const { beside, later } = event
  if (later !== undefined) {
    const more = later.waitsFor.map((site) => at[site])
    const had = more.filter((other): other is Span => other !== undefined && hadEnded(other))
    const gapAfter = (all: readonly Span[]) =>
      momentNs - Math.max(parent.cutStart, ...all.map(({ cutEnd }) => cutEnd))
    const chance = chanceOfLater(later, gapAfter(ends), gapAfter([...ends, ...had]), placed.wholeMs)
    if (chance >= { likely: 0.5, most: 0.01, least: 0.99 }[its]) ends.push(...had)
  }
  const nothing = { ends, since: undefined, after: false, workNs: 0 }
  if (beside === undefined || its === 'most') return nothing
  const since = beside.since < 0 ? parent : at[beside.since]
  if (since === undefined || (since !== parent && !isBefore(since))) return nothing
  const after = beside.after === true
  const beganNs = after ? since.cutEnd : since.cutStart
  if (beganNs >= momentNs) return nothing
  const allNs = momentNs - beganNs
  const callsNs = Math.max(0, Math.max(parent.cutStart, ...ends.map(({ cutEnd }) => cutEnd)) - beganNs)
  const workNs = its === 'least' ? allNs : Math.min(allNs, drawWork(callsNs, allNs, beside, since.uniform))
  return workNs > 0 ? { ends, since, after, workNs } : nothing
}

/** By Bayes: shares of the two places, and how likely the gap is at each. */
function chanceOfLater(
  { share, gap }: LaterPlace,
  firstNs: number,
  laterNs: number,
  wholeMs: boolean,
): number {
  const at = (ns: number) => {
    const log = Math.log(Math.max(ns, wholeMs ? 500_000 : 1000))
    return -log - 0.5 * ((log - gap.mean) / gap.sigma) ** 2
  }
  return 1 / (1 + ((1 - share) / share) * Math.exp(at(firstNs) - at(laterNs)))
}

function pathOf(root: Span, learned: ReadonlyMap<Span, Placed>): TwinEntry['path'] {
  const pieces: TwinEntry['path'] = []
  const add = (span: Span, startNs: number, endNs: number) => {
    if (startNs >= endNs) return
    const last = pieces.at(-1)
    if (last?.span === span.index) last.startNs = startNs
    else pieces.push({ span: span.index, startNs, endNs })
  }
  const walk = (span: Span): void => {
    let momentNs = span.cutEnd
    for (let event: Span | undefined = span; event !== undefined; ) {
      event = childBefore(span, learned.get(span), event, momentNs)
      add(span, event === undefined ? span.cutStart : event.cutEnd, momentNs)
      if (event === undefined) break
      walk(event)
      momentNs = event.cutStart
    }
  }
  walk(root)
  return pieces.reverse()
}

/** The child before an event on the path; undefined: the parent's start. */
function childBefore(
  parent: Span,
  placed: Placed | undefined,
  event: Span,
  momentNs: number,
): Span | undefined {
  if (placed === undefined) {
    // What is on the path already comes later, or is empty at this very moment.
    const ended = liveChildren(parent).filter(
      (child) => child.cutEnd <= momentNs && (event === parent || comesBefore(child, event)),
    )
    return lastToEnd(ended)
  }
  const { ends, since, after, workNs } = waitedFor(parent, placed, event, 'likely')
  const last = lastToEnd(ends)
  const beganNs = after ? since?.cutEnd : since?.cutStart
  if (since === undefined || beganNs! + workNs <= (last?.cutEnd ?? parent.cutStart)) return last
  if (after) return since
  return since === parent ? undefined : childBefore(parent, placed, since, momentNs)
}

function lastToEnd(spans: readonly Span[]): Span | undefined {
  return [...spans].sort((a, b) => b.cutEnd - a.cutEnd || (comesBefore(a, b) ? -1 : 1))[0]
}

/** How long a span takes with each component's own work so many times as long, ns. */
function replay(
  span: Span,
  learned: ReadonlyMap<Span, Placed>,
  reading: Reading,
  factorOf: (component: string) => number,
): number {
  const factor = factorOf(span.component)
  const placed = learned.get(span)
  const children = liveChildren(span)
  const begin = new Map<Span, number>([[span, 0]])
  const finish = new Map<Span, number>()
  /** When all that an event waited for is done, and its own gap over. */
  const momentOf = (event: Span): number => {
    const momentNs = event === span ? span.cutEnd : event.cutStart
    const { ends, since, after, workNs } =
      placed === undefined
        ? {
            ends: children.filter(
              (c) => event === span || (c.cutEnd <= momentNs && c !== event && comesBefore(c, event)),
            ),
            since: undefined,
            after: false,
            workNs: 0,
          }
        : waitedFor(span, placed, event, reading)
    let doneNs = Math.max(span.cutStart, ...ends.map(({ cutEnd }) => cutEnd))
    let ready = Math.max(0, ...ends.map((other) => finish.get(other)!))
    if (since !== undefined) {
      doneNs = Math.max(doneNs, (after ? since.cutEnd : since.cutStart) + workNs)
      ready = Math.max(ready, (after ? finish : begin).get(since)! + factor * workNs)
    }
    return ready + factor * (momentNs - doneNs)
  }
  for (const child of children) {
    begin.set(child, momentOf(child))
    finish.set(child, begin.get(child)! + replay(child, learned, reading, factorOf))
  }
  return momentOf(span)
}
