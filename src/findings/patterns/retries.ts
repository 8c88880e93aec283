import { IS_FINAL, IS_REDIRECT, IS_RESENT } from '../../trace/detail.ts'
import { INTERNAL } from '../../trace/span.ts'
import { calleeOf, REMOTE } from '../calls.ts'
import { familyOf } from '../family.ts'
import { definePattern } from '../pattern.ts'
import { codeAround, flagsOf, type Scan } from '../scan.ts'
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
      for (const { attempts, again } of attemptsOf(scan, parent)) {
        const wasted = attempts.slice(0, -1)
        // An attempt that never arrived does not know whom it would have called.
        const named = attempts.find(({ call }) => calleeOf(tree, call) >= 0) ?? attempts[0]!
        const { component, label } = index.calls[index.callOf(tree, named.call)]!
        const subject = { component, ...codeAround(scan, named.call), operation: label }
        const spentNs = wasted.reduce((sum, { call }) => sum + scan.lengthOf(call), 0)
        report({ subject, amount: again, spentNs }, parent, () => {
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
function parentsOf(scan: Scan): Set<number> {
  const { tree, failed, flagged, families, entry } = scan
  const parents = new Set<number>()
  for (const list of [failed, flagged]) {
    for (let i = 0; i < list.count; i++) {
      const span = list.at[i]!
      const isResent = (flagsOf(scan, span) & IS_RESENT) !== 0
      if (list === flagged && !isResent) continue
      let up = span
      do up = up === entry ? -1 : tree.parent[up]!
      while (up >= 0 && tree.kind[up] === INTERNAL && tree.live[up] === 1 && up !== entry)
      // Earlier attempts may have no spans.
      if (up >= 0 && families.count[up]! >= (isResent ? 1 : 2)) parents.add(up)
    }
  }
  return parents
}

type Attempt = { call: number; child: number; resends: number }
/** Attempts in a row, and how many there were besides the first, seen or told; `before`: resends that were none. */
type Attempts = { attempts: Attempt[]; again: number; before: number }

/** By what is asked for, and by number of the call alone: the latest attempts, of the family at hand. */
const open = new Map<number, Attempts>()
const latest = new Map<number, Attempts>()

/**
 * Calls that were made again: by the count they carry, or because the same one before had failed for a reason that may
 * pass. The same is what asks for the same URL or values, as far as these are known. Redirects count as resends
 * (semantic conventions), and are no attempts.
 */
function attemptsOf(scan: Scan, parent: number): Attempts[] {
  const { tree, index } = scan
  const { detail, valueHash, dictionary } = tree.spans
  const { count, call, child, number } = familyOf(scan, parent)
  const all: Attempts[] = []
  for (let i = 0; i < count; i++) {
    const span = call[i]!
    const row = tree.row[span]!
    // Whoever answered: an attempt that never arrived has no callee.
    const isRemote = index.roleOf(tree.component[span]!) === REMOTE
    const what = isRemote ? index.queryOf(tree.shape[span]!, detail[row]!) : number[i]!
    const key = what * 2 ** 32 + valueHash[row]!
    const isResent = (flagsOf(scan, span) & IS_RESENT) !== 0
    const resends = isResent ? Number(dictionary.details.fields(detail[row]!).resendCount) : 0
    const attempt = { call: span, child: child[i]!, resends }
    const same = open.get(key)
    const before = same ?? (isResent ? latest.get(what) : undefined)
    const last = before?.attempts.at(-1)
    let of: Attempts
    if (last !== undefined && isAgain(scan, last, attempt, same !== undefined)) {
      of = before!
      of.attempts.push(attempt)
    } else {
      const isRedirected = isResent && last !== undefined && (flagsOf(scan, last.call) & IS_REDIRECT) !== 0
      of = { attempts: [attempt], again: 0, before: isRedirected ? last.resends + 1 : 0 }
    }
    const again = Math.max(of.attempts.length - 1, resends - of.before)
    if (of.again === 0 && again > 0) all.push(of)
    of.again = Math.max(of.again, again)
    open.set(key, of)
    latest.set(what, of)
  }
  open.clear()
  latest.clear()
  return all
}

/** Whether an attempt follows on another. A failure need not be marked as one where the next says to be its resend. */
function isAgain(scan: Scan, last: Attempt, next: Attempt, isSame: boolean): boolean {
  const { tree } = scan
  if (tree.cutEnd[last.call]! > tree.cutStart[next.call]!) return false
  const flags = flagsOf(scan, last.call)
  const failed = tree.failed[last.call] === 1
  if (next.resends === 0) return failed && (flags & IS_FINAL) === 0
  if ((flags & IS_REDIRECT) !== 0) return false
  return failed || (isSame && last.resends === next.resends - 1)
}
