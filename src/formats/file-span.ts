import type { AttributeMap } from '../trace/shape.ts'
import type { SpanKind } from '../trace/span.ts'

/** What every format is read into: OTLP's span, with attributes as plain values. */
export type FileSpan = {
  /** 32 lower-case hex digits. */
  traceId: string
  /** 16 lower-case hex digits; '' as parent: none. */
  spanId: string
  parentSpanId: string
  name: string
  kind: SpanKind
  /** Epoch nanoseconds, as recorded; 0: not known. */
  startNs: bigint
  endNs: bigint
  /** OTLP status code. */
  status: number
  attributes: AttributeMap
  /** Requests that it stands for, 0: it does not say (trace/sampling.ts). */
  weight: number
  /** Only where asked for: no part of the analysis. */
  rest?: SpanRest
}

export type SpanRest = {
  statusMessage: string
  traceState: string
  flags: number
  events: { timeNs: bigint; name: string; attributes: AttributeMap }[]
  links: { traceId: string; spanId: string; traceState: string; attributes: AttributeMap }[]
}

/**
 * Resource of spans: attributes that may come later in the file than the spans (Jaeger's processes do). The object
 * itself is what spans refer to.
 */
export type Resource = { attributes: AttributeMap | undefined }

export type Scope = { readonly name: string; readonly version: string }
export const NO_SCOPE: Scope = { name: '', version: '' }

/** Takes what a file holds. */
export type SpanSink = {
  add(span: FileSpan, resource: Resource, scope: Scope): void
  /** The resources of all spans so far are known; where one still is not, it has no attributes. */
  settle(): void
  /** The file broke off: spans whose resource is not known are to be forgotten. Returns how many. */
  abandon(): number
}

/** Nesting of values deeper than this is cut off: nobody names things by it, and no stack is endless. */
export const DEEPEST_VALUE = 32
