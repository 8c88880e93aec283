import { z } from '@hono/zod-openapi'
import { SAMPLE_KINDS } from '../analysis/result.ts'
import { RangeQuery, TargetQuery } from './parameters.ts'
import { Component, Distribution, Intervals, Verdict } from './schemas.ts'

const Ns = z.number().openapi({ description: 'Nanoseconds' })
/** As many as are replayed at the most. */
const MOST_COMPONENTS = 64
const SLOWEST = 1000

export const Change = Component.extend({
  factor: z.number().min(0).max(SLOWEST).default(0).openapi({
    description:
      'How many times as long its own work takes: 0 infinitely fast, 0.5 twice as fast, 2 twice as slow',
  }),
}).openapi('Change')

const Changes = {
  components: z
    .array(Change)
    .min(1, 'expected at least one component')
    .max(MOST_COMPONENTS)
    .refine((changes) => new Set(changes.map((c) => `${c.kind}\n${c.name}`)).size === changes.length, {
      message: 'expected each component once',
    }),
  inclusive: z.boolean().default(false).openapi({
    description: 'Also all that a component calls, directly or not, unless it is named itself',
  }),
}

export const WhatIfRequest = RangeQuery.extend(TargetQuery.shape)
  .extend(Changes)
  .extend({
    limit: z.number().int().min(1).max(50).default(10).openapi({ description: 'Endpoints at the most' }),
  })
  .strict()
  .openapi('WhatIfRequest')

export const TraceWhatIfRequest = z.object(Changes).strict().openapi('TraceWhatIfRequest')

const Predicted = z.object({ ...Distribution.shape, ...Intervals.shape })

export const WhatIf = z
  .object({
    service: z.string(),
    operation: z.string(),
    scope: z.enum(['trace', 'service']),
    environment: z.string(),
    namespace: z.string(),
    entries: z.number().int().openapi({ description: 'Samples in the range' }),
    replayed: z.number().int().openapi({
      description:
        'Samples that were replayed: a weighted sample of at most 500 an hour. The figures are theirs',
    }),
    observed: Predicted,
    ifChanged: Predicted.openapi({ description: 'With the components at their factors' }),
    verdict: Verdict.optional().openapi({ description: 'Of the change as a whole, against the target' }),
    sweep: z
      .array(
        Predicted.extend({
          speed: z.enum(['1x', '2x', '4x', 'infinitely fast']),
          factor: z.number(),
          savedP95Ns: Ns,
          savedMoreP95Ns: Ns.openapi({ description: 'More than at the speed before' }),
        }),
      )
      .openapi({ description: 'All named components at once, ever faster' }),
  })
  .openapi('WhatIf')

export const TraceWhatIf = z
  .object({
    traceId: z.string(),
    modelVersion: z
      .number()
      .int()
      .openapi({ description: 'Of the learned dependencies; 0: the trace alone' }),
    entries: z.array(
      z.object({
        spanId: z.string(),
        service: z.string(),
        operation: z.string(),
        scope: z.enum(['trace', 'service']),
        kind: z.enum(SAMPLE_KINDS),
        durationNs: Ns,
        ifChangedNs: Ns,
        sweep: z.array(
          z.object({
            speed: z.enum(['1x', '2x', '4x', 'infinitely fast']),
            factor: z.number(),
            latencyNs: Ns,
            savedNs: Ns,
          }),
        ),
      }),
    ),
    note: z.string(),
  })
  .openapi('TraceWhatIf')
