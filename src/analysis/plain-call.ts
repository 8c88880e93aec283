import { LEAST_SHOWN, SHOWN } from './beside.ts'
import { type FamilyStore, lookAtCalls } from './family-store.ts'
import { logOf } from './log-normal.ts'
import { toleranceNs } from './structure.ts'
import { TOLERATED } from './waited-for.ts'

/** By how much sums in another order may differ, at most. */
const ROUNDING = 1e-6

/**
 * Whether families of one call certainly say no more than the rules for one trace: the call is waited for, and gaps
 * after it do not fall with longer calls, so that there is no own work beside it. The way of most families, told without
 * all that `learnStructure` makes of them; false says nothing.
 */
export function isPlainCall(families: FamilyStore): boolean {
  let n = 0
  let before = 0
  let ordered = true
  let x = 0
  let y = 0
  let xx = 0
  let yy = 0
  let xy = 0
  lookAtCalls(families, (startNs, endNs, parentNs, wholeMs) => {
    if (!(startNs >= 0 && endNs >= startNs)) ordered = false
    const overNs = endNs - parentNs
    if (overNs > 0 && overNs > toleranceNs(wholeMs, Math.min(parentNs, endNs - startNs))) {
      before++
      return
    }
    const readyNs = Math.min(endNs, parentNs)
    if (readyNs <= startNs) return
    const a = logOf(readyNs - startNs)
    const b = logOf(parentNs - readyNs)
    n++
    x += a
    y += b
    xx += a * a
    yy += b * b
    xy += a * b
  })
  if (!ordered || before > TOLERATED * families.count) return false
  if (n < LEAST_SHOWN) return true
  const spread = (xx - (x * x) / n) * (yy - (y * y) / n)
  if (spread < ROUNDING * xx * yy) return false
  return ((xy - (x * y) / n) / Math.sqrt(spread)) * Math.sqrt(n) > SHOWN.falling + ROUNDING
}
