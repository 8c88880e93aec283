import { QUERY } from '../calls.ts'
import { familyOf } from '../family.ts'
import { definePattern, type Report } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime, MS } from '../words.ts'

export const sequentialCalls = definePattern({
  id: 'sequential-calls',
  title: 'Calls one after the other that could run beside each other',
  isLatencyOnly: true,
  thresholds: {
    calls: { value: 2, unit: 'calls', source: 'one cannot overlap' },
    savesMs: {
      value: 100,
      unit: 'ms that the request gets shorter',
      source: 'below this concurrency is not worth its trouble',
    },
    savesPercent: { value: 10, unit: '% of the request', source: 'the same' },
    queries: { value: 5, unit: 'times the same query are a loop', source: 'n-plus-one knows it better' },
    repeats: {
      value: 10,
      unit: 'times the same call to a peer are a loop',
      source: 'chatty-service knows it better',
    },
  },
  needs: ['parents'],
  detect(scan, limits, report) {
    const { families } = scan
    const leastNs = Math.max(limits.savesMs * MS, (limits.savesPercent / 100) * scan.durationNs)
    const { parents } = families
    for (let i = 0; i < parents.count; i++) {
      const parent = parents.at[i]!
      if (families.sumNs[parent]! - families.longestNs[parent]! < leastNs) continue
      const { count } = familyOf(scan, parent)
      for (let from = 0, to = 0; from < count; from = Math.max(to, from + 1)) {
        to = endOfRun(scan, parent, from, limits)
        if (to - from < Math.max(2, limits.calls) || mostSaved(scan, parent, from, to) < leastNs) continue
        reportRun(scan, parent, from, to, leastNs, report)
      }
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} makes ${Math.round(amount)} calls one after the other (${operation}; ${inTime(spentNs)} together): start those that need nothing from each other at once.`,
})

/**
 * Where a run ends that begins with that call: reading calls in a row, none of which starts before the one before has
 * ended. Writes and loops end a run.
 */
function endOfRun(
  scan: Scan,
  parent: number,
  from: number,
  { queries, repeats }: { queries: number; repeats: number },
): number {
  const { tree, index } = scan
  const { count, call, child, number, times } = familyOf(scan, parent)
  let to = from
  for (; to < count; to++) {
    const n = number[to]!
    const loop = index.roleOf(tree.component[call[to]!]!) === QUERY ? queries : repeats
    if (!index.calls[n]!.isRead || times[n]! >= loop || tree.failed[call[to]!] === 1) break
    if (to > from && tree.cutStart[child[to]!]! < tree.cutEnd[child[to - 1]!]!) break
  }
  return to
}

function mostSaved(scan: Scan, parent: number, from: number, to: number): number {
  const { child } = familyOf(scan, parent)
  let sumNs = 0
  let longestNs = 0
  for (let i = from; i < to; i++) {
    const lengthNs = scan.lengthOf(child[i]!)
    sumNs += lengthNs
    if (lengthNs > longestNs) longestNs = lengthNs
  }
  return sumNs - longestNs
}

function reportRun(
  scan: Scan,
  parent: number,
  from: number,
  to: number,
  leastNs: number,
  report: Report,
): void {
  const { tree, index, counterfactual } = scan
  const { call, child, number } = familyOf(scan, parent)
  const children = [...child.subarray(from, to)]
  counterfactual.begin(tree, scan.dependencies, scan.from)
  counterfactual.runBeside(children)
  counterfactual.replay()
  const savedNs = counterfactual.savedNs(scan.entry)
  counterfactual.clear()
  if (savedNs < leastNs) return
  let longest = call[from]!
  let spentNs = 0
  const labels = new Set<string>()
  for (let i = from; i < to; i++) {
    if (scan.lengthOf(call[i]!) > scan.lengthOf(longest)) longest = call[i]!
    spentNs += scan.lengthOf(call[i]!)
    labels.add(index.calls[number[i]!]!.label)
  }
  const subject = {
    component: tree.spans.dictionary.components[tree.component[longest]!]!,
    ...codeAround(scan, longest),
    operation: [...labels].join(', '),
  }
  // The values that the later calls need may come from the earlier ones: no trace shows that.
  report({ subject, amount: to - from, spentNs, unproven: true }, parent, () =>
    counterfactual.runBeside(children),
  )
}
