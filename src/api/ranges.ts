import { z } from '@hono/zod-openapi'
import type { Cover } from '../analysis/steps.ts'
import { coverOf, type RangeRollups } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { filterOf, type RangeQuery } from './parameters.ts'

export const Coverage = z
  .object({
    from: z.string().openapi({ description: 'ISO 8601' }),
    to: z.string(),
    stepSeconds: z.number().int().openapi({ description: 'The shortest step used' }),
  })
  .openapi('Coverage', {
    description:
      'What the answer is about: the range, snapped outward to the steps that are kept (and built) there',
  })

/** The buckets of a range, and what of them is wanted. */
export async function openRange(
  store: Store,
  query: z.infer<typeof RangeQuery>,
  longest?: number,
): Promise<RangeRollups> {
  const { fromMs, toMs, ...filter } = filterOf(query)
  return { cover: await coverOf(store, { fromMs, toMs }, longest), filter }
}

export function coverageOf({ fromSeconds, toSeconds, stepSeconds }: Cover): z.infer<typeof Coverage> {
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString()
  return { from: iso(fromSeconds), to: iso(toSeconds), stepSeconds }
}
