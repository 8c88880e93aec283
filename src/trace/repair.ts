/** Repairs, in the order of the rules that make them. Each is reported, none is silent. */
export const REPAIR_KINDS = [
  'negative-duration',
  'no-time',
  'shared-id',
  'duplicate',
  'orphan',
  'cycle',
  'skew-shifted',
  'detached',
  'clamped',
  'trimmed',
] as const
export type RepairKind = (typeof REPAIR_KINDS)[number]

export const NEGATIVE_DURATION = 0
export const NO_TIME = 1
export const SHARED_ID = 2
export const DUPLICATE = 3
export const ORPHAN = 4
export const CYCLE = 5
export const SKEW_SHIFTED = 6
export const DETACHED = 7
export const CLAMPED = 8
export const TRIMMED = 9
