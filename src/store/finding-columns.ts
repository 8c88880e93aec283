import { foundAt } from '../findings/collect.ts'
import { type EvidenceRows, evidenceBySample } from '../findings/evidence.ts'
import type { NativeColumn } from './native-writer.ts'

/** The store has amounts in thousandths: shares are amounts, too. */
export const AMOUNT_SCALE = 1000

/** The columns of `samples` that say what was found in those of `order`: a row each; rows beyond them have nothing. */
export function createFindingColumns(
  evidence: EvidenceRows | undefined,
  samples: number,
  order: Uint32Array,
  rows: number,
): NativeColumn[] {
  const ends = new Uint32Array(rows)
  const patterns: string[] = []
  const subjects: string[] = []
  const savedNs: number[] = []
  const spentNs: number[] = []
  const amounts: number[] = []
  const unproven: number[] = []
  if (evidence !== undefined) {
    const { first, rows: found } = evidenceBySample(evidence, samples)
    for (let row = 0; row < order.length; row++) {
      const end = first[order[row]! + 1]!
      for (let at = first[order[row]!]!; at < end; at++) add(foundAt(evidence, found[at]!))
      ends[row] = patterns.length
    }
    ends.fill(patterns.length, order.length)
  }
  return [
    { name: 'FindingPatterns', type: 'Array(String)', ends, values: patterns },
    { name: 'FindingSubjects', type: 'Array(String)', ends, values: subjects },
    { name: 'FindingSavedNs', type: 'Array(UInt64)', ends, values: savedNs },
    { name: 'FindingSpentNs', type: 'Array(UInt64)', ends, values: spentNs },
    { name: 'FindingAmounts', type: 'Array(UInt64)', ends, values: amounts },
    { name: 'FindingUnproven', type: 'Array(UInt32)', ends, values: unproven },
  ]

  function add(found: ReturnType<typeof foundAt>): void {
    patterns.push(found.pattern)
    subjects.push(found.subject)
    savedNs.push(found.savedNs)
    spentNs.push(found.spentNs)
    amounts.push(Math.round(found.amount * AMOUNT_SCALE))
    unproven.push(found.unproven ? 1 : 0)
  }
}
