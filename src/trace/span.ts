/** Whole nanoseconds, relative to some origin named by the holder. Exact in a JS number up to 104 days. */
export type Ns = number & { readonly unit?: 'ns' }

/**
 * Span kinds in the order of their names: the code itself is the last tie-break of span order
 * (start, longest, id, kind by name).
 */
export const SPAN_KINDS = ['CLIENT', 'CONSUMER', 'INTERNAL', 'PRODUCER', 'SERVER'] as const
export type SpanKind = (typeof SPAN_KINDS)[number]
export const CLIENT = 0
export const CONSUMER = 1
export const INTERNAL = 2
export const PRODUCER = 3
export const SERVER = 4

/** OTLP status codes. */
export const STATUS_UNSET = 0
export const STATUS_OK = 1
export const STATUS_ERROR = 2

/** Kind code of a kind's name in any spelling (`Server`, `SPAN_KIND_SERVER`); what is not known is INTERNAL. */
export function kindCode(name: string): number {
  const index = SPAN_KINDS.indexOf(name.toUpperCase().replace('SPAN_KIND_', '') as SpanKind)
  return index < 0 ? INTERNAL : index
}

/** OTLP's numbers: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
const OTLP_KIND_CODES = [INTERNAL, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER]
export function kindCodeOfOtlp(kind: number): number {
  return OTLP_KIND_CODES[kind] ?? INTERNAL
}
