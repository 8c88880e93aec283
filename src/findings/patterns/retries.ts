import { IS_RESENT } from '../../trace/detail.ts'
import { INTERNAL } from '../../trace/span.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type FamilyCall, familyCalls, type Scan } from '../scan.ts'
import { inMs } from '../words.ts'

export const retries = definePattern({
  id: 'retries',
  title: 'Retry amplification',
  thresholds: {
    attempts: { value: 1.3, unit: 'attempts a request', source: 'retry budgets allow 10 to 20 % more' },
    storm: {
      value: 2,
      unit: 'attempts a request',
      source: 'the load is doubled: retries keep the failure alive',
    },
  },
  detect(scan, _limits, report) {
    const { tree, index, counterfactual } = scan
    if (scan.failed.length === 0 && scan.flagged.length === 0) return
    for (const parent of parentsOf(scan)) {
      for (const attempts of attemptsOf(scan, familyCalls(scan, parent))) {
        const [first] = attempts as [FamilyCall]
        const wasted = attempts.slice(0, -1)
        const { component, label } = index.calls[index.callOf(tree, first.call)]!
        const subject = { component, ...codeAround(scan, first.call), operation: label }
        const spentNs = wasted.reduce((sum, { call }) => sum + scan.lengthOf(call), 0)
        report({ subject, amount: wasted.length, spentNs }, parent, () => {
          for (const { call } of wasted) counterfactual.setLength(call, 0)
          // With the failed attempt goes the wait before the next.
          for (const { child } of attempts.slice(1)) counterfactual.cutGap(child, 0)
        })
      }
    }
  },
  holds: ({ entries, totalAmount }, { attempts }) => attemptsARequest(entries, totalAmount) >= attempts!,
  advice: ({ service, caller, operation }, { entries, totalAmount, spentNs }, { storm }) => {
    const attempts = attemptsARequest(entries, totalAmount)
    const what =
      attempts >= storm!
        ? 'a retry storm: stop retrying while it fails (a budget, a circuit breaker)'
        : 'find out why it fails, and retry within a budget'
    return `${service} ${caller} needs ${attempts.toFixed(2)} attempts a request for ${operation} (${inMs(spentNs)} lost where it retries): ${what}.`
  },
})

function attemptsARequest(entries: number, retries: number): number {
  return entries === 0 ? 1 : 1 + retries / entries
}

/** Whoever made a call that failed, or that says it is not the first attempt; through wrappers. */
function parentsOf({ tree, failed, flagged, families, entry }: Scan): Set<number> {
  const parents = new Set<number>()
  for (const list of [failed, flagged]) {
    for (const span of list) {
      let up = span
      do up = up === entry ? -1 : tree.parent[up]!
      while (up >= 0 && tree.kind[up] === INTERNAL && tree.live[up] === 1 && up !== entry)
      if (up >= 0 && families.count[up]! > 1) parents.add(up)
    }
  }
  return parents
}

/** Calls that were made again: by the count they carry, or because the one before of the same kind had failed. */
function attemptsOf(scan: Scan, calls: readonly FamilyCall[]): FamilyCall[][] {
  const { tree, index } = scan
  const { detail, dictionary } = tree.spans
  const open = new Map<number, FamilyCall[]>()
  const all: FamilyCall[][] = []
  for (const one of calls) {
    const { call } = one
    const number = index.callOf(tree, call)
    const before = open.get(number)
    const last = before?.at(-1)
    const resent = (dictionary.details.flags[detail[tree.row[call]!]!]! & IS_RESENT) !== 0
    const again =
      last !== undefined &&
      tree.cutEnd[last.call]! <= tree.cutStart[call]! &&
      (resent || tree.failed[last.call] === 1)
    if (again) before!.push(one)
    else {
      const attempts = [one]
      open.set(number, attempts)
      all.push(attempts)
    }
  }
  return all.filter((attempts) => attempts.length > 1)
}
