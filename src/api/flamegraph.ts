import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { flameDifference, flameStacks, flameTrees, foldedText, speedscopeFile } from '../analysis/flame.ts'
import type { Rollup } from '../analysis/rollup.ts'
import { framePartsOf } from '../store/node-columns.ts'
import type { Frames } from '../store/rollup-rows.ts'
import { readSum } from '../store/rollup-sums.ts'
import type { RangeRollups } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { ComparedQuery, openBoth } from './baselines.ts'
import { ERROR_RESPONSES, NOT_FOUND } from './errors.ts'
import { Coverage, coverageOf } from './ranges.ts'
import { Ns } from './schemas.ts'

const Below = z.array(z.looseObject({})).openapi({ description: 'What it calls: the same again' })

const FlameFrame = z
  .object({
    name: z.string().openapi({ description: 'Component and operation' }),
    totalNs: Ns,
    selfNs: Ns,
    calls: z.number(),
    children: Below,
  })
  .openapi('FlameFrame')

const FlameChange = z
  .object({
    name: z.string(),
    beforeNs: Ns,
    afterNs: Ns,
    changeNs: Ns,
    selfChangeNs: Ns,
    children: Below,
  })
  .openapi('FlameChange')

const flamegraphRoute = createRoute({
  method: 'get',
  path: '/api/v1/flamegraph',
  summary: 'Critical-path time by call stack; of one range, or the difference of two',
  request: {
    query: ComparedQuery.extend({
      format: z.enum(['speedscope', 'folded', 'json']).default('json'),
      scope: z
        .enum(['trace'], 'expected trace: SERVER spans by themselves have no stacks')
        .optional()
        .openapi({ description: 'Stacks are of entries of traces; SERVER spans by themselves have none' }),
    }),
  },
  responses: {
    200: {
      description:
        'Of entries of traces. One range: all of their time. Two: a request each, on average. speedscope: a file for ' +
        'speedscope.app, with a profile a range; folded: lines for flamegraph.pl, of two ranges for difffolded.pl',
      content: {
        'application/json': {
          schema: z.union([
            z.object({
              entries: z.number().int(),
              totalNs: Ns,
              roots: z.array(FlameFrame),
              coverage: Coverage,
            }),
            z.object({
              entries: z.object({ before: z.number().int(), after: z.number().int() }),
              roots: z.array(FlameChange),
              coverage: z.object({ before: Coverage, after: Coverage }),
            }),
            z.looseObject({ $schema: z.string(), profiles: z.array(z.unknown()) }),
          ]),
        },
        'text/plain': { schema: z.string() },
      },
    },
    ...NOT_FOUND,
    ...ERROR_RESPONSES,
  },
})

export function addFlamegraphRoute(app: OpenAPIHono, store: Store): void {
  app.openapi(flamegraphRoute, async (c) => {
    const { format, ...query } = c.req.valid('query')
    const name =
      [query.service, query.operation].filter((part) => part !== undefined).join(' ') || 'all endpoints'
    const { before: baseline, after: range } = await openBoth(store, { ...query, scope: 'trace' })
    const after = await readStacks(store, range)
    if (baseline === undefined) {
      const roots = flameTrees(after.rollup.stacks, labelIn(after.frames))
      if (format === 'folded') return c.text(foldedText(flameStacks(roots)), 200)
      if (format === 'speedscope') {
        return c.json(speedscopeFile(name, [{ name, stacks: flameStacks(roots) }]), 200)
      }
      const totalNs = roots.reduce((sum, root) => sum + root.totalNs, 0)
      return c.json(
        { entries: after.rollup.samples, totalNs, roots, coverage: coverageOf(range.cover) } as never,
        200,
      )
    }
    const before = await readStacks(store, baseline)
    const trees = ({ rollup, frames }: Stacks) =>
      flameTrees(rollup.stacks, labelIn(frames), Math.max(1, rollup.weight))
    const [then, now] = [trees(before), trees(after)]
    if (format === 'folded') return c.text(foldedText(flameStacks(now), flameStacks(then)), 200)
    if (format === 'speedscope') {
      const profiles = [
        { name: `${name}, before, a request`, stacks: flameStacks(then) },
        { name: `${name}, after, a request`, stacks: flameStacks(now) },
      ]
      return c.json(speedscopeFile(name, profiles), 200)
    }
    return c.json(
      {
        entries: { before: before.rollup.samples, after: after.rollup.samples },
        roots: flameDifference(then, now),
        coverage: { before: coverageOf(baseline.cover), after: coverageOf(range.cover) },
      } as never,
      200,
    )
  })
}

type Stacks = { rollup: Rollup; frames: Frames }

function readStacks(store: Store, { cover, filter }: RangeRollups): Promise<Stacks> {
  return readSum(store, cover, filter, { stacks: true })
}

/** `transit a->b: GET`, `service shop: GET /cart`. */
function labelIn(frames: Frames): (frame: number) => string {
  return (frame) => {
    const { kind, component, operation } = framePartsOf(frames.texts[frame]!)
    return `${kind === 'network' ? 'transit' : kind} ${component}: ${operation}`
  }
}
