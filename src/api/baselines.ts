import { z } from '@hono/zod-openapi'
import { listMarks } from '../store/marks.ts'
import { coverOf, type RangeRollups } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { ApiError } from './errors.ts'
import { anyTime, badParameter, filterOf, RangeQuery } from './parameters.ts'

/** Two ranges, marks or versions. */
export const ComparedQuery = RangeQuery.extend({
  version: z.string().optional().openapi({ description: 'service.version after; all if none is given' }),
  mark: z.string().optional().openapi({ description: 'A mark: the range after, instead of from and to' }),
  baseline: z.string().optional().openapi({ description: 'A mark: the range before' }),
  baselineFrom: anyTime.optional().openapi({ description: 'Start of the range before' }),
  baselineTo: anyTime.optional().openapi({ description: 'End of it, not included' }),
  baselineVersion: z.string().optional().openapi({
    description: 'service.version before, in the same range if no other is given; all if none is given',
  }),
})

type Compared = z.infer<typeof ComparedQuery>

/** Of entries of traces unless asked otherwise; `before` is undefined if no baseline is given. @throws ApiError */
export async function openBoth(
  store: Store,
  query: Compared,
): Promise<{ before: RangeRollups | undefined; after: RangeRollups }> {
  const { mark, baseline, baselineFrom, baselineTo, baselineVersion } = query
  const marks = mark === undefined && baseline === undefined ? [] : await listMarks(store)
  const markOf = (name: string) => {
    const mark = marks.find((mark) => mark.name === name)
    if (mark === undefined)
      throw new ApiError(404, 'no-such-mark', `there is no mark ${JSON.stringify(name)}`)
    return { from: new Date(mark.fromMs).toISOString(), to: new Date(mark.toMs).toISOString() }
  }
  if ((baselineFrom === undefined) !== (baselineTo === undefined)) {
    const missing = baselineFrom === undefined ? 'baselineFrom' : 'baselineTo'
    throw badParameter(missing, `${missing}: the range before needs both ends`)
  }
  if (baseline !== undefined && baselineFrom !== undefined)
    throw badParameter('baseline', 'baseline: either a mark, or baselineFrom and baselineTo')
  const after = mark === undefined ? { from: query.from, to: query.to } : markOf(mark)
  const before =
    baseline !== undefined
      ? markOf(baseline)
      : baselineFrom !== undefined && baselineTo !== undefined
        ? { from: baselineFrom, to: baselineTo }
        : baselineVersion !== undefined
          ? after
          : undefined
  const open = async (
    range: { from: string; to: string },
    version: string | undefined,
    prefix: '' | 'baseline' = '',
  ): Promise<RangeRollups> => {
    const { fromMs, toMs, ...filter } = filterOf(
      { ...query, ...range, version, scope: query.scope ?? 'trace' },
      prefix,
    )
    return { cover: await coverOf(store, { fromMs, toMs }), filter }
  }
  return {
    before: before === undefined ? undefined : await open(before, baselineVersion, 'baseline'),
    after: await open(after, query.version),
  }
}
