import type { Counterfactual } from '../analysis/counterfactual.ts'
import type { Dependencies } from '../analysis/dependencies.ts'
import type { ResultBuilder } from '../analysis/result-builder.ts'
import { SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { addEvidence, type EvidenceRows } from './evidence.ts'

/** What a pattern says about spans of the root at hand. */
export type Claim = {
  span: number
  pattern: number
  /** Number of its subject. */
  subject: number
  spentNs: number
  amount: number
  unproven: boolean
  change: (() => void) | undefined
}

/** Works out what claims would save, and gives them to the samples that show them. */
export type ClaimSettler = {
  /** A batch of so many rows begins. */
  begin(rows: number): void
  /**
   * Replays the claims of a root, `order[from]`, all claims of one finding together; those of one pattern stand in a row.
   */
  replay(
    tree: TraceTree,
    dependencies: Dependencies | undefined,
    from: number,
    claims: readonly Claim[],
  ): void
  /** The trace has its samples now: adds a row a sample and finding. */
  addEvidence(evidence: EvidenceRows, result: ResultBuilder, trace: number): void
}

/** Found, and its sample is not known yet: the span it is of. */
type Waiting = {
  count: number
  row: Uint32Array
  savedNs: Float64Array
  /** Place in `found`. */
  found: Uint32Array
}
/** What all claims of one finding say together. */
type Found = Omit<Claim, 'change' | 'span'>

export function createClaimSettler(counterfactual: Counterfactual): ClaimSettler {
  const waiting: Waiting = {
    count: 0,
    row: new Uint32Array(64),
    savedNs: new Float64Array(64),
    found: new Uint32Array(64),
  }
  /** The first of `found`; emptied, an array would have to grow anew for each trace. */
  let foundCount = 0
  const found: Found[] = []
  /** By row of the batch: a sample of it, if that one says so. */
  let sampleOf = new Uint32Array(0)
  /** By span: stamp of the group that went through it. */
  let passed = new Int32Array(0)
  let stamp = 0
  /** By subject: stamp of the pattern that claimed it last in this root, and its last claim. */
  let claimedBy = new Int32Array(256)
  let lastClaim = new Int32Array(256)
  /** By claim: the next of the same finding, -1: none; 1: it is the first. */
  let next = new Int32Array(64)
  let isFirst = new Uint8Array(64)

  return {
    begin(rows) {
      if (sampleOf.length < rows) sampleOf = new Uint32Array(rows)
      waiting.count = 0
      foundCount = 0
    },
    replay(tree, dependencies, from, claims) {
      counterfactual.begin(tree, dependencies, from)
      if (passed.length < tree.count) {
        passed = new Int32Array(tree.capacity)
        stamp = 0
      }
      link(claims)
      for (let i = 0; i < claims.length; i++) {
        if (isFirst[i] === 0) continue
        settle(tree, tree.order[from]!, claims, i)
        counterfactual.clear()
      }
    },
    addEvidence(evidence, { samples, traces }, trace) {
      if (waiting.count === 0) return
      const first = traces.firstSample[trace]!
      const last = trace + 1 < traces.count ? traces.firstSample[trace + 1]! : samples.count
      for (let s = last - 1; s >= first; s--) sampleOf[samples.span[s]!] = s
      for (let i = 0; i < waiting.count; i++) {
        const row = waiting.row[i]!
        const sample = sampleOf[row]!
        if (sample < first || sample >= last || samples.span[sample] !== row) continue
        if (samples.counted[sample] === 0) continue
        const { pattern, subject, spentNs, amount, unproven } = found[waiting.found[i]!]!
        addEvidence(evidence, sample, pattern, subject, waiting.savedNs[i]!, spentNs, amount, unproven)
      }
      waiting.count = 0
      foundCount = 0
    },
  }

  /** Chains the claims of one finding. */
  function link(claims: readonly Claim[]): void {
    if (next.length < claims.length) {
      next = new Int32Array(2 * claims.length)
      isFirst = new Uint8Array(2 * claims.length)
    }
    for (let i = 0; i < claims.length; i++) {
      const { subject, pattern } = claims[i]!
      if (i === 0 || pattern !== claims[i - 1]!.pattern) stamp++
      if (subject >= claimedBy.length) {
        claimedBy = widened(claimedBy, 2 * subject)
        lastClaim = widened(lastClaim, 2 * subject)
      }
      next[i] = -1
      isFirst[i] = claimedBy[subject] === stamp ? 0 : 1
      if (isFirst[i] === 0) next[lastClaim[subject]!] = i
      claimedBy[subject] = stamp
      lastClaim[subject] = i
    }
  }

  /** Replays the chain of claims that begins there. */
  function settle(tree: TraceTree, entry: number, claims: readonly Claim[], first: number): void {
    const { pattern, subject } = claims[first]!
    const all: Found = { pattern, subject, spentNs: 0, amount: 0, unproven: false }
    let changes = false
    for (let i = first; i >= 0; i = next[i]!) {
      const { change, amount, spentNs, unproven } = claims[i]!
      if (change !== undefined) {
        change()
        changes = true
      }
      all.amount += amount
      all.spentNs += spentNs
      all.unproven ||= unproven
    }
    if (changes) counterfactual.replay()
    const number = foundCount++
    found[number] = all
    wait(tree.row[entry]!, counterfactual.savedNs(entry), number)
    const { kind, cutStart, cutEnd, start, end, parent } = tree
    stamp++
    passed[entry] = stamp
    for (let i = first; i >= 0; i = next[i]!) {
      for (let up = claims[i]!.span; up >= 0 && passed[up] !== stamp; up = parent[up]!) {
        passed[up] = stamp
        // What was cut is analyzed again within its own bounds: this saving is not its sample's.
        if (kind[up] !== SERVER || cutStart[up] !== start[up] || cutEnd[up] !== end[up]) continue
        wait(tree.row[up]!, counterfactual.savedNs(up), number)
      }
    }
  }

  function wait(row: number, savedNs: number, number: number): void {
    const at = waiting.count++
    if (at === waiting.row.length) {
      waiting.row = widened(waiting.row, 2 * at)
      waiting.savedNs = widened(waiting.savedNs, 2 * at)
      waiting.found = widened(waiting.found, 2 * at)
    }
    waiting.row[at] = row
    waiting.savedNs[at] = savedNs
    waiting.found[at] = number
  }
}

function widened<T extends Int32Array | Uint32Array | Float64Array>(from: T, length: number): T {
  const wider = new (from.constructor as new (length: number) => T)(length)
  wider.set(from)
  return wider
}
