import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const slowQuery = definePattern({
  id: 'slow-query',
  title: 'Slow query',
  thresholds: {
    lengthMs: {
      value: 500,
      unit: 'ms, one query',
      source: 'MySQL and PostgreSQL guides log from 0.5 to 1 s',
    },
  },
  needs: ['queries'],
  detect(scan, { lengthMs }, report) {
    if (scan.durationNs < lengthMs * MS) return
    const { tree, index } = scan
    const { at, count } = scan.queries
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      const spentNs = scan.lengthOf(span)
      if (spentNs < lengthMs * MS) continue
      const { component, label } = index.calls[index.callOf(tree, span)]!
      const subject = { component, ...codeAround(scan, span), operation: label }
      report({ subject, amount: 1, spentNs }, span, () => scan.counterfactual.setLength(span, 0))
    }
  },
  advice: ({ service, caller, operation, component }, { spentNs }) =>
    `${operation} on ${component.name} takes ${inTime(spentNs)} in ${service} ${caller}: look at its plan (an index, fewer rows, less to sort).`,
})
