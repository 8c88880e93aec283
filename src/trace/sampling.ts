import type { AttributeMap } from './shape.ts'

/** Weights are stored as UInt32. */
const HEAVIEST = 0xffff_ffff
/** A probability threshold has 14 hex digits, of which trailing zeros are left out. */
const THRESHOLD_DIGITS = 14

/** Entries of a tracestate, and what is looked for in them: the store's patterns, letter by letter but for spaces. */
const OPENTELEMETRY = /(?:^|,)[ \t\r\n\f]*ot=([^,]*)/
const ELASTIC = /(?:^|,)[ \t\r\n\f]*es=([^,]*)/
const THRESHOLD = /(?:^|;)th:([0-9a-f]{1,14})[ \t\r\n\f]*(?:;|$)/
const EXPONENT = /(?:^|;)p:([0-9]{1,2})[ \t\r\n\f]*(?:;|$)/
const ELASTIC_SHARE = /(?:^|;)s:([^; \t\r\n\f]*)[ \t\r\n\f]*(?:;|$)/

/**
 * How many requests a span stands for: one by its sampling probability, rounded, at least 1. 0 where the span does not
 * say; then its parent may. The first of SOURCES that makes sense counts.
 */
export function samplingWeight(traceState: string, attributes: AttributeMap): number {
  for (const count of SOURCES) {
    const value = count(traceState, attributes)
    if (value !== undefined && value > 0 && Number.isFinite(value))
      return Math.min(HEAVIEST, Math.max(1, Math.round(value)))
  }
  return 0
}

type Source = (traceState: string, attributes: AttributeMap) => number | undefined

/** Who says it, and how. The store has the same rules in SQL (schema/, the view that fills spans_lean). */
const SOURCES: readonly Source[] = [
  // OpenTelemetry's consistent probability sampling, `ot=th:c`: 2^56 minus the threshold in 2^56 are kept.
  (traceState) => {
    const digits = THRESHOLD.exec(entryOf(traceState, OPENTELEMETRY))?.[1]?.padEnd(THRESHOLD_DIGITS, '0')
    if (digits === undefined) return undefined
    const half = 2 ** 28
    const kept =
      (half - Number.parseInt(digits.slice(0, 7), 16)) * half - Number.parseInt(digits.slice(7), 16)
    return half ** 2 / kept
  },
  // Its predecessor, `ot=p:3;r:5`: one of 2^p is kept; 63 is "none", which says nothing about a span that is here.
  (traceState) => {
    const exponent = EXPONENT.exec(entryOf(traceState, OPENTELEMETRY))?.[1]
    return exponent === undefined || Number(exponent) > 62 ? undefined : 2 ** Number(exponent)
  },
  // Elastic's agents, `es=s:0.25`.
  (traceState) => inverse(probability(ELASTIC_SHARE.exec(entryOf(traceState, ELASTIC))?.[1])),
  (_, attributes) => inverse(probability(attributes['sampling.probability'])),
  // Honeycomb's SDKs and Refinery: one in so many.
  (_, attributes) => number(attributes.SampleRate),
  // Azure Monitor: percent.
  (_, attributes) => inverse(probability(attributes['_MS.sampleRate'], 100)),
  // Jaeger's clients, on the root.
  (_, attributes) =>
    attributes['sampler.type'] === 'probabilistic'
      ? inverse(probability(attributes['sampler.param']))
      : undefined,
]

/** A vendor's entry of a W3C tracestate, `vendor=key:value;...`; '' if it is not there. */
function entryOf(traceState: string, vendor: RegExp): string {
  return traceState === '' ? '' : (vendor.exec(traceState)?.[1] ?? '')
}

function number(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^\d+(\.\d*)?(e-?\d+)?$/i.test(value) ? Number(value) : undefined
}

/** A share of `whole` as a number above 0, up to 1. */
function probability(value: unknown, whole = 1): number | undefined {
  const share = number(value)
  return share !== undefined && share > 0 && share <= whole ? share / whole : undefined
}

function inverse(share: number | undefined): number | undefined {
  return share === undefined ? undefined : 1 / share
}
