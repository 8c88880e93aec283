import { definePattern } from '../pattern.ts'
import { codeAround, type FamilyCall, familyCalls, type Scan } from '../scan.ts'
import { inMs, MS } from '../words.ts'

/** More of one call than this are a loop over items, which n-plus-one and chatty-service know better. */
const LOOP = 5

export const sequentialCalls = definePattern({
  id: 'sequential-calls',
  title: 'Calls one after the other that could run beside each other',
  thresholds: {
    calls: { value: 2, unit: 'calls', source: 'one cannot overlap' },
    savesMs: {
      value: 100,
      unit: 'ms that the request gets shorter',
      source: 'below this concurrency is not worth its trouble',
    },
    savesPercent: { value: 10, unit: '% of the request', source: 'the same' },
  },
  detect(scan, limits, report) {
    const { families, counterfactual, tree, index } = scan
    const leastNs = Math.max(limits.savesMs * MS, (limits.savesPercent / 100) * scan.durationNs)
    for (const parent of families.parent) {
      if (families.sumNs[parent]! - families.longestNs[parent]! < leastNs) continue
      for (const run of runsOf(scan, parent)) {
        if (run.length < limits.calls || mostSaved(scan, run) < leastNs) continue
        const children = run.map(({ child }) => child)
        counterfactual.begin(tree, scan.dependencies, scan.from)
        counterfactual.runBeside(children)
        counterfactual.replay()
        const savedNs = counterfactual.savedNs(scan.entry)
        counterfactual.clear()
        if (savedNs < leastNs) continue
        const longest = run.reduce((a, b) => (scan.lengthOf(b.call) > scan.lengthOf(a.call) ? b : a)).call
        const labels = new Set(run.map(({ call }) => index.calls[index.callOf(tree, call)]!.label))
        const subject = {
          component: tree.spans.dictionary.components[tree.component[longest]!]!,
          ...codeAround(scan, longest),
          operation: [...labels].join(', '),
        }
        const spentNs = run.reduce((sum, { call }) => sum + scan.lengthOf(call), 0)
        // The values that the later calls need may come from the earlier ones: no trace shows that.
        report({ subject, amount: run.length, spentNs, unproven: true }, parent, () =>
          counterfactual.runBeside(children),
        )
      }
    }
  },
  advice: ({ service, caller, operation }, { amount, spentNs }) =>
    `${service} ${caller} makes ${Math.round(amount)} calls one after the other (${operation}; ${inMs(spentNs)} together): start those that need nothing from each other at once.`,
})

function mostSaved(scan: Scan, run: readonly FamilyCall[]): number {
  let sumNs = 0
  let longestNs = 0
  for (const { child } of run) {
    const lengthNs = scan.lengthOf(child)
    sumNs += lengthNs
    if (lengthNs > longestNs) longestNs = lengthNs
  }
  return sumNs - longestNs
}

/** Reading calls in a row, none of which starts before the one before has ended. Writes and repetitions end a run. */
function runsOf(scan: Scan, parent: number): FamilyCall[][] {
  const { tree, index } = scan
  const calls = familyCalls(scan, parent)
  const times = new Map<number, number>()
  for (const { call } of calls) {
    const number = index.callOf(tree, call)
    times.set(number, (times.get(number) ?? 0) + 1)
  }
  const runs: FamilyCall[][] = []
  let run: FamilyCall[] = []
  let lastEnd = Number.NEGATIVE_INFINITY
  for (const one of calls) {
    const number = index.callOf(tree, one.call)
    const fits = index.calls[number]!.isRead && times.get(number)! < LOOP && tree.failed[one.call] === 0
    if (!fits || tree.cutStart[one.child]! < lastEnd) {
      if (run.length > 1) runs.push(run)
      run = []
    }
    if (fits) run.push(one)
    lastEnd = tree.cutEnd[one.child]!
  }
  if (run.length > 1) runs.push(run)
  return runs
}
