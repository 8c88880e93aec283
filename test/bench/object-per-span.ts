import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { componentOf, transitName } from '../../src/trace/component.ts'
import type { ShapeFields } from '../../src/trace/shape.ts'
import { SPAN_KINDS } from '../../src/trace/span.ts'

/**
 * The same rules the way one would first write them well: an object a span, Maps by id, sorted child arrays; linear
 * but for the sorting. The yardstick of the bench, not the oracle of the tests: it leaves out reports of repairs and
 * service-scope samples, so its work is less than what it is compared with.
 */
export type PlainSpan = {
  id: string
  parentId: string
  startNs: number
  endNs: number
  failed: boolean
  shape: ShapeFields
}

type Node = PlainSpan & {
  cutStart: number
  cutEnd: number
  parent: Node | undefined
  children: Node[]
  live: Node[]
  entry: boolean
  component: string
  driver: boolean
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
  span: PlainSpan
  durationNs: number
  segments: { span: PlainSpan; component: string; startNs: number; endNs: number }[]
  components: Map<string, { criticalNs: number; ifInstantNs: number }>
}

export function analyzeObjects(traces: Map<string, PlainSpan[]>): PlainEntry[] {
  const entries: PlainEntry[] = []
  for (const spans of traces.values()) analyzeTrace(spans, entries)
  return entries
}

function analyzeTrace(spans: PlainSpan[], out: PlainEntry[]): void {
  const nodes: Node[] = spans.map((span) => ({
    ...span,
    endNs: Math.max(span.startNs, span.endNs),
    cutStart: 0,
    cutEnd: 0,
    parent: undefined,
    children: [],
    live: [],
    entry: false,
    component: '',
    driver: false,
  }))
  nodes.sort((a, b) => a.startNs - b.startNs || b.endNs - a.endNs || (a.id < b.id ? -1 : 1))
  const byId = new Map<string, Node>()
  for (const node of nodes) if (!byId.has(node.id)) byId.set(node.id, node)
  const entries: Node[] = []
  for (const node of byId.values()) {
    node.parent = node.parentId === '' ? undefined : byId.get(node.parentId)
    const parent = node.parent
    const kind = node.shape.kind
    node.entry =
      parent === undefined ||
      (kind === 'CONSUMER' &&
        !(parent.shape.kind === 'CONSUMER' && parent.shape.service === node.shape.service)) ||
      (parent.shape.kind === 'PRODUCER' && parent.shape.service !== node.shape.service)
    parent?.children.push(node)
    if (node.entry) entries.push(node)
  }
  for (const entry of entries) {
    const order = settleObjects(entry)
    for (const node of order) charge(node)
    out.push(measure(entry, order))
  }
}

function isRemote(parent: Node, child: Node): boolean {
  return (
    parent.shape.service !== child.shape.service ||
    (parent.shape.kind === 'CLIENT' && child.shape.kind === 'SERVER')
  )
}

function spanOrder(a: Node, b: Node): number {
  return (
    a.cutStart - b.cutStart ||
    b.cutEnd - a.cutEnd ||
    (a.id < b.id
      ? -1
      : a.id > b.id
        ? 1
        : SPAN_KINDS.indexOf(a.shape.kind as never) - SPAN_KINDS.indexOf(b.shape.kind as never))
  )
}

function settleObjects(entry: Node): Node[] {
  const order = [entry]
  entry.cutStart = entry.startNs
  entry.cutEnd = entry.endNs
  for (let at = 0; at < order.length; at++) {
    const parent = order[at]!
    const mine = parent.children.filter((child) => !child.entry)
    unskew(parent, mine)
    for (const child of mine) {
      if (isDetached(parent, child)) {
        child.cutStart = child.startNs
        child.cutEnd = child.endNs
      } else {
        child.cutStart = Math.max(child.startNs, parent.cutStart)
        child.cutEnd = Math.min(child.endNs, parent.cutEnd)
        parent.live.push(child)
      }
      order.push(child)
    }
    parent.live.sort(spanOrder)
    const cuts: [Node, number][] = []
    for (let i = 0; i + 1 < parent.live.length; i++) {
      const child = parent.live[i]!
      const next = parent.live[i + 1]!
      const overlap = child.cutEnd - next.cutStart
      const shorter = Math.min(child.cutEnd - child.cutStart, next.cutEnd - next.cutStart)
      if (overlap > 0 && next.cutStart > child.cutStart && overlap * 100 <= shorter)
        cuts.push([child, next.cutStart])
    }
    for (const [child, end] of cuts) child.cutEnd = end
  }
  return order
}

function unskew(parent: Node, children: Node[]): void {
  const groups = new Map<string, Node[]>()
  for (const child of children) {
    if (!isRemote(parent, child)) continue
    const key = `${child.shape.service}\n${child.shape.instance}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [child])
    else group.push(child)
  }
  for (const group of groups.values()) {
    const servers = group.filter((child) => child.shape.kind === 'SERVER')
    const stretch = servers.length > 0 ? servers : group
    const start = Math.min(...stretch.slice(0, 1000).map((child) => child.startNs))
    const end = Math.max(...stretch.slice(0, 1000).map((child) => child.endNs))
    const fits = parent.shape.kind === 'CLIENT' && end - start <= parent.endNs - parent.startNs
    if (start >= parent.startNs && !(fits && !parent.failed && end > parent.endNs)) continue
    const target = fits
      ? parent.startNs + Math.floor((parent.endNs - parent.startNs - (end - start)) / 2)
      : parent.startNs
    for (const child of group) move(child, target - start)
  }
}

function move(root: Node, shiftNs: number): void {
  const stack = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    node.startNs += shiftNs
    node.endNs += shiftNs
    stack.push(...node.children)
  }
}

function isDetached(parent: Node, child: Node): boolean {
  if (child.startNs > parent.endNs || child.endNs < parent.cutStart || child.startNs > parent.cutEnd)
    return true
  const over = child.endNs - parent.endNs
  return (
    over > 0 &&
    child.startNs >= parent.startNs &&
    !parent.failed &&
    !isRemote(parent, child) &&
    over * 20 > child.endNs - child.startNs &&
    over * 100 > parent.endNs - parent.startNs
  )
}

function charge(node: Node): void {
  const { component, driver } = componentOf(node.shape)
  node.component = `${component.kind} ${component.name}`
  node.driver = driver
  const callee =
    component.kind === 'external'
      ? node.children.find(
          (child) =>
            child.shape.kind === 'SERVER' ||
            (child.shape.service !== node.shape.service && child.shape.kind !== 'CONSUMER'),
        )
      : undefined
  if (callee !== undefined)
    node.component = `network ${transitName(node.shape.service, callee.shape.service)}`
  else if (
    node.shape.transport !== '' &&
    node.parent?.driver &&
    node.parent.shape.service === node.shape.service
  ) {
    node.component = node.parent.component
    node.driver = true
  }
}

function measure(entry: Node, order: Node[]): PlainEntry {
  const segments: PlainEntry['segments'] = []
  const stack: { node: Node; byEnd: Node[] }[] = [{ node: entry, byEnd: byEndOf(entry) }]
  let moment = entry.cutEnd
  while (stack.length > 0) {
    const { node, byEnd } = stack.at(-1)!
    while (byEnd.length > 0 && byEnd.at(-1)!.cutEnd > moment) byEnd.pop()
    const child = byEnd.pop()
    const from = child === undefined ? node.cutStart : child.cutEnd
    if (from < moment) segments.push({ span: node, component: node.component, startNs: from, endNs: moment })
    moment = from
    if (child === undefined) stack.pop()
    else stack.push({ node: child, byEnd: byEndOf(child) })
  }
  segments.reverse()
  const durationNs = entry.cutEnd - entry.cutStart
  const components: PlainEntry['components'] = new Map()
  for (const { component, startNs, endNs } of segments) {
    const known = components.get(component)
    if (known === undefined)
      components.set(component, { criticalNs: endNs - startNs, ifInstantNs: durationNs })
    else known.criticalNs += endNs - startNs
  }
  for (const [component, figures] of components) figures.ifInstantNs = replay(entry, order, component)
  return { span: entry, durationNs, segments, components }
}

function byEndOf(node: Node): Node[] {
  return [...node.live].sort((a, b) => a.cutEnd - b.cutEnd || -spanOrder(a, b))
}

function replay(entry: Node, order: Node[], component: string): number {
  const lengths = new Map<Node, number>()
  for (let at = order.length - 1; at >= 0; at--) {
    const node = order[at]!
    const factor = node.component === component ? 0 : 1
    const byEnd = node.live.length > 1 ? [...node.live].sort((a, b) => a.cutEnd - b.cutEnd) : node.live
    const finish = new Map<Node, number>()
    let done = 0
    let ready = 0
    let lastEnd = node.cutStart
    let last = 0
    for (const child of node.live) {
      while (done < byEnd.length && byEnd[done]!.cutEnd <= child.cutStart && finish.has(byEnd[done]!)) {
        ready = Math.max(ready, finish.get(byEnd[done]!)!)
        lastEnd = byEnd[done]!.cutEnd
        done++
      }
      const end = ready + factor * (child.cutStart - lastEnd) + lengths.get(child)!
      finish.set(child, end)
      last = Math.max(last, end)
    }
    const tail = node.cutEnd - (byEnd.at(-1)?.cutEnd ?? node.cutStart)
    lengths.set(node, last + factor * tail)
  }
  return lengths.get(entry)!
}
