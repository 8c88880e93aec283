/**
 * Evidence of a batch as columns, a row a sample and finding. `pattern` numbers patterns.ts's list, `subject` the
 * subjects' keys; `sample` numbers the analysis's samples.
 */
export type EvidenceRows = {
  count: number
  sample: Uint32Array
  pattern: Uint8Array
  subject: Uint32Array
  savedNs: Float64Array
  spentNs: Float64Array
  amount: Float64Array
  unproven: Uint8Array
  /** Keys of subjects (subject.ts), by number; also those of earlier batches. */
  subjects: readonly string[]
}

export function createEvidence(subjects: readonly string[]): EvidenceRows {
  return {
    count: 0,
    sample: new Uint32Array(64),
    pattern: new Uint8Array(64),
    subject: new Uint32Array(64),
    savedNs: new Float64Array(64),
    spentNs: new Float64Array(64),
    amount: new Float64Array(64),
    unproven: new Uint8Array(64),
    subjects,
  }
}

const COLUMNS = ['sample', 'pattern', 'subject', 'savedNs', 'spentNs', 'amount', 'unproven'] as const

/** Adds a row; values are cut to whole ns, and none saves less than nothing. */
export function addEvidence(
  rows: EvidenceRows,
  sample: number,
  pattern: number,
  subject: number,
  savedNs: number,
  spentNs: number,
  amount: number,
  unproven: boolean,
): void {
  const at = rows.count++
  if (at === rows.sample.length) for (const name of COLUMNS) widen(rows, name)
  // By name: a loop over names looks each up anew, many times the cost.
  rows.sample[at] = sample
  rows.pattern[at] = pattern
  rows.subject[at] = subject
  rows.savedNs[at] = Math.max(0, savedNs)
  rows.spentNs[at] = Math.round(spentNs)
  rows.amount[at] = amount
  rows.unproven[at] = unproven ? 1 : 0
}

function widen(rows: EvidenceRows, name: (typeof COLUMNS)[number]): void {
  const from = rows[name]
  const wider = new (from.constructor as new (length: number) => typeof from)(2 * from.length)
  wider.set(from as never)
  rows[name] = wider as never
}

/** Row numbers by sample: those of sample s are `rows[first[s]..first[s + 1])`. */
export function evidenceBySample(
  evidence: EvidenceRows,
  samples: number,
): { first: Uint32Array; rows: Uint32Array } {
  const first = new Uint32Array(samples + 1)
  for (let i = 0; i < evidence.count; i++) first[evidence.sample[i]! + 1]!++
  for (let s = 0; s < samples; s++) first[s + 1]! += first[s]!
  const next = first.slice()
  const rows = new Uint32Array(evidence.count)
  for (let i = 0; i < evidence.count; i++) rows[next[evidence.sample[i]!]!++] = i
  return { first, rows }
}
