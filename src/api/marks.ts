import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { listMarks, writeMark } from '../store/marks.ts'
import type { Store } from '../store/store.ts'
import { ApiError, ERROR_RESPONSES, NOT_FOUND } from './errors.ts'
import { anyTime, PageQuery, pageOf, parseTime, RangeQuery, rangeOf } from './parameters.ts'

const Mark = z
  .object({
    name: z.string(),
    from: z.string().openapi({ description: 'ISO 8601' }),
    to: z.string(),
  })
  .openapi('Mark')

const MarkPath = z.object({
  name: z
    .string()
    .regex(/^[\w.-]{1,100}$/, 'expected letters, digits, - _ and .')
    .openapi({ param: { name: 'name', in: 'path' }, example: 'baseline' }),
})

const listRoute = createRoute({
  method: 'get',
  path: '/api/v1/marks',
  summary: 'Ranges with a name, for /compare',
  request: {
    query: PageQuery.extend({
      limit: PageQuery.shape.limit.default(1000),
      from: anyTime.optional().openapi({ description: 'Marks that end later; all if not given' }),
      to: anyTime.optional().openapi({ description: 'Marks that start before; all if not given' }),
    }),
  },
  responses: {
    200: {
      description: 'By start',
      content: {
        'application/json': {
          schema: z.object({
            marks: z.array(Mark),
            total: z.number().int(),
            nextOffset: z.number().int().nullable(),
          }),
        },
      },
    },
    ...ERROR_RESPONSES,
  },
})

const putRoute = createRoute({
  method: 'put',
  path: '/api/v1/marks/{name}',
  summary: 'Gives a range a name, in place of the one that had it',
  request: {
    params: MarkPath,
    body: {
      required: true,
      content: { 'application/json': { schema: RangeQuery.pick({ from: true, to: true }) } },
    },
  },
  responses: {
    200: { description: 'The mark', content: { 'application/json': { schema: Mark } } },
    ...ERROR_RESPONSES,
  },
})

const deleteRoute = createRoute({
  method: 'delete',
  path: '/api/v1/marks/{name}',
  summary: 'Takes a mark away',
  request: { params: MarkPath },
  responses: {
    200: { description: 'The mark that was', content: { 'application/json': { schema: Mark } } },
    ...NOT_FOUND,
    ...ERROR_RESPONSES,
  },
})

export function addMarkRoutes(app: OpenAPIHono, store: Store): void {
  app.openapi(listRoute, async (c) => {
    const query = c.req.valid('query')
    const nowMs = Date.now()
    const afterMs = parseTime(query.from ?? '', nowMs) ?? 0
    const beforeMs = parseTime(query.to ?? '', nowMs) ?? Number.POSITIVE_INFINITY
    const within = (await listMarks(store)).filter((mark) => mark.toMs > afterMs && mark.fromMs < beforeMs)
    const { rows, ...place } = pageOf(within, query)
    return c.json({ ...place, marks: rows.map(markJson) }, 200)
  })

  app.openapi(putRoute, async (c) => {
    const { name } = c.req.valid('param')
    const { fromMs, toMs } = rangeOf(c.req.valid('json'))
    await writeMark(store, { name, fromMs, toMs })
    return c.json(markJson({ name, fromMs, toMs }), 200)
  })

  app.openapi(deleteRoute, async (c) => {
    const { name } = c.req.valid('param')
    const mark = (await listMarks(store)).find((mark) => mark.name === name)
    if (mark === undefined)
      throw new ApiError(404, 'no-such-mark', `there is no mark ${JSON.stringify(name)}`)
    await writeMark(store, mark, true)
    return c.json(markJson(mark), 200)
  })
}

function markJson({ name, fromMs, toMs }: { name: string; fromMs: number; toMs: number }) {
  return { name, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }
}
