import { SERVER } from '../../trace/span.ts'
import { calleeOf } from '../calls.ts'
import { definePattern, type Report } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inMs, MS } from '../words.ts'

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
    if (scan.remotes.length >= calls) detectCalls(scan, calls, report)
    if (scan.depth[scan.deepest]! > hops) detectHops(scan, hops, transitMs * MS, report)
  },
  advice: ({ service, caller, operation, component }, { amount, spentNs }) =>
    operation.includes(' > ')
      ? `${service} ${caller} goes through ${Math.round(amount)} services in a row (${operation}; ${inMs(spentNs)} in transit): call the last ones directly, or merge some.`
      : `${service} ${caller} calls ${component.name} ${Math.round(amount)} times a request (${operation}; ${inMs(spentNs)} together): ask for all of it at once.`,
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
function callsByPeer({ tree, remotes }: Scan, least: number): Iterable<number[]> {
  const { components } = tree.spans.dictionary
  if (counts.length < components.length) counts = new Uint32Array(2 * components.length)
  let isAny = false
  for (const span of remotes) if (++counts[tree.component[span]!]! >= least) isAny = true
  const byPeer = new Map<number, number[]>()
  for (const span of remotes) {
    if (!isAny) break
    if (counts[tree.component[span]!]! < least || tree.failed[span] === 1) continue
    const key = tree.component[span]! * 2 ** 16 + tree.service[span]!
    const known = byPeer.get(key)
    if (known === undefined) byPeer.set(key, [span])
    else known.push(span)
  }
  for (const span of remotes) counts[tree.component[span]!] = 0
  return byPeer.values()
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
  const { tree } = scan
  const { services } = tree.spans.dictionary
  const chainOf = (span: number) => {
    const chain: number[] = []
    for (let up = span; up >= 0; up = up === scan.entry ? -1 : tree.parent[up]!) {
      if (tree.kind[up] === SERVER) chain.push(up)
    }
    return chain
  }
  const deepest = chainOf(scan.deepest)
  const hops = deepest.filter((span) => span !== scan.entry)
  if (hops.length < least) return
  const clients = hops.map((span) => tree.parent[span]!).filter((client) => calleeOf(tree, client) >= 0)
  const spentNs = clients.reduce((sum, c) => sum + scan.lengthOf(c) - scan.lengthOf(calleeOf(tree, c)), 0)
  if (spentNs < leastNs) return
  const chain = deepest.toReversed().map((span) => services[tree.service[span]!]!)
  const subject = {
    component: { kind: 'service', name: services[tree.service[scan.entry]!]! } as const,
    ...codeAround(scan, scan.entry),
    operation: chain.join(' > '),
  }
  report({ subject, amount: hops.length, spentNs }, scan.entry, () => {
    for (const client of clients) scan.counterfactual.setFactor(client, 0)
  })
}
