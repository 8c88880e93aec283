import { foundAt } from '../findings/collect.ts'
import { type EvidenceRows, evidenceBySample } from '../findings/evidence.ts'
import type { NativeColumn } from './native-writer.ts'

/** The store has amounts in thousandths: shares are amounts, too. */
export const AMOUNT_SCALE = 1000

/** The columns of `samples` that say what was found in them: a row a call, in the order of the block. */
export type FindingColumns = {
  addSample(sample: number): void
  addNothing(): void
  columns(): NativeColumn[]
}

export function createFindingColumns(evidence: EvidenceRows | undefined, samples: number): FindingColumns {
  const bySample = evidence === undefined ? undefined : evidenceBySample(evidence, samples)
  const ends: number[] = []
  const patterns: string[] = []
  const subjects: string[] = []
  const savedNs: number[] = []
  const spentNs: number[] = []
  const amounts: number[] = []
  const unproven: number[] = []
  return {
    addSample(sample) {
      if (evidence !== undefined && bySample !== undefined) {
        for (let at = bySample.first[sample]!; at < bySample.first[sample + 1]!; at++) {
          const found = foundAt(evidence, bySample.rows[at]!)
          patterns.push(found.pattern)
          subjects.push(found.subject)
          savedNs.push(found.savedNs)
          spentNs.push(found.spentNs)
          amounts.push(Math.round(found.amount * AMOUNT_SCALE))
          unproven.push(found.unproven ? 1 : 0)
        }
      }
      ends.push(patterns.length)
    },
    addNothing: () => ends.push(patterns.length),
    columns: () => [
      { name: 'FindingPatterns', type: 'Array(String)', ends, values: patterns },
      { name: 'FindingSubjects', type: 'Array(String)', ends, values: subjects },
      { name: 'FindingSavedNs', type: 'Array(UInt64)', ends, values: savedNs },
      { name: 'FindingSpentNs', type: 'Array(UInt64)', ends, values: spentNs },
      { name: 'FindingAmounts', type: 'Array(UInt64)', ends, values: amounts },
      { name: 'FindingUnproven', type: 'Array(UInt32)', ends, values: unproven },
    ],
  }
}
