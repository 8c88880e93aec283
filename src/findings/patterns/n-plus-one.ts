import { QUERY } from '../calls.ts'
import { familyOf } from '../family.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inMs, MS } from '../words.ts'

/** Equivalent queries of one parent, in span order. */
type Repeated = { call: number; spans: number[] }

export const nPlusOne = definePattern({
  id: 'n-plus-one',
  title: 'N+1 queries',
  thresholds: {
    calls: { value: 5, unit: 'equivalent queries under one parent', source: 'what Sentry starts from' },
    togetherMs: { value: 50, unit: 'ms, all of them', source: 'what Sentry starts from' },
    group: {
      value: 8,
      unit: 'queries that are repeated in turn',
      source: 'a loop that loads an object graph',
    },
  },
  needs: ['parents'],
  detect(scan, limits, report) {
    const { families, tree, index } = scan
    for (const parent of families.parent) {
      if (families.count[parent]! < limits.calls || families.sumNs[parent]! < limits.togetherMs * MS) continue
      for (const group of groupsOf(repeatedQueries(scan, parent, limits.calls), limits.group)) {
        const spans = group.flatMap((one) => one.spans)
        const spentNs = spans.reduce((sum, span) => sum + scan.lengthOf(span), 0)
        if (spentNs < limits.togetherMs * MS) continue
        const subject = {
          component: tree.spans.dictionary.components[tree.component[spans[0]!]!]!,
          ...codeAround(scan, spans[0]!),
          operation: group.map((one) => index.calls[one.call]!.label).join(', '),
        }
        report({ subject, amount: spans.length, spentNs }, parent, () => {
          for (const one of group) collapse(scan, one.spans)
        })
      }
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} runs ${operation} ${Math.round(amount)} times a request (${inMs(spentNs)} together): load them all with one query (a join, or WHERE ... IN).`,
})

/** Queries of a parent that are run at least `least` times, for different values as far as these are known. */
function repeatedQueries(scan: Scan, parent: number, least: number): Repeated[] {
  const { tree, index } = scan
  const { count, call, number, times } = familyOf(scan, parent)
  let repeated: Map<number, number[]> | undefined
  for (let i = 0; i < count; i++) {
    if (times[number[i]!]! < least || index.roleOf(tree.component[call[i]!]!) !== QUERY) continue
    repeated ??= new Map()
    const known = repeated.get(number[i]!)
    if (known === undefined) repeated.set(number[i]!, [call[i]!])
    else known.push(call[i]!)
  }
  if (repeated === undefined) return []
  return [...repeated]
    .map(([number, spans]) => ({ call: number, spans }))
    .filter(({ spans }) => spans.length >= least && differentValues(scan, spans) >= least)
}

/** The very same query again and again is another mistake (repeated-query). */
function differentValues({ tree }: Scan, spans: readonly number[]): number {
  let seen: Set<number> | undefined
  let unknown = 0
  for (const span of spans) {
    const hash = tree.spans.valueHash[tree.row[span]!]!
    if (hash === 0) unknown++
    else {
      seen ??= new Set()
      seen.add(hash)
    }
  }
  return unknown + (seen?.size ?? 0)
}

/** Queries that take turns (A B A B ...) are one loop. */
function groupsOf(repeated: readonly Repeated[], most: number): Repeated[][] {
  const groups: Repeated[][] = []
  for (const one of repeated) {
    const group = groups.find((g) => g.length < most && g.every((other) => takeTurns(other.spans, one.spans)))
    if (group === undefined) groups.push([one])
    else group.push(one)
  }
  return groups
}

/** Spans are numbered by start. */
function takeTurns(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  return a.every((span, i) => span < b[i]! && (i + 1 === a.length || b[i]! < a[i + 1]!))
}

/** One call does it all: the longest stays. */
function collapse(scan: Scan, spans: readonly number[]): void {
  let longest = spans[0]!
  for (const span of spans) if (scan.lengthOf(span) > scan.lengthOf(longest)) longest = span
  for (const span of spans) if (span !== longest) scan.counterfactual.setLength(span, 0)
}
