import { IS_RESENT } from '../../trace/detail.ts'
import { INTERNAL } from '../../trace/span.ts'
import { familyOf } from '../family.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, type Scan } from '../scan.ts'
import { inTime } from '../words.ts'

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
  needs: ['failed', 'flagged'],
  detect(scan, _limits, report) {
    const { tree, index, counterfactual } = scan
    for (const parent of parentsOf(scan)) {
      for (const attempts of attemptsOf(scan, parent)) {
        const [first] = attempts as [Attempt]
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
  // `holds` counts attempts, however few requests need so many.
  leastShare: () => 0,
  holds: ({ entries, totalAmount }, { attempts }) => attemptsARequest(entries, totalAmount) >= attempts!,
  advice: ({ service, caller, operation }, { entries, totalAmount, spentNs }, { storm }) => {
    const attempts = attemptsARequest(entries, totalAmount)
    const what =
      attempts >= storm!
        ? 'a retry storm: stop retrying while it fails (a budget, a circuit breaker)'
        : 'find out why it fails, and retry within a budget'
    return `${service} ${caller} needs ${attempts.toFixed(2)} attempts a request for ${operation} (${inTime(spentNs)} lost where it retries): ${what}.`
  },
})

function attemptsARequest(entries: number, retries: number): number {
  return entries === 0 ? 1 : 1 + retries / entries
}

/** Whoever made a call that failed, or that says it is not the first attempt; through wrappers. */
function parentsOf({ tree, failed, flagged, families, entry }: Scan): Set<number> {
  const parents = new Set<number>()
  for (const list of [failed, flagged]) {
    for (let i = 0; i < list.count; i++) {
      let up = list.at[i]!
      do up = up === entry ? -1 : tree.parent[up]!
      while (up >= 0 && tree.kind[up] === INTERNAL && tree.live[up] === 1 && up !== entry)
      if (up >= 0 && families.count[up]! > 1) parents.add(up)
    }
  }
  return parents
}

type Attempt = { call: number; child: number }

/** By number of the call: the attempts so far, of the family at hand. */
const open = new Map<number, Attempt[]>()

/** Calls that were made again: by the count they carry, or because the one before of the same kind had failed. */
function attemptsOf(scan: Scan, parent: number): Attempt[][] {
  const { tree } = scan
  const { detail, dictionary } = tree.spans
  const { count, call, child, number, times } = familyOf(scan, parent)
  const all: Attempt[][] = []
  for (let i = 0; i < count; i++) {
    // Made once, it was not made again.
    if (times[number[i]!] === 1) continue
    const span = call[i]!
    const before = open.get(number[i]!)
    const last = before?.at(-1)
    const resent = (dictionary.details.flags[detail[tree.row[span]!]!]! & IS_RESENT) !== 0
    const again =
      last !== undefined &&
      tree.cutEnd[last.call]! <= tree.cutStart[span]! &&
      (resent || tree.failed[last.call] === 1)
    const attempt = { call: span, child: child[i]! }
    if (again) {
      if (before!.push(attempt) === 2) all.push(before!)
    } else open.set(number[i]!, [attempt])
  }
  open.clear()
  return all
}
