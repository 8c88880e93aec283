/** Beyond these something is cut, counted, and its row marked with FLAG_CUT. */
export type SpanLimits = {
  /** Span, event and scope names, status messages, trace states. */
  nameBytes: number
  keyBytes: number
  valueBytes: number
  /** Of a span, an event, a link or a resource each. */
  attributes: number
  eventsPerSpan: number
  linksPerSpan: number
  /** Whether texts of queries keep their values, and values bound to them are kept. */
  keepQueryValues: boolean
}

/**
 * SDKs stop at 128 attributes, events and links unless told otherwise, and do not limit lengths; these leave room for
 * prompts and stack traces, and keep one span from being most of a batch.
 */
export const DEFAULT_SPAN_LIMITS: SpanLimits = {
  nameBytes: 4096,
  keyBytes: 512,
  valueBytes: 64 * 1024,
  attributes: 256,
  eventsPerSpan: 256,
  linksPerSpan: 256,
  keepQueryValues: true,
}

export type ReceiverLimits = {
  spans: SpanLimits
  /** What requests may hold between their first byte and their acknowledgement. */
  memoryBytes: number
  /** Of one request, packed or unpacked. */
  maxMessageBytes: number
  /** A request has this long to arrive. */
  requestTimeoutMs: number
}

export const DEFAULT_RECEIVER_LIMITS: ReceiverLimits = {
  spans: DEFAULT_SPAN_LIMITS,
  memoryBytes: 512 * 1024 * 1024,
  maxMessageBytes: 64 * 1024 * 1024,
  requestTimeoutMs: 30_000,
}

export const CUT_KINDS = ['names', 'keys', 'values', 'attributes', 'events', 'links'] as const
/** How often each was cut. */
export type CutCounts = Record<(typeof CUT_KINDS)[number], number>

export const REJECT_REASONS = [
  'invalid-trace-id',
  'invalid-span-id',
  'invalid-parent-id',
  'no-time',
  'too-old',
  'too-new',
  'refused-by-store',
] as const
export type RejectReason = (typeof REJECT_REASONS)[number]
/** Spans by reason. */
export type RejectCounts = Record<RejectReason, number>

export function noCuts(): CutCounts {
  return { names: 0, keys: 0, values: 0, attributes: 0, events: 0, links: 0 }
}

export function noRejects(): RejectCounts {
  return Object.fromEntries(REJECT_REASONS.map((reason) => [reason, 0])) as RejectCounts
}

/** What is said of each reason in partial_success. */
const REJECT_TEXTS: Record<RejectReason, string> = {
  'invalid-trace-id': 'trace id is not 16 bytes, or all zero',
  'invalid-span-id': 'span id is not 8 bytes, or all zero',
  'invalid-parent-id': 'parent span id is not 8 bytes',
  'no-time': 'neither start nor end',
  'too-old': 'start lies before the retention time',
  'too-new': 'start lies more than a day in the future',
  'refused-by-store': 'refused by the store for its data',
}

/** `3 spans rejected: 2 trace id is ..., 1 start lies ...`; '' where none was. */
export function describeRejects(counts: RejectCounts): { count: number; message: string } {
  let count = 0
  const parts: string[] = []
  for (const reason of REJECT_REASONS) {
    if (counts[reason] === 0) continue
    count += counts[reason]
    parts.push(`${counts[reason]}: ${REJECT_TEXTS[reason]}`)
  }
  return { count, message: count === 0 ? '' : `${count} spans rejected (${parts.join('; ')})` }
}
