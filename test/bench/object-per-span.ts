import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { componentOf, transitName } from '../../src/trace/component.ts'
import type { ShapeFields } from '../../src/trace/shape.ts'
import { SPAN_KINDS } from '../../src/trace/span.ts'

/**
 * The same rules for entries the way one would write them well without columns: an object a span, Maps by id, child
 * arrays, everything sorted once; linear but for sorting. The yardstick of the bench, not the oracle of the tests. It
 * does less: no reports of repairs, no shared or duplicate ids, no broken times, no millisecond clocks.
 *
 * `directly` re-schedules an entry once for each component on its path, as the rules say it. `once` has the shortcuts
 * of src/analysis/replay.ts too: a Map of components a span, worked out from its children in one pass, and only children
 * that overlap scheduled. What is left between that and ours is the columns' doing.
 */
export type PlainSpan = {
  id: string
  parentId: string
  startNs: number
  endNs: number
  failed: boolean
  shape: ShapeFields
}

/** Spans as objects, by trace id: what a client library hands its user. Not part of what is timed. */
export function toObjects(columns: SpanColumns): Map<string, PlainSpan[]> {
  const traces = new Map<string, PlainSpan[]>()
  const origin = epochNs(columns.start, 0)
  for (let row = 0; row < columns.count; row++) {
    const traceId = traceIdHex(columns, row)
    const span = {
      id: idHex(columns.spanId, row),
      parentId: idHex(columns.parentId, row).replace(/^0{16}$/, ''),
      startNs: Number(epochNs(columns.start, row) - origin),
      endNs: Number(epochNs(columns.end, row) - origin),
      failed: columns.status[row] === 2,
      shape: columns.dictionary.fields(columns.shape[row]!),
    }
    const spans = traces.get(traceId)
    if (spans === undefined) traces.set(traceId, [span])
    else spans.push(span)
  }
  return traces
}

export type PlainEntry = {
  traceId: string
  span: PlainSpan
  durationNs: number
  segments: { span: PlainSpan; component: string; startNs: number; endNs: number }[]
  components: Parts
}

/** Critical and saved ns by component. */
type Parts = Map<string, { criticalNs: number; savedNs: number }>

type Node = {
  span: PlainSpan
  start: number
  end: number
  cutStart: number
  cutEnd: number
  parent: Node | undefined
  children: Node[]
  live: Node[]
  byEnd: Node[]
  entry: boolean
  component: string
  driver: boolean
  parts: Parts
  /** Of the schedule at hand. */
  length: number
  finish: number
  waits: number[]
  gaps: number[]
}

export type Replay = 'directly' | 'once'

export function analyzeObjects(traces: Map<string, PlainSpan[]>, replay: Replay): PlainEntry[] {
  const entries: PlainEntry[] = []
  for (const [traceId, spans] of traces) analyzeTrace(traceId, spans, replay, entries)
  return entries
}

const NO_NODES: Node[] = []
const NO_PARTS: Parts = new Map()
const NO_NUMBERS: number[] = []

function analyzeTrace(traceId: string, spans: PlainSpan[], replay: Replay, out: PlainEntry[]): void {
  const byId = new Map<string, Node>()
  for (const span of spans) {
    const { startNs: start, endNs: end } = span
    byId.set(span.id, {
      span,
      start,
      end,
      cutStart: start,
      cutEnd: end,
      parent: undefined,
      children: NO_NODES,
      live: NO_NODES,
      byEnd: NO_NODES,
      entry: false,
      component: '',
      driver: false,
      parts: NO_PARTS,
      length: 0,
      finish: 0,
      waits: NO_NUMBERS,
      gaps: NO_NUMBERS,
    })
  }
  const entries: Node[] = []
  for (const node of byId.values()) {
    const { parentId, shape } = node.span
    const parent = parentId === '' ? undefined : byId.get(parentId)
    node.parent = parent
    if (parent === undefined) node.entry = true
    else {
      const { kind, service } = parent.span.shape
      node.entry =
        (shape.kind === 'CONSUMER' && !(kind === 'CONSUMER' && service === shape.service)) ||
        (kind === 'PRODUCER' && service !== shape.service)
      if (parent.children.length === 0) parent.children = [node]
      else parent.children.push(node)
    }
    if (node.entry) entries.push(node)
  }
  for (const entry of entries) {
    const order = settle(entry)
    for (const node of order) charge(node)
    const segments = walk(entry)
    if (replay === 'directly') entry.parts = replayEach(order, segments)
    else for (let at = order.length - 1; at >= 0; at--) measure(order[at]!)
    out.push({
      traceId,
      span: entry.span,
      durationNs: entry.cutEnd - entry.cutStart,
      segments,
      components: entry.parts,
    })
  }
}

function isRemote(parent: Node, child: Node): boolean {
  const [above, below] = [parent.span.shape, child.span.shape]
  return above.service !== below.service || (above.kind === 'CLIENT' && below.kind === 'SERVER')
}

/** Start, longest, id, kind. */
function spanOrder(a: Node, b: Node): number {
  return (
    a.cutStart - b.cutStart ||
    b.cutEnd - a.cutEnd ||
    (a.span.id < b.span.id ? -1 : a.span.id > b.span.id ? 1 : 0) ||
    SPAN_KINDS.indexOf(a.span.shape.kind as never) - SPAN_KINDS.indexOf(b.span.shape.kind as never)
  )
}

/** Repairs 4 to 7 below an entry, parents first. Returns the spans of the entry in that order. */
function settle(entry: Node): Node[] {
  const order = [entry]
  for (let at = 0; at < order.length; at++) {
    const parent = order[at]!
    if (parent.children.length === 0) continue
    unskew(parent)
    const live: Node[] = []
    for (const child of parent.children) {
      if (child.entry) continue
      order.push(child)
      child.cutStart = child.start
      child.cutEnd = child.end
      if (isDetached(parent, child)) continue
      if (child.cutStart < parent.cutStart) child.cutStart = parent.cutStart
      if (child.cutEnd > parent.cutEnd) child.cutEnd = parent.cutEnd
      live.push(child)
    }
    parent.live = live
    parent.byEnd = live
    if (live.length < 2) continue
    live.sort(spanOrder)
    if (live.every((child, i) => i === 0 || child.cutStart >= live[i - 1]!.cutEnd)) continue
    if (trim(live)) live.sort(spanOrder)
    parent.byEnd = [...live].sort((a, b) => a.cutEnd - b.cutEnd || spanOrder(a, b))
  }
  return order
}

/** Repair 4: the remote children of one service instance, together. */
function unskew(parent: Node): void {
  let groups: Map<string, Node[]> | undefined
  for (const child of parent.children) {
    if (child.entry || !isRemote(parent, child)) continue
    groups ??= new Map()
    const key = `${child.span.shape.service}\n${child.span.shape.instance}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [child])
    else group.push(child)
  }
  if (groups === undefined) return
  const { kind } = parent.span.shape
  for (const group of groups.values()) {
    const servers = group.filter((child) => child.span.shape.kind === 'SERVER')
    let start = Number.POSITIVE_INFINITY
    let end = Number.NEGATIVE_INFINITY
    for (const child of servers.length > 0 ? servers : group) {
      start = Math.min(start, child.start)
      end = Math.max(end, child.end)
    }
    const room = parent.end - parent.start - (end - start)
    const fits = kind === 'CLIENT' && room >= 0
    if (start >= parent.start && !(fits && !parent.span.failed && end > parent.end)) continue
    const shift = (fits ? parent.start + Math.floor(room / 2) : parent.start) - start
    for (const child of group) move(child, shift)
  }
}

function move(root: Node, shiftNs: number): void {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    node.start += shiftNs
    node.end += shiftNs
    for (const child of node.children) stack.push(child)
  }
}

/** Repair 5. */
function isDetached(parent: Node, child: Node): boolean {
  const { start, end } = child
  if (start > parent.end || end < parent.cutStart || start > parent.cutEnd) return true
  const over = end - parent.end
  return (
    over > 0 &&
    start >= parent.start &&
    !parent.span.failed &&
    !isRemote(parent, child) &&
    over * 20 > end - start &&
    over * 100 > parent.end - parent.start
  )
}

/** Repair 7. Only siblings that start within the last 1 % of a child are looked at. */
function trim(live: Node[]): boolean {
  const cuts: [Node, number][] = []
  live.forEach((child, i) => {
    const allowance = Math.floor((child.cutEnd - child.cutStart) / 100)
    let low = i + 1
    for (let high = live.length; low < high; ) {
      const middle = (low + high) >>> 1
      if (live[middle]!.cutStart >= child.cutEnd - allowance) high = middle
      else low = middle + 1
    }
    for (let next = live[low]; next !== undefined && next.cutStart < child.cutEnd; next = live[++low]) {
      const overlap = child.cutEnd - next.cutStart
      if (next.cutStart === child.cutStart || overlap > (next.cutEnd - next.cutStart) / 100) continue
      cuts.push([child, next.cutStart])
      break
    }
  })
  for (const [child, end] of cuts) child.cutEnd = end
  return cuts.length > 0
}

type Charge = { component: string; driver: boolean; external: boolean; transport: boolean }
const charges = new Map<ShapeFields, Charge>()
const transits = new Map<string, string>()

function chargeOf(shape: ShapeFields): Charge {
  let known = charges.get(shape)
  if (known === undefined) {
    const { component, driver } = componentOf(shape)
    const external = component.kind === 'external'
    const own = shape.kind === 'INTERNAL' && component.kind === 'service'
    const transport = shape.transport !== '' && (own || external)
    known = { component: `${component.kind} ${component.name}`, driver, external, transport }
    charges.set(shape, known)
  }
  return known
}

function charge(node: Node): void {
  const { shape } = node.span
  const { component, driver, external, transport } = chargeOf(shape)
  node.component = component
  node.driver = driver
  if (external) {
    let callee: Node | undefined
    for (const child of node.children) {
      const { kind, service } = child.span.shape
      if (kind !== 'SERVER' && (service === shape.service || kind === 'CONSUMER')) continue
      if (callee === undefined || spanOrder(child, callee) < 0) callee = child
    }
    if (callee !== undefined) {
      const name = transitName(shape.service, callee.span.shape.service)
      node.component = transits.get(name) ?? `network ${name}`
      transits.set(name, node.component)
      return
    }
  }
  const parent = node.parent
  if (!transport || parent === undefined || node.entry) return
  if (parent.driver && parent.span.shape.service === shape.service) {
    node.component = parent.component
    node.driver = true
  }
}

/** Re-schedules the whole entry for every component on its path. */
function replayEach(order: Node[], segments: PlainEntry['segments']): Parts {
  const parts: Parts = new Map()
  for (const { component, startNs, endNs } of segments) addPart(parts, component, endNs - startNs, 0)
  for (const node of order) {
    if (node.live.length > 0) listWaits(node, node.live, node.byEnd, node.cutStart)
  }
  for (const [name, part] of parts) {
    for (let at = order.length - 1; at >= 0; at--) {
      const node = order[at]!
      const { live, byEnd, waits, gaps } = node
      const works = node.component === name ? 0 : 1
      let waited = 0
      let ready = 0
      let last = 0
      for (let i = 0; i < live.length; i++) {
        for (; waited < waits[i]!; waited++) ready = Math.max(ready, byEnd[waited]!.finish)
        const child = live[i]!
        child.finish = ready + works * gaps[i]! + child.length
        last = Math.max(last, child.finish)
      }
      node.length = last + works * (node.cutEnd - (byEnd.at(-1)?.cutEnd ?? node.cutStart))
    }
    part.savedNs = order[0]!.cutEnd - order[0]!.cutStart - order[0]!.length
  }
  return parts
}

function listWaits(node: Node, live: Node[], byEnd: Node[], startNs: number): void {
  node.waits = []
  node.gaps = []
  let done = 0
  let lastEnd = startNs
  for (const child of live) {
    for (; done < byEnd.length && byEnd[done]!.cutEnd <= child.cutStart; done++) {
      const sibling = byEnd[done]!
      if (sibling === child || (sibling.cutStart === child.cutStart && spanOrder(sibling, child) > 0)) break
      lastEnd = sibling.cutEnd
    }
    node.waits.push(done)
    node.gaps.push(child.cutStart - lastEnd)
  }
}

/** Critical path and replay of one span from those of its children. */
function measure(node: Node): void {
  const { live, byEnd, component } = node
  const parts: Parts = new Map()
  node.parts = parts
  let moment = node.cutStart
  let ownNs = 0
  for (let i = 0; i < live.length; ) {
    let end = live[i]!.cutEnd
    let next = i + 1
    for (; next < live.length && live[next]!.cutStart < end; next++) end = Math.max(end, live[next]!.cutEnd)
    if (next === i + 1) {
      ownNs += live[i]!.cutStart - moment
      for (const [name, part] of live[i]!.parts) addPart(parts, name, part.criticalNs, part.savedNs)
    } else addBlock(node, live.slice(i, next), byEnd.slice(i, next), moment, end)
    moment = end
    i = next
  }
  ownNs += node.cutEnd - moment
  if (ownNs > 0) addPart(parts, component, ownNs, ownNs)
}

function addPart(parts: Parts, name: string, criticalNs: number, savedNs: number): void {
  const known = parts.get(name)
  if (known === undefined) parts.set(name, { criticalNs, savedNs })
  else {
    known.criticalNs += criticalNs
    known.savedNs += savedNs
  }
}

/** Children that overlap: the path through them, then a schedule for every component on it. */
function addBlock(node: Node, live: Node[], byEnd: Node[], startNs: number, endNs: number): void {
  const path: Parts = new Map()
  let moment = endNs
  let ownNs = 0
  for (let at = onPath(byEnd, byEnd.length - 1, moment); at >= 0; at = onPath(byEnd, at - 1, moment)) {
    const child = byEnd[at]!
    ownNs += moment - child.cutEnd
    moment = child.cutStart
    for (const [name, part] of child.parts) addPart(path, name, part.criticalNs, 0)
  }
  ownNs += moment - startNs
  if (ownNs > 0) addPart(path, node.component, ownNs, 0)

  listWaits(node, live, byEnd, startNs)
  const { waits, gaps } = node
  for (const [name, { criticalNs }] of path) {
    const works = name === node.component ? 0 : 1
    let waited = 0
    let ready = 0
    let last = 0
    for (let i = 0; i < live.length; i++) {
      for (; waited < waits[i]!; waited++) ready = Math.max(ready, byEnd[waited]!.finish)
      const child = live[i]!
      const left = child.cutEnd - child.cutStart - (child.parts.get(name)?.savedNs ?? 0)
      child.finish = ready + works * gaps[i]! + left
      last = Math.max(last, child.finish)
    }
    addPart(node.parts, name, criticalNs, endNs - startNs - last)
  }
}

/** Last-finishing child at or before the moment, ties in span order; -1: none. */
function onPath(byEnd: readonly Node[], from: number, moment: number): number {
  let at = from
  while (at >= 0 && byEnd[at]!.cutEnd > moment) at--
  while (at > 0 && byEnd[at - 1]!.cutEnd === byEnd[at]!.cutEnd) at--
  return at
}

function walk(entry: Node): PlainEntry['segments'] {
  const segments: PlainEntry['segments'] = []
  const origin = entry.cutStart
  const stack: { node: Node; at: number }[] = [{ node: entry, at: entry.byEnd.length }]
  let moment = entry.cutEnd
  const add = ({ span, component }: Node, from: number) => {
    if (from < moment) {
      const last = segments.at(-1)
      if (last?.span === span) last.startNs = from - origin
      else segments.push({ span, component, startNs: from - origin, endNs: moment - origin })
    }
    moment = from
  }
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { node } = top
    top.at = onPath(node.byEnd, top.at - 1, moment)
    const child = node.byEnd[top.at]
    add(node, child?.cutEnd ?? node.cutStart)
    if (child === undefined) stack.pop()
    else stack.push({ node: child, at: child.byEnd.length })
  }
  return segments.reverse()
}
