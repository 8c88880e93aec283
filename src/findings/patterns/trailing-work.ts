import { SERVER } from '../../trace/span.ts'
import type { TraceTree } from '../../trace/tree.ts'
import { type CallIndex, MESSAGE, OWN, QUERY } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const trailingWork = definePattern({
  id: 'trailing-work',
  title: 'Work before the answer that could come after it',
  isLatencyOnly: true,
  thresholds: {
    lengthMs: { value: 20, unit: 'ms at the end of a request', source: 'less is not worth a queue' },
    percent: { value: 10, unit: '% of the request', source: 'the same' },
  },
  detect(scan, { lengthMs, percent }, report) {
    const leastNs = Math.max(lengthMs * MS, (percent / 100) * scan.durationNs)
    if (scan.durationNs < lengthMs * MS) return
    const { tree, index, counterfactual } = scan
    const { at, count } = scan.servers
    for (let i = 0; i < count; i++) {
      const server = at[i]!
      // A consumer's message is the queue already, and for a job nobody waits.
      if (tree.kind[server] !== SERVER) continue
      const trailing = trailingCalls(scan, server)
      if (trailing.length === 0) continue
      const spentNs = trailing.reduce((sum, span) => sum + scan.lengthOf(span), 0)
      if (spentNs < leastNs) continue
      const { component } = index.calls[index.callOf(tree, trailing[0]!)]!
      const labels = new Set(trailing.map((span) => index.calls[index.callOf(tree, span)]!.label))
      const subject = { component, ...codeAround(scan, server), operation: [...labels].join(', ') }
      report({ subject, amount: trailing.length, spentNs }, server, () => {
        for (const span of trailing) counterfactual.setLength(span, 0)
      })
    }
  },
  advice: ({ service, caller, operation }, { spentNs }) =>
    `${service} ${caller} does ${operation} before it answers (${inTime(spentNs)}): answer first, and do that from a queue.`,
})

const NONE: readonly number[] = []

/** The last calls of a server that are of that kind, with nothing waited for after them. */
function trailingCalls({ tree, index }: Scan, server: number): readonly number[] {
  const { firstChild, live, byEnd, component } = tree
  if (live[server] === 0) return NONE
  let trailing: number[] | undefined
  for (let slot = firstChild[server]! + live[server]! - 1; slot >= firstChild[server]!; slot--) {
    const call = byEnd[slot]!
    const role = index.roleOf(component[call]!)
    if (role === OWN || role === QUERY || !isForLater(index, tree, call, role)) break
    if (trailing === undefined) trailing = [call]
    else trailing.push(call)
  }
  return trailing ?? NONE
}

function isForLater(index: CallIndex, tree: TraceTree, call: number, role: number): boolean {
  if (role === MESSAGE) return true
  return index.calls[index.callOf(tree, call)]!.isAfterwards
}
