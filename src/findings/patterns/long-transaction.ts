import type { Component } from '../../trace/component.ts'
import { IS_TRANSACTION } from '../names.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

/** The end of a transaction, by the name of its query. */
const END = /^(commit|rollback|end)\b/i
const BEGIN = /^(begin|start transaction)\b/i

export const longTransaction = definePattern({
  id: 'long-transaction',
  title: 'Long transaction',
  thresholds: {
    lengthMs: { value: 1000, unit: 'ms', source: 'its locks are held all the while' },
  },
  needs: ['marked'],
  detect(scan, { lengthMs }, report) {
    if (scan.durationNs < lengthMs * MS) return
    const { tree } = scan
    const { dictionary } = tree.spans
    const { at, count } = scan.marked
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      if ((scan.index.marks()[tree.shape[span]!]! & IS_TRANSACTION) === 0) continue
      const shape = dictionary.fields(tree.shape[span]!)
      const spentNs = BEGIN.test(shape.name) ? untilEnd(scan, span) : scan.lengthOf(span)
      if (END.test(shape.name) || spentNs < lengthMs * MS) continue
      const component = databaseOf(scan, span)
      // What runs no query is no transaction of a database, whatever its name.
      if (component === undefined) continue
      const subject = {
        component,
        ...codeAround(scan, span),
        operation: shape.name,
      }
      // What it holds up is others' requests, which this one's schedule does not show.
      report({ subject, amount: 1, spentNs }, span)
    }
  },
  advice: ({ service, caller, operation, component }, { spentNs }) =>
    `${service} ${caller} keeps a transaction on ${component.name} (${operation}) open for ${inTime(spentNs)}: move calls and computing out of it; others wait for its locks.`,
})

/** From a BEGIN to the COMMIT of the same parent, 0 if there is none. */
function untilEnd({ tree }: Scan, begin: number): number {
  const parent = tree.parent[begin]!
  if (parent < 0) return 0
  const first = tree.firstChild[parent]!
  for (let slot = first; slot < first + tree.live[parent]!; slot++) {
    const c = tree.child[slot]!
    if (c <= begin || !END.test(tree.spans.dictionary.fields(tree.shape[c]!).name)) continue
    return tree.cutEnd[c]! - tree.cutStart[begin]!
  }
  return 0
}

/** The component of the span, or of the first query in it; undefined: there is none. */
function databaseOf({ tree, queries }: Scan, span: number): Component | undefined {
  const { components } = tree.spans.dictionary
  const own = components[tree.component[span]!]!
  if (own.kind === 'database') return own
  for (let i = 0; i < queries.count; i++) {
    let up = queries.at[i]!
    while (up > span) up = tree.parent[up]!
    if (up === span) return components[tree.component[queries.at[i]!]!]!
  }
  return undefined
}
