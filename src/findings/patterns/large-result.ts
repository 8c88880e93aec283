import { QUERY } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { codeAround } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const largeResult = definePattern({
  id: 'large-result',
  title: 'Large result set',
  thresholds: {
    rows: { value: 1000, unit: 'rows of one query', source: 'nobody reads more on a page' },
    lengthMs: { value: 100, unit: 'ms of the query', source: 'below this the size costs little' },
  },
  needs: ['sized'],
  detect(scan, { rows, lengthMs }, report) {
    const { tree, index } = scan
    const { at, count } = scan.sized
    for (let i = 0; i < count; i++) {
      const span = at[i]!
      const returned = tree.spans.returnedRows[tree.row[span]!]!
      const spentNs = scan.lengthOf(span)
      if (returned <= rows || spentNs < lengthMs * MS) continue
      if (index.roleOf(tree.component[span]!) !== QUERY) continue
      const { component, label } = index.calls[index.callOf(tree, span)]!
      const subject = { component, ...codeAround(scan, span), operation: label }
      report({ subject, amount: returned, spentNs }, span, () =>
        scan.counterfactual.setLength(span, Math.round((spentNs * rows) / returned)),
      )
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} reads ${Math.round(amount).toLocaleString('en')} rows with ${operation} (${inTime(spentNs)}): read pages, or let the database do the adding up.`,
})
