import { componentOf, transitName } from '../../src/trace/component.ts'
import { operationOf } from '../../src/trace/operation.ts'
import { type AttributeMap, type ShapeFields, shapeFieldsFrom } from '../../src/trace/shape.ts'

/**
 * The rules of the critical path and the infinitely-fast test, an object a span and the obvious loops, clause by
 * clause. Quadratic and proud of it: the twin that the fast implementation is compared with. Only the rules that look at
 * one span alone (component table, endpoint names) are shared with it; those have tests of their own.
 */
export type OracleSpan = {
  spanId: string
  parentSpanId: string
  name: string
  kind: string
  startNs: bigint
  endNs: bigint
  status: number
  resource: AttributeMap
  attributes: AttributeMap
}

type Node = {
  raw: OracleSpan
  id: string
  shape: ShapeFields
  start: number
  end: number
  cutStart: number
  cutEnd: number
  parent: Node | undefined
  entry: 'root' | 'orphan' | 'consumer' | undefined
  detached: boolean
  component: string
  driver: boolean
}

export type OracleRepair = { kind: string; spanId: string; shiftNs?: number }
export type OracleSample = {
  spanId: string
  kind: string
  counted: boolean
  service: string
  operation: string
  durationNs: number
  startNs: bigint
  queueWaitNs: number
  path: { spanId: string; component: string; startNs: number; endNs: number }[]
  /** critical time and latency at factor 0, by `kind name`; of the replayed ones. */
  components: Map<string, { criticalNs: number; ifInstantNs: number }>
  /** Latency at each factor of a list of factor functions, as given to `analyzeSlowly`. */
  latenciesNs: number[]
}
export type OracleTrace = { spanCount: number; repairs: OracleRepair[]; samples: OracleSample[] }

const FIFTY_DAYS = 50n * 86_400n * 1_000_000_000n
const MS = 1_000_000
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  )
const textOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** "start, longest, id, kind by name" by the times given. */
function spanOrder(a: Node, b: Node, from: 'start' | 'cutStart', to: 'end' | 'cutEnd'): number {
  return (
    a[from] - b[from] ||
    b[to] - b[from] - (a[to] - a[from]) ||
    textOrder(a.id, b.id) ||
    textOrder(a.shape.kind, b.shape.kind)
  )
}
const byRepaired = (a: Node, b: Node) => spanOrder(a, b, 'cutStart', 'cutEnd')

export function analyzeSlowly(
  spans: readonly OracleSpan[],
  factors: readonly ((component: string) => number)[] = [],
): OracleTrace {
  const repairs: OracleRepair[] = []
  const report = (kind: string, node: { id: string }, shiftNs?: number) =>
    repairs.push({ kind, spanId: node.id, ...(shiftNs === undefined ? {} : { shiftNs }) })

  // 1. negative-duration, no-time
  let timed: { raw: OracleSpan; id: string; start: bigint; end: bigint }[] = []
  for (const raw of spans) {
    const id = raw.spanId
    let start = raw.startNs
    let end = raw.endNs
    if (start === 0n) {
      report('no-time', { id })
      if (end === 0n) continue
      start = end
    }
    if (end < start) {
      report('negative-duration', { id })
      end = start
    }
    if (end - start > FIFTY_DAYS) {
      report('no-time', { id })
      continue
    }
    timed.push({ raw, id, start, end })
  }
  const starts = timed.map((s) => s.start).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const median = starts[Math.floor((starts.length - 1) / 2)] ?? 0n
  timed = timed.filter((s) => {
    const far = s.start - median > FIFTY_DAYS || median - s.start > FIFTY_DAYS
    if (far) report('no-time', s)
    return !far
  })
  const origin = timed.reduce((min, s) => (s.start < min ? s.start : min), timed[0]?.start ?? 0n)
  let nodes: Node[] = timed.map(({ raw, id, start, end }) => ({
    raw,
    id,
    shape: shapeFieldsFrom(raw.kind, raw.name, raw.resource, raw.attributes),
    start: Number(start - origin),
    end: Number(end - origin),
    cutStart: 0,
    cutEnd: 0,
    parent: undefined,
    entry: undefined,
    detached: false,
    component: '',
    driver: false,
  }))

  // 2. shared-id, duplicate
  const halves = new Map<string, [client: Node, server: Node]>()
  const kept: Node[] = []
  for (const id of new Set(nodes.map((n) => n.id))) {
    const same = nodes
      .filter((n) => n.id === id)
      .sort(
        (a, b) =>
          a.start - b.start ||
          b.end - b.start - (a.end - a.start) ||
          textOrder(a.shape.service, b.shape.service) ||
          textOrder(a.shape.kind, b.shape.kind) ||
          textOrder(a.shape.name, b.shape.name) ||
          textOrder(a.raw.parentSpanId, b.raw.parentSpanId) ||
          a.raw.status - b.raw.status ||
          textOrder(sortedJson(a.raw.attributes), sortedJson(b.raw.attributes)) ||
          textOrder(sortedJson(a.raw.resource), sortedJson(b.raw.resource)),
      )
    const client = same.find((n) => n.shape.kind === 'CLIENT')
    const server = same.find((n) => n.shape.kind === 'SERVER')
    const stay = client && server ? [client, server] : [same[0]!]
    if (client && server) {
      halves.set(id, [client, server])
      report('shared-id', server)
    }
    for (const node of same) if (!stay.includes(node)) report('duplicate', node)
    kept.push(...stay)
  }
  nodes = kept.sort((a, b) => spanOrder(a, b, 'start', 'end'))

  // 3. orphan, cycle
  const wholeMs = (n: Node) =>
    (Number(origin % BigInt(MS)) + n.start) % MS === 0 && (Number(origin % BigInt(MS)) + n.end) % MS === 0
  for (const node of nodes) {
    const pair = halves.get(node.raw.parentSpanId)
    if (halves.get(node.id)?.[1] === node) node.parent = halves.get(node.id)![0]
    else if (node.raw.parentSpanId === '') node.entry = 'root'
    else if (pair) {
      const [client, server] = pair
      const callers =
        client.shape.service !== server.shape.service &&
        node.shape.service === client.shape.service &&
        node.shape.kind !== 'SERVER'
      node.parent = callers ? client : server
    } else {
      node.parent = nodes.find((n) => n.id === node.raw.parentSpanId)
      if (node.parent === undefined) {
        node.entry = 'orphan'
        report('orphan', node)
      }
    }
  }
  for (const node of nodes) {
    // In span order: the first span of a cycle is the first of its spans to come by here.
    const seen = new Set<Node>()
    let up: Node | undefined = node.parent
    while (up !== undefined && up !== node && !seen.has(up)) {
      seen.add(up)
      up = up.parent
    }
    if (up === node) {
      node.parent = undefined
      node.entry = 'orphan'
      report('cycle', node)
    }
  }

  // Entries
  for (const node of nodes) {
    const p = node.parent
    if (p === undefined) continue
    if (node.shape.kind === 'CONSUMER') {
      const goesOn =
        p.shape.kind === 'CONSUMER' &&
        p.shape.service === node.shape.service &&
        p.shape.messagingOperation !== 'receive'
      if (!goesOn) node.entry = 'consumer'
    } else if (p.shape.kind === 'PRODUCER' && p.shape.service !== node.shape.service) node.entry = 'consumer'
  }
  const below = (node: Node): Node[] => nodes.filter((n) => n.parent === node)
  const mine = (node: Node): Node[] => below(node).filter((n) => n.entry === undefined)
  const subtree = (node: Node): Node[] => {
    const all = [node]
    for (let i = 0; i < all.length; i++) all.push(...below(all[i]!))
    return all
  }
  const clock = new Map(nodes.map((n) => [n, wholeMs(n)]))
  const traceMs = nodes.every((n) => clock.get(n))
  const isRemote = (p: Node, c: Node) =>
    p.shape.service !== c.shape.service || (c.shape.kind === 'SERVER' && p.shape.kind === 'CLIENT')

  /** 4 for the children of one span. */
  const unskew = (p: Node) => {
    const remote = mine(p).filter((c) => isRemote(p, c))
    for (const instance of new Set(remote.map((c) => `${c.shape.service}\n${c.shape.instance}`))) {
      const group = remote.filter((c) => `${c.shape.service}\n${c.shape.instance}` === instance)
      const servers = group.filter((c) => c.shape.kind === 'SERVER')
      const stretch = servers.length > 0 ? servers : group
      const from = Math.min(...stretch.map((c) => c.start))
      const to = Math.max(...stretch.map((c) => c.end))
      const isCall = p.shape.kind === 'CLIENT'
      const fits = to - from <= p.end - p.start
      if (!(from < p.start || (isCall && p.raw.status !== 2 && to > p.end && fits))) continue
      const target = isCall && fits ? p.start + Math.floor((p.end - p.start - (to - from)) / 2) : p.start
      for (const c of group) {
        report('skew-shifted', c, target - from)
        for (const n of subtree(c)) {
          n.start += target - from
          n.end += target - from
        }
      }
    }
  }

  /** 4 to 7 from a root down; without `first` only 5 to 7, and nothing is reported. */
  const settle = (root: Node, ms: boolean, first: boolean): Node[] => {
    root.cutStart = root.start
    root.cutEnd = root.end
    root.detached = false
    const order = [root]
    for (let i = 0; i < order.length; i++) {
      const p = order[i]!
      if (first) unskew(p)
      for (const c of mine(p)) {
        const over = c.end - p.end
        c.detached =
          c.start > p.end ||
          (!isRemote(p, c) &&
            p.raw.status !== 2 &&
            c.start >= p.start &&
            over > 0 &&
            BigInt(over) * 20n > BigInt(c.end - c.start) &&
            BigInt(over) * 100n > BigInt(p.end - p.start)) ||
          c.end < p.cutStart ||
          c.start > p.cutEnd
        c.cutStart = c.detached ? c.start : Math.max(c.start, p.cutStart)
        c.cutEnd = c.detached ? c.end : Math.min(c.end, p.cutEnd)
        if (first && c.detached) report('detached', c)
        else if (first && (c.cutStart !== c.start || c.cutEnd !== c.end)) report('clamped', c)
      }
      const live = mine(p).filter((c) => !c.detached)
      const cuts = new Map<Node, number>()
      for (const x of live) {
        for (const y of live) {
          const overlap = x.cutEnd - y.cutStart
          if (y.cutStart <= x.cutStart || overlap <= 0) continue
          const shorter = Math.min(x.cutEnd - x.cutStart, y.cutEnd - y.cutStart)
          if (BigInt(overlap) * 100n > BigInt(shorter) && !(ms && overlap <= MS)) continue
          cuts.set(x, Math.min(cuts.get(x) ?? Number.POSITIVE_INFINITY, y.cutStart))
        }
      }
      for (const [x, end] of cuts) {
        x.cutEnd = end
        if (first) report('trimmed', x)
      }
      order.push(...mine(p))
    }
    return order
  }

  const charge = (order: Node[]) => {
    for (const node of order) {
      const { component, driver } = componentOf(node.shape)
      node.component = `${component.kind} ${component.name}`
      node.driver = driver
      if (component.kind !== 'external' && component.kind !== 'service') continue
      const callee =
        node.shape.kind !== 'CLIENT'
          ? undefined
          : mine(node)
              .sort(byRepaired)
              .find(
                (c) =>
                  c.shape.kind === 'SERVER' ||
                  (c.shape.service !== node.shape.service && c.shape.kind !== 'CONSUMER'),
              )
      const p = node === order[0] ? undefined : node.parent
      if (callee) node.component = `network ${transitName(node.shape.service, callee.shape.service)}`
      else if (
        node.shape.transport !== '' &&
        (node.shape.kind === 'INTERNAL' || node.shape.kind === 'CLIENT') &&
        p?.driver &&
        p.shape.service === node.shape.service
      ) {
        node.component = p.component
        node.driver = true
      }
    }
  }

  const live = (p: Node) => mine(p).filter((c) => !c.detached)

  const pathOf = (root: Node): OracleSample['path'] => {
    const path: OracleSample['path'] = []
    const walk = (span: Node) => {
      let moment = span.cutEnd
      const left = new Set(live(span))
      const own = (from: number) => {
        if (from < moment)
          path.push({ spanId: span.id, component: span.component, startNs: from, endNs: moment })
      }
      for (;;) {
        const ended = [...left].filter((c) => c.cutEnd <= moment)
        if (ended.length === 0) break
        const last = Math.max(...ended.map((c) => c.cutEnd))
        const next = ended.filter((c) => c.cutEnd === last).sort(byRepaired)[0]!
        own(next.cutEnd)
        walk(next)
        moment = next.cutStart
        left.delete(next)
      }
      own(span.cutStart)
    }
    walk(root)
    path.reverse()
    const joined: OracleSample['path'] = []
    for (const piece of path) {
      const last = joined.at(-1)
      if (
        last &&
        last.spanId === piece.spanId &&
        last.component === piece.component &&
        last.endNs === piece.startNs
      ) {
        last.endNs = piece.endNs
      } else joined.push({ ...piece })
    }
    for (const piece of joined) {
      piece.startNs -= root.cutStart
      piece.endNs -= root.cutStart
    }
    return joined
  }

  const replay = (span: Node, factorOf: (component: string) => number): number => {
    const factor = factorOf(span.component)
    const children = live(span).sort(byRepaired)
    const finish = new Map<Node, number>()
    children.forEach((c, i) => {
      const waitedFor = children.slice(0, i).filter((d) => d.cutEnd <= c.cutStart)
      const lastEnd = waitedFor.length === 0 ? span.cutStart : Math.max(...waitedFor.map((d) => d.cutEnd))
      const ready = waitedFor.length === 0 ? 0 : Math.max(...waitedFor.map((d) => finish.get(d)!))
      finish.set(c, ready + factor * (c.cutStart - lastEnd) + replay(c, factorOf))
    })
    const lastEnd = children.length === 0 ? span.cutStart : Math.max(...children.map((c) => c.cutEnd))
    const ready = children.length === 0 ? 0 : Math.max(...finish.values())
    return ready + factor * (span.cutEnd - lastEnd)
  }

  const samples: OracleSample[] = []
  const queueWait = (node: Node): number => {
    let up = node.parent
    while (up?.shape.kind === 'CONSUMER') up = up.parent
    return up?.shape.kind === 'PRODUCER' ? Math.max(0, node.start - up.end) : 0
  }
  const sample = (root: Node, kind: string): OracleSample => {
    const path = pathOf(root)
    const durationNs = root.cutEnd - root.cutStart
    const critical = new Map<string, number>()
    for (const p of path) critical.set(p.component, (critical.get(p.component) ?? 0) + p.endNs - p.startNs)
    const components = new Map(
      [...critical].map(([component, criticalNs]) => [
        component,
        { criticalNs, ifInstantNs: replay(root, (c) => (c === component ? 0 : 1)) },
      ]),
    )
    if (replay(root, () => 1) !== durationNs) throw new Error('factor 1 changed something')
    if (replay(root, () => 0) !== 0) throw new Error('all at 0 left something')
    const orphaned = kind === 'orphan' && root.shape.kind !== 'SERVER' && root.shape.kind !== 'CONSUMER'
    return {
      spanId: root.id,
      kind,
      counted: !orphaned && root.shape.messagingOperation !== 'receive',
      service: root.shape.service,
      operation: operationOf(root.shape),
      durationNs,
      startNs: origin + BigInt(root.cutStart),
      queueWaitNs: kind === 'consumer' ? queueWait(root) : 0,
      path,
      components,
      latenciesNs: factors.map((factorOf) => Math.round(replay(root, factorOf))),
    }
  }

  /** Service-scope samples below a root that was just settled as an entry (or a trace) of its own. */
  const serviceSamples = (root: Node, order: Node[], ms: boolean) => {
    const again: [Node, boolean, boolean][] = []
    const isCut = (n: Node) => n.cutStart !== n.start || n.cutEnd !== n.end
    const wholeSubtree = (n: Node) => !ms && subtree(n).every((d) => clock.get(d))
    for (const node of order.slice(1)) {
      if (node.shape.kind !== 'SERVER') continue
      const servers: Node[] = []
      for (let up = node.parent!; up !== root; up = up.parent!)
        if (up.shape.kind === 'SERVER') servers.push(up)
      if (servers.some(wholeSubtree)) continue
      if (wholeSubtree(node)) again.push([node, true, true])
      else if (isCut(node) && servers.filter(isCut).length <= 16) again.push([node, ms, false])
      else samples.push(sample(node, 'service'))
    }
    for (const [node, itsMs, whole] of again) {
      const itsOrder = settle(node, itsMs, false)
      charge(itsOrder)
      samples.push(sample(node, 'service'))
      if (whole) serviceSamples(node, itsOrder, itsMs)
    }
  }

  const entries = nodes.filter((n) => n.parent === undefined)
  const settled = new Map<Node, Node[]>()
  for (let i = 0; i < entries.length; i++) {
    const order = settle(entries[i]!, traceMs, true)
    settled.set(entries[i]!, order)
    for (const node of order) entries.push(...below(node).filter((n) => n.entry !== undefined))
    charge(order)
  }
  const inOrder = [...entries].sort(byRepaired)
  const primary = inOrder.find((n) => n.entry === 'root') ?? inOrder.find((n) => n.entry === 'orphan')
  for (const entry of primary ? [primary, ...inOrder.filter((n) => n !== primary)] : []) {
    samples.push(sample(entry, entry.entry!))
  }
  for (const entry of entries) serviceSamples(entry, settled.get(entry)!, traceMs)
  return { spanCount: nodes.length, repairs, samples }
}
