import { SERVER } from '../../trace/span.ts'
import { calleeOf, MESSAGE, REMOTE } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const largePayload = definePattern({
  id: 'large-payload',
  title: 'Large payload',
  thresholds: {
    bytes: { value: 300_000, unit: 'bytes of a body', source: 'what Sentry starts from' },
    lengthMs: { value: 100, unit: 'ms of the call', source: 'below this the size costs little' },
  },
  needs: ['sized'],
  detect(scan, { bytes, lengthMs }, report) {
    const { tree, index, counterfactual } = scan
    const { at, count } = scan.sized
    for (let i = 0; i < count; i++) {
      const said = at[i]!
      const size = tree.spans.bodyBytes[tree.row[said]!]!
      if (size <= bytes) continue
      const span = callFor(scan, said)
      const spentNs = span < 0 ? 0 : scan.lengthOf(span)
      if (spentNs < lengthMs * MS) continue
      const { component, label } = index.calls[index.callOf(tree, span)]!
      const subject = { component, ...codeAround(scan, span), operation: label }
      report({ subject, amount: size, spentNs }, span, () => {
        // What is left of it at the threshold; the callee's own time stays.
        if (calleeOf(tree, span) >= 0) counterfactual.setFactor(span, bytes / size)
        else counterfactual.setLength(span, Math.round((spentNs * bytes) / size))
      })
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} moves ${(amount / 1e6).toFixed(1)} MB with ${operation} (${inTime(spentNs)}): ask for less of it (fields, pages), or compress it.`,
})

/** The call that a body is of: the one that says its size, or that of the SERVER that says it where it says none. */
function callFor({ tree, index, entry }: Scan, said: number): number {
  const role = index.roleOf(tree.component[said]!)
  if (role === REMOTE || role === MESSAGE) return said
  const caller = tree.kind[said] === SERVER && said !== entry ? tree.parent[said]! : -1
  if (caller < 0 || tree.spans.bodyBytes[tree.row[caller]!]! > 0) return -1
  return index.roleOf(tree.component[caller]!) === REMOTE ? caller : -1
}
