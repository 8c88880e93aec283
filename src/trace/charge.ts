import { IS_DRIVER, IS_EXTERNAL, IS_TRANSPORT } from './dictionary.ts'
import { comesBefore } from './settle.ts'
import { CONSUMER, SERVER } from './span.ts'
import type { TraceTree } from './tree.ts'

/**
 * Charges every span of a settled root (`order[orderFrom..orderTo)`) to a component (see the table in component.ts): the rows that need other
 * spans are decided here, parents first.
 */
export function chargeSpans(tree: TraceTree, orderFrom: number, orderTo: number): void {
  const { order, shape, service, parent, component, driver } = tree
  const { shapeFlags, shapeComponent } = tree.spans.dictionary
  for (let at = orderFrom; at < orderTo; at++) {
    const i = order[at]!
    const flags = shapeFlags[shape[i]!]!
    component[i] = shapeComponent[shape[i]!]!
    driver[i] = flags & IS_DRIVER
    if ((flags & (IS_EXTERNAL | IS_TRANSPORT)) === 0) continue
    if ((flags & IS_EXTERNAL) !== 0) {
      const callee = calleeOf(tree, i)
      if (callee >= 0) {
        component[i] = tree.spans.dictionary.transit(service[i]!, service[callee]!)
        continue
      }
    }
    const p = at === orderFrom ? -1 : parent[i]!
    if ((flags & IS_TRANSPORT) !== 0 && p >= 0 && driver[p] !== 0 && service[p] === service[i]) {
      component[i] = component[p]!
      driver[i] = 1
    }
  }
}

/** First child in span order that is a SERVER, or of another service and no CONSUMER; detached ones count. */
function calleeOf(tree: TraceTree, caller: number): number {
  const { firstChild, child, kind, service } = tree
  const from = firstChild[caller]!
  const to = firstChild[caller + 1]!
  let callee = -1
  for (let slot = from; slot < to; slot++) {
    const c = child[slot]!
    if (kind[c] !== SERVER && (service[c] === service[caller] || kind[c] === CONSUMER)) continue
    if (callee < 0 || comesBefore(tree, c, callee)) callee = c
  }
  return callee
}
