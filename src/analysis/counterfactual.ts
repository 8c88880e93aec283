import type { TraceTree } from '../trace/tree.ts'
import type { Dependencies } from './dependencies.ts'
import { type Block, createWaits, growWaits, isLearned, listWaits, scheduleBlock } from './waits.ts'

/**
 * The schedule of a settled root with some of its spans changed: another length, less wait before a call, own work at a
 * factor, calls that run beside each other. The rules are those of waits.ts; only what changed and the spans above it
 * are worked out again, O(children of those spans).
 */
export type Counterfactual = {
  /** Of a settled and charged root, `order[from]`; forgets all changes. */
  begin(tree: TraceTree, dependencies: Dependencies | undefined, from: number): void
  /** Forgets the changes, keeps the root. */
  clear(): void
  /** The span, whatever is in it, takes this long, ns. */
  setLength(span: number, lengthNs: number): void
  /** The own work of its parent right before this child takes at most this long, ns. */
  cutGap(child: number, mostNs: number): void
  /** The span's own work takes `factor` times as long; what it calls keeps its time. */
  setFactor(span: number, factor: number): void
  /**
   * Children of one parent, in span order: the later ones wait for what the first waits for, and for the own work that
   * lay before them.
   */
  runBeside(children: readonly number[]): void
  /** Works out the new lengths. */
  replay(): void
  /** How much shorter a span is, whole ns; 0 for what no change reaches. */
  savedNs(span: number): number
}

/** In `open`: worked out. */
const DONE = -1

export function createCounterfactual(): Counterfactual {
  const none = new Float64Array(0)
  const waits = createWaits(undefined)
  let left = none
  let tree!: TraceTree
  let root = 0
  /** Per span, valid where the stamp is the current one. */
  let stamp = 1
  let length = none
  let lengthAt = new Int32Array(0)
  let fixedAt = new Int32Array(0)
  let gapMost = none
  let gapMostAt = new Int32Array(0)
  let factor = none
  let factorAt = new Int32Array(0)
  /** First of the group that runs beside each other. */
  let leader = new Int32Array(0)
  let leaderAt = new Int32Array(0)
  let visitedAt = new Int32Array(0)
  let changed = new Int32Array(0)
  let changes = 0
  /** Spans that changes reach, and how many of their children are still to be worked out. */
  let reached = new Int32Array(0)
  let reachedCount = 0
  let open = new Int32Array(0)

  return {
    begin(of, dependencies, from) {
      tree = of
      root = tree.order[from]!
      waits.dependencies = dependencies
      if (open.length < tree.count) grow(tree.capacity)
      forget()
    },
    clear: forget,
    setLength(span, lengthNs) {
      length[span] = lengthNs
      lengthAt[span] = stamp
      fixedAt[span] = stamp
      change(span)
    },
    cutGap(child, mostNs) {
      gapMost[child] = mostNs
      gapMostAt[child] = stamp
      change(child)
    },
    setFactor(span, by) {
      factor[span] = by
      factorAt[span] = stamp
      change(span)
    },
    runBeside(children) {
      for (const child of children) {
        leader[child] = children[0]!
        leaderAt[child] = stamp
        change(child)
      }
    },
    replay() {
      reach()
      // Children first: a span is next when the last of them is done.
      for (let i = 0; i < reachedCount; i++) {
        let span = reached[i]!
        while (open[span] === 0) {
          open[span] = DONE
          if (fixedAt[span] !== stamp) reschedule(span)
          if (span === root || tree.parent[span]! < 0) break
          span = tree.parent[span]!
          open[span]!--
        }
      }
    },
    savedNs(span) {
      if (lengthAt[span] !== stamp) return 0
      return Math.round(tree.cutEnd[span]! - tree.cutStart[span]! - length[span]!)
    },
  }

  /** Lists the changed spans and all above them. */
  function reach(): void {
    const { parent } = tree
    for (let i = 0; i < changes; i++) {
      const span = changed[i]!
      if (visitedAt[span] === stamp) continue
      visit(span)
      for (let at = span; at !== root && parent[at]! >= 0; at = parent[at]!) {
        const up = parent[at]!
        const isKnown = visitedAt[up] === stamp
        if (!isKnown) visit(up)
        open[up]!++
        if (isKnown) break
      }
    }
  }

  function visit(span: number): void {
    visitedAt[span] = stamp
    open[span] = 0
    reached[reachedCount++] = span
  }

  function change(span: number): void {
    if (changes === changed.length) {
      const wider = new Int32Array(2 * changes + 16)
      wider.set(changed)
      changed = wider
    }
    changed[changes++] = span
  }

  function forget(): void {
    stamp++
    changes = 0
    reachedCount = 0
  }

  function lengthOf(span: number): number {
    return lengthAt[span] === stamp ? length[span]! : tree.cutEnd[span]! - tree.cutStart[span]!
  }

  function reschedule(span: number): void {
    const { firstChild, child, live, cutStart, cutEnd } = tree
    const slots = firstChild[span]!
    const block: Block = {
      span,
      learned: isLearned(waits, span),
      from: slots,
      to: slots + live[span]!,
      startNs: cutStart[span]!,
      endNs: cutEnd[span]!,
    }
    const tail = listWaits(tree, waits, block)
    const { gap } = waits
    /** Slot of the first of the group at hand. */
    let first = -1
    let groupGap = 0
    const restore: (() => void)[] = []
    for (let slot = slots; slot < block.to; slot++) {
      const c = child[slot]!
      left[slot] = lengthOf(c)
      if (gapMostAt[c] === stamp) gap[slot] = Math.min(gap[slot]!, gapMost[c]!)
      if (leaderAt[c] !== stamp) continue
      if (leader[c] === c) {
        first = slot
        groupGap = 0
      }
      groupGap += gap[slot]!
      gap[slot] = groupGap
      if (block.learned) restore.push(waitLike(waits.dependencies!, first, slot))
      else waits.waits[slot] = waits.waits[first]!
    }
    const works = factorAt[span] === stamp ? factor[span]! : 1
    length[span] = scheduleBlock(tree, waits, block, left, works, tail)
    lengthAt[span] = stamp
    for (const back of restore) back()
  }

  function grow(capacity: number): void {
    length = new Float64Array(capacity)
    factor = new Float64Array(capacity)
    lengthAt = new Int32Array(capacity)
    fixedAt = new Int32Array(capacity)
    gapMost = new Float64Array(capacity)
    gapMostAt = new Int32Array(capacity)
    factorAt = new Int32Array(capacity)
    leader = new Int32Array(capacity)
    leaderAt = new Int32Array(capacity)
    visitedAt = new Int32Array(capacity)
    open = new Int32Array(capacity)
    reached = new Int32Array(capacity)
    left = new Float64Array(capacity)
    growWaits(waits, capacity)
    stamp = 0
  }
}

/** Makes one learned event wait for what another waits for; returns how to undo it. */
function waitLike(dependencies: Dependencies, like: number, event: number): () => void {
  const columns = [dependencies.first, dependencies.last, dependencies.besideFrom, dependencies.besideNs]
  const before = columns.map((column) => column[event]!)
  for (const column of columns) column[event] = column[like]!
  return () => {
    columns.forEach((column, i) => {
      column[event] = before[i]!
    })
  }
}
