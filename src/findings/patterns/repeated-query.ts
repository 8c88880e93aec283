import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inPercent, inTime, MS } from '../words.ts'

export const repeatedQuery = definePattern({
  id: 'repeated-query',
  title: 'The same query again: cache candidate',
  thresholds: {
    times: { value: 3, unit: 'times in a request', source: 'twice may be chance' },
    togetherMs: { value: 5, unit: 'ms, all of them', source: 'less is not worth a cache' },
    hitPercent: {
      value: 80,
      unit: '% of the repetitions that a cache answers',
      source: 'a common hit ratio of request caches',
    },
  },
  needs: ['hashed'],
  detect(scan, { times, togetherMs, hitPercent }, report) {
    if (!isAnyRepeated(scan, times)) return
    const { tree, index } = scan
    const byValue = new Map<number, number[]>()
    for (const list of [scan.queries, scan.remotes]) {
      for (let i = 0; i < list.count; i++) {
        const span = list.at[i]!
        const hash = tree.spans.valueHash[tree.row[span]!]!
        if (hash === 0) continue
        // Exact: the hash has 32 bits.
        const key = index.callOf(tree, span) * 2 ** 32 + hash
        const known = byValue.get(key)
        if (known === undefined) byValue.set(key, [span])
        else known.push(span)
      }
    }
    for (const spans of byValue.values()) {
      if (spans.length < times) continue
      const { component, label, isRead } = index.calls[index.callOf(tree, spans[0]!)]!
      const spentNs = spans.reduce((sum, span) => sum + scan.lengthOf(span), 0)
      if (!isRead || spentNs < togetherMs * MS || spans.some((span) => tree.failed[span] === 1)) continue
      const subject = { component, ...codeAround(scan, spans[0]!), operation: label }
      report({ subject, amount: spans.length, spentNs }, spans[0]!, () => {
        for (const span of spans.toSorted((a, b) => a - b).slice(1)) {
          scan.counterfactual.setLength(span, Math.round(scan.lengthOf(span) * (1 - hitPercent / 100)))
        }
      })
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }, { hitPercent }) =>
    `${service} ${caller} asks ${operation} ${Math.round(amount)} times for the same (${inTime(spentNs)} together): ask once, or cache it (the saving counts ${inPercent(hitPercent! / 100)} hits).`,
})

/** Spans whose values are compared each with each: for a few that is the fastest. */
const FEW = 32

/** Whether so many spans have the same values at all. */
function isAnyRepeated({ hashed, tree }: Scan, times: number): boolean {
  const { at, count } = hashed
  if (count < times) return false
  if (count > FEW) return true
  const { valueHash } = tree.spans
  for (let i = 0; i + times <= count; i++) {
    const hash = valueHash[tree.row[at[i]!]!]!
    let same = 1
    for (let j = i + 1; j < count; j++) if (valueHash[tree.row[at[j]!]!] === hash) same++
    if (same >= times) return true
  }
  return false
}
