import { z } from '@hono/zod-openapi'
import { parseTarget, type Target } from '../analysis/target.ts'
import type { SampleFilter } from '../store/sample-filter.ts'
import { ApiError } from './errors.ts'

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
/** `now`, `now-1h`, `now-30m`. */
const RELATIVE = /^now(?:-(\d+)([smhdw]))?$/

/** `2026-01-31`, `2026-01-31T10:00`, `2026-01-31T10:00:00.123+02:00`; a `+` that was not escaped arrives as a space. */
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+ -]\d{2}:\d{2})?)?$/

/** A time as epoch ms: ISO 8601 (UTC where it names no zone), or relative to now. undefined if it is neither. */
export function parseTime(text: string, nowMs: number): number | undefined {
  const relative = RELATIVE.exec(text)
  if (relative !== null) return nowMs - Number(relative[1] ?? 0) * (UNIT_MS[relative[2] ?? 's'] ?? 0)
  const [, date, clock = '00:00', zone = 'Z'] = ISO.exec(text) ?? []
  const ms = Date.parse(`${date}T${clock}${zone.replace(' ', '+')}`)
  return Number.isNaN(ms) || !isDay(date!) ? undefined : ms
}

/** Date.parse takes February 30 for March 2. */
function isDay(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
}

/** The store keeps times as seconds of 32 bits. */
const LATEST_MS = Date.UTC(2106, 0)

export const anyTime = z.string().refine((text) => {
  const ms = parseTime(text, Date.now())
  return ms !== undefined && ms >= 0 && ms <= LATEST_MS
}, 'expected an ISO 8601 time between 1970 and 2105, or now-1h')

const time = (fallback: string, description: string) =>
  anyTime.default(fallback).openapi({ description, example: fallback })

export const RangeQuery = z.object({
  from: time('now-1h', 'Start of the range: ISO 8601 or relative (`now-1h`)'),
  to: time('now', 'End of the range, not included'),
  environment: z.string().optional().openapi({ description: 'deployment.environment.name' }),
  namespace: z.string().optional().openapi({ description: 'service.namespace' }),
  service: z.string().optional().openapi({ description: 'service.name' }),
  operation: z.string().optional().openapi({ description: 'Endpoint, as /endpoints names it' }),
  scope: z
    .enum(['trace', 'service'])
    .optional()
    .openapi({ description: 'trace: entries of traces; service: SERVER spans within them' }),
  version: z.string().optional().openapi({ description: 'service.version of the endpoint' }),
})

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100).openapi({ description: 'Rows at the most' }),
  offset: z.coerce.number().int().min(0).default(0).openapi({ description: 'Rows left out before them' }),
})

export const TargetQuery = z.object({
  target: z
    .string()
    .optional()
    .refine((text) => text === undefined || targetOf(text) !== undefined, 'expected a target, as p95<500ms')
    .openapi({ description: 'What the endpoint should keep', example: 'p95<500ms' }),
})

/** undefined for text that is no target. */
export function targetOf(text: string | undefined): Target | undefined {
  try {
    return text === undefined ? undefined : parseTarget(text)
  } catch {
    return undefined
  }
}

export function badParameter(parameter: string, message: string): ApiError {
  return new ApiError(400, 'bad-parameter', message, [{ parameter, message }])
}

/** A range in epoch ms. `prefix`: of its parameters' names. @throws ApiError if it is empty */
export function rangeOf(
  { from, to }: Pick<z.infer<typeof RangeQuery>, 'from' | 'to'>,
  prefix: '' | 'baseline' = '',
) {
  const nowMs = Date.now()
  const fromMs = Math.floor(parseTime(from, nowMs)!)
  const toMs = Math.ceil(parseTime(to, nowMs)!)
  if (fromMs >= toMs) {
    const [first, last] = prefix === '' ? ['from', 'to'] : [`${prefix}From`, `${prefix}To`]
    throw badParameter(first!, `${first}: ${from} is not before ${last}: ${to}`)
  }
  return { fromMs, toMs }
}

/** Spans that begin more than a day ahead are rejected: from here on there is nothing, and no minute is looked for. */
const AHEAD_MS = 2 * UNIT_MS.d!

/** The filter of the store that a range asks for. @throws ApiError if it is empty */
export function filterOf(query: z.infer<typeof RangeQuery>, prefix: '' | 'baseline' = ''): SampleFilter {
  const { fromMs, toMs } = rangeOf(query, prefix)
  return {
    fromMs,
    toMs: Math.min(toMs, Math.max(fromMs + 1, Date.now() + AHEAD_MS)),
    environment: query.environment ?? '*',
    namespace: query.namespace ?? '*',
    service: query.service ?? '*',
    operation: query.operation ?? '*',
    scope: query.scope ?? '*',
    version: query.version ?? '*',
  }
}

/** One page of rows, and where the next begins (null: nowhere). */
export function pageOf<T>(rows: readonly T[], { limit, offset }: z.infer<typeof PageQuery>) {
  const end = offset + limit
  return { rows: rows.slice(offset, end), total: rows.length, nextOffset: end < rows.length ? end : null }
}
