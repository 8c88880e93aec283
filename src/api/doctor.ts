import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { analyzeSpans } from '../analysis/analyze.ts'
import { createDoctor } from '../analysis/doctor.ts'
import { countCapped, readInput } from '../store/input-spans.ts'
import type { Store } from '../store/store.ts'
import { ERROR_RESPONSES } from './errors.ts'
import { filterOf, RangeQuery } from './parameters.ts'

const Grade = z.enum(['ok', 'warn', 'bad']).openapi({
  description: 'warn: answers are less exact than they could be; bad: some are wrong',
})

export const Diagnosis = z
  .object({
    spans: z.number().int(),
    traces: z.number().int(),
    grade: Grade.openapi({ description: 'The worst of the checks' }),
    checks: z.array(
      z.object({
        check: z.string(),
        grade: Grade,
        found: z.string(),
        value: z.number(),
        unit: z.enum(['share', 'ns', 'count']),
        warnAt: z.number(),
        badAt: z.number(),
        where: z.array(z.object({ name: z.string(), value: z.number() })).openapi({
          description: 'Services, or pairs of instances; the worst first',
        }),
        fix: z.string().openapi({ description: "What to do about it; '' where all is well" }),
      }),
    ),
    share: z.number().openapi({ description: 'Share of the stored traces that was looked at' }),
  })
  .openapi('Diagnosis')

const doctorRoute = createRoute({
  method: 'get',
  path: '/api/v1/doctor',
  summary: 'Is the input good enough to answer from?',
  request: { query: RangeQuery.omit({ operation: true, scope: true, version: true }) },
  responses: {
    200: {
      description: 'Checks of the traces stored in the range',
      content: { 'application/json': { schema: Diagnosis } },
    },
    ...ERROR_RESPONSES,
  },
})

export function addDoctorRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(doctorRoute, async (c) => {
    const filter = filterOf(c.req.valid('query'))
    const [{ spans, share }, capped] = await Promise.all([
      readInput(store, filter),
      countCapped(store, filter),
    ])
    const doctor = createDoctor()
    doctor.add(analyzeSpans(spans))
    return c.json({ ...doctor.diagnose(capped), share }, 200)
  })
}
