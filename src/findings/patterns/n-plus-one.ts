import { QUERY } from '../calls.ts'
import { familyOf } from '../family.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

/** Equivalent queries of one parent, in span order. */
type Repeated = { call: number; spans: number[] }
type Group = [Repeated, ...Repeated[]]

const NONE: readonly Repeated[] = []

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
    const { at, count } = families.parents
    for (let i = 0; i < count; i++) {
      const parent = at[i]!
      if (families.count[parent]! < limits.calls || families.sumNs[parent]! < limits.togetherMs * MS) continue
      for (const group of groupsOf(repeatedQueries(scan, parent, limits.calls), limits.group)) {
        let amount = 0
        let spentNs = 0
        for (const { spans } of group) {
          amount += spans.length
          for (const span of spans) spentNs += scan.lengthOf(span)
        }
        if (spentNs < limits.togetherMs * MS) continue
        const [{ spans, call }] = group
        const subject = {
          component: tree.spans.dictionary.components[tree.component[spans[0]!]!]!,
          ...codeAround(scan, spans[0]!),
          operation:
            group.length === 1
              ? index.calls[call]!.label
              : group.map((one) => index.calls[one.call]!.label).join(', '),
        }
        report({ subject, amount, spentNs }, parent, () => {
          for (const one of group) collapse(scan, one.spans)
        })
      }
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} runs ${operation} ${Math.round(amount)} times a request (${inTime(spentNs)} together): load them all with one query (a join, or WHERE ... IN).`,
})

/** By call: place in the list at hand, plus 1; all 0 between uses. */
let places = new Uint32Array(0)

/** Queries of a parent that are run at least `least` times, for different values as far as these are known. */
function repeatedQueries(scan: Scan, parent: number, least: number): readonly Repeated[] {
  const { tree, index } = scan
  const { count, call, number, times } = familyOf(scan, parent)
  let repeated: Repeated[] | undefined
  for (let i = 0; i < count; i++) {
    const n = number[i]!
    if (times[n]! < least || index.roleOf(tree.component[call[i]!]!) !== QUERY) continue
    if (n >= places.length) places = new Uint32Array(2 * index.calls.length)
    repeated ??= []
    const place = places[n]!
    if (place > 0) repeated[place - 1]!.spans.push(call[i]!)
    else places[n] = repeated.push({ call: n, spans: [call[i]!] })
  }
  if (repeated === undefined) return NONE
  for (const one of repeated) places[one.call] = 0
  return repeated.filter(({ spans }) => spans.length >= least && areDifferent(scan, spans, least))
}

/** Whether so many ask for something else: the very same query again and again is another mistake (repeated-query). */
function areDifferent({ tree }: Scan, spans: readonly number[], least: number): boolean {
  const { valueHash } = tree.spans
  const seen: number[] = []
  let different = 0
  for (const span of spans) {
    const hash = valueHash[tree.row[span]!]!
    // 0: not known.
    if (hash !== 0) {
      if (seen.includes(hash)) continue
      seen.push(hash)
    }
    if (++different >= least) return true
  }
  return false
}

/** Queries that take turns (A B A B ...) are one loop. */
function groupsOf(repeated: readonly Repeated[], most: number): Group[] {
  const groups: Group[] = []
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
