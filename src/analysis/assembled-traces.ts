import { logRepair, type RepairLog } from '../trace/repair-log.ts'
import { growTree, type TraceTree } from '../trace/tree.ts'
import type { Assembled } from './assemble.ts'
import type { ClockPair } from './clocks.ts'

/**
 * Traces of one batch as they were assembled to learn from them: copying one back into a tree costs a fraction of
 * assembling it again.
 */
export type AssembledTraces = {
  /** The clocks they were assembled by: an analysis by others has no use for them. */
  clocks: readonly ClockPair[]
  /** Makes room for so many spans more. */
  reserve(spans: number): void
  /** Takes what is in the tree, and all repairs of the log. */
  keep(trace: number, tree: TraceTree, assembled: Assembled, repairs: RepairLog): void
  /**
   * Brings a trace into the tree, but for what only assembling reads (shift, hasRemote, driver), and appends its repairs
   * to the log. Undefined: it is not kept.
   */
  restore(trace: number, tree: TraceTree, repairs: RepairLog): Assembled | undefined
}

type Kept = {
  assembled: Assembled
  from: number
  count: number
  originLow: number
  originHigh: number
  firstRepair: number
  repairCount: number
}

/** Numbers of a span: whole ones and times, in the order of `restore`; bits of a byte, `entry` above them. */
const WORDS = 12
const TIMES = 4
const FAILED = 1
const OVERLAP = 2
const DETACHED = 4
const ENTRY_FROM = 8

export function createAssembledTraces(): AssembledTraces {
  let words = new Int32Array(0)
  let times = new Float64Array(0)
  let count = 0
  const keptTraces: (Kept | undefined)[] = []
  const kind: number[] = []
  const span: number[] = []
  const shiftNs: number[] = []
  return {
    clocks: [],
    reserve(spans) {
      if (WORDS * (count + spans) <= words.length) return
      const [before, timesBefore] = [words, times]
      words = new Int32Array(WORDS * (count + spans))
      times = new Float64Array(TIMES * (count + spans))
      words.set(before)
      times.set(timesBefore)
    },
    keep(trace, tree, assembled, repairs) {
      this.reserve(tree.count)
      const firstRepair = kind.length
      for (let i = 0; i < repairs.count; i++) {
        kind.push(repairs.kind[i]!)
        span.push(repairs.span[i]!)
        shiftNs.push(repairs.shiftNs[i]!)
      }
      const from = count
      count += tree.count
      keptTraces[trace] = {
        assembled,
        from,
        count: tree.count,
        originLow: tree.originLow,
        originHigh: tree.originHigh,
        firstRepair,
        repairCount: repairs.count,
      }
      const { row, idLow, idHigh, shape, parent, firstChild, child, live, byEnd, component, order } = tree
      const { failed, overlap, detached, entry, start, end, cutStart, cutEnd } = tree
      for (let i = 0, at = WORDS * from, t = TIMES * from; i < tree.count; i++, at += WORDS, t += TIMES) {
        words[at] = row[i]!
        words[at + 1] = idLow[i]!
        words[at + 2] = idHigh[i]!
        words[at + 3] = shape[i]!
        words[at + 4] = parent[i]!
        words[at + 5] = firstChild[i + 1]!
        words[at + 6] = child[i]!
        words[at + 7] = live[i]!
        words[at + 8] = byEnd[i]!
        words[at + 9] = component[i]!
        words[at + 10] = order[i]!
        words[at + 11] =
          (failed[i]! * FAILED) |
          (overlap[i]! * OVERLAP) |
          (detached[i]! * DETACHED) |
          (entry[i]! << ENTRY_FROM)
        times[t] = start[i]!
        times[t + 1] = end[i]!
        times[t + 2] = cutStart[i]!
        times[t + 3] = cutEnd[i]!
      }
    },
    restore(trace, tree, repairs) {
      const kept = keptTraces[trace]
      if (kept === undefined) return undefined
      for (let i = kept.firstRepair; i < kept.firstRepair + kept.repairCount; i++) {
        logRepair(repairs, kind[i]!, span[i]!, shiftNs[i])
      }
      growTree(tree, kept.count)
      tree.count = kept.count
      tree.originLow = kept.originLow
      tree.originHigh = kept.originHigh
      const { shapeKind, shapeService } = tree.spans.dictionary
      const { row, idLow, idHigh, shape, parent, firstChild, child, live, byEnd, component, order } = tree
      const { failed, overlap, detached, entry, start, end, cutStart, cutEnd, kind: kinds, service } = tree
      firstChild[0] = 0
      for (let i = 0, at = WORDS * kept.from, t = TIMES * kept.from; i < kept.count; i++) {
        row[i] = words[at]!
        idLow[i] = words[at + 1]!
        idHigh[i] = words[at + 2]!
        const its = words[at + 3]!
        shape[i] = its
        kinds[i] = shapeKind[its]!
        service[i] = shapeService[its]!
        parent[i] = words[at + 4]!
        firstChild[i + 1] = words[at + 5]!
        child[i] = words[at + 6]!
        live[i] = words[at + 7]!
        byEnd[i] = words[at + 8]!
        component[i] = words[at + 9]!
        order[i] = words[at + 10]!
        const bits = words[at + 11]!
        failed[i] = bits & FAILED
        overlap[i] = (bits & OVERLAP) >> 1
        detached[i] = (bits & DETACHED) >> 2
        entry[i] = bits >> ENTRY_FROM
        start[i] = times[t]!
        end[i] = times[t + 1]!
        cutStart[i] = times[t + 2]!
        cutEnd[i] = times[t + 3]!
        at += WORDS
        t += TIMES
      }
      return kept.assembled
    },
  }
}

export function sameClocks(a: readonly ClockPair[], b: readonly ClockPair[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ from, to, offsetNs }, i) => {
      const other = b[i]!
      return from === other.from && to === other.to && offsetNs === other.offsetNs
    })
  )
}
