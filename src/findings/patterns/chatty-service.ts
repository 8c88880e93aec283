import { SERVER } from '../../trace/span.ts'
import type { TraceTree } from '../../trace/tree.ts'
import { calleeOf } from '../calls.ts'
import { definePattern, type Report } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const chattyService = definePattern({
  id: 'chatty-service',
  title: 'Chatty service',
  isLatencyOnly: true,
  thresholds: {
    calls: { value: 10, unit: 'calls to one peer in a request', source: 'each costs a round trip' },
    hops: { value: 5, unit: 'services in a row', source: 'each adds transit to every request' },
    transitMs: { value: 1, unit: 'ms in transit, all hops', source: 'less cannot be won by merging any' },
  },
  detect(scan, { calls, hops, transitMs }, report) {
    if (scan.remotes.count >= calls) detectCalls(scan, calls, report)
    // A root that is no SERVER is no depth, and calls all the same.
    if (scan.depth[scan.deepest]! - scan.depth[scan.entry]! >= hops)
      detectHops(scan, hops, transitMs * MS, report)
  },
  advice: ({ service, caller, operation, component }, { amount, spentNs }) =>
    operation.includes(' > ')
      ? `${service} ${caller} goes through ${Math.round(amount)} services in a row (${operation}; ${inTime(spentNs)} in transit): call the last ones directly, or merge some.`
      : `${service} ${caller} calls ${component.name} ${Math.round(amount)} times a request (${operation}; ${inTime(spentNs)} together): ask for all of it at once.`,
})

function detectCalls(scan: Scan, least: number, report: Report): void {
  const { tree, index } = scan
  for (const spans of callsByPeer(scan, least)) {
    if (spans.length < least) continue
    const labels = new Set<string>()
    let spentNs = 0
    for (const span of spans) {
      labels.add(index.calls[index.callOf(tree, span)]!.label)
      spentNs += scan.lengthOf(span)
    }
    const subject = {
      component: tree.spans.dictionary.components[tree.component[spans[0]!]!]!,
      ...codeAround(scan, spans[0]!),
      operation: [...labels].slice(0, 3).join(', '),
    }
    report({ subject, amount: spans.length, spentNs }, spans[0]!, () => collapse(scan, spans))
  }
}

/** By component: calls; all 0 between uses. */
let counts = new Uint32Array(0)

/** Calls to peers that are called so often at all, by peer and caller. Attempts of one call are retries. */
function callsByPeer({ tree, index, remotes }: Scan, least: number): Iterable<number[]> {
  const { components } = tree.spans.dictionary
  if (counts.length < components.length) counts = new Uint32Array(2 * components.length)
  const { at, count } = remotes
  let isAny = false
  for (let i = 0; i < count; i++) if (++counts[tree.component[at[i]!]!]! >= least) isAny = true
  const byPeer = new Map<string, number[]>()
  let last: number[] | undefined
  let lastPeer = ''
  for (let i = 0; isAny && i < count; i++) {
    const span = at[i]!
    if (counts[tree.component[span]!]! < least || tree.failed[span] === 1) continue
    const { peer } = index.calls[index.callOf(tree, span)]!
    // Mostly the same is called again: a key need not be made for each.
    if (last === undefined || !isLike(tree, span, last[0]!) || peer !== lastPeer) {
      const key = `${tree.component[span]} ${tree.service[span]} ${peer}`
      last = byPeer.get(key)
      lastPeer = peer
      if (last === undefined) {
        last = []
        byPeer.set(key, last)
      }
    }
    last.push(span)
  }
  for (let i = 0; i < count; i++) counts[tree.component[at[i]!]!] = 0
  return byPeer.values()
}

function isLike({ component, service }: TraceTree, span: number, other: number): boolean {
  return component[span] === component[other] && service[span] === service[other]
}

/** Of the calls of one parent, one does it all: the longest. */
function collapse(scan: Scan, spans: readonly number[]): void {
  const { tree, counterfactual } = scan
  const longest = new Map<number, number>()
  for (const span of spans) {
    const parent = tree.parent[span]!
    const known = longest.get(parent)
    if (known === undefined || scan.lengthOf(span) > scan.lengthOf(known)) longest.set(parent, span)
  }
  for (const span of spans) {
    if (longest.get(tree.parent[span]!) !== span) counterfactual.setLength(span, 0)
  }
}

/** The longest chain of calls, each made to answer the one before; each hop is from another service. */
function detectHops(scan: Scan, least: number, leastNs: number, report: Report): void {
  const { tree, entry, place } = scan
  const { chains } = scan.index
  const clients: number[] = []
  let hops = 0
  let spentNs = 0
  let chain = chains.before(-1, tree.service[scan.deepest]!)
  for (let span = scan.deepest; span !== entry; hops++) {
    const client = tree.parent[span]!
    const callee = calleeOf(tree, client)
    if (callee >= 0) {
      clients.push(client)
      spentNs += scan.lengthOf(client) - scan.lengthOf(callee)
    }
    span = place[client]!
    // Only a root may be no SERVER.
    if (tree.kind[span] === SERVER) chain = chains.before(chain, tree.service[span]!)
  }
  if (hops < least || spentNs < leastNs) return
  const code = codeAround(scan, entry)
  const subject = {
    component: { kind: 'service', name: code.service } as const,
    ...code,
    operation: chains.textOf(chain),
  }
  report({ subject, amount: hops, spentNs }, entry, () => {
    for (const client of clients) scan.counterfactual.setFactor(client, 0)
  })
}
