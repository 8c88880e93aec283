import { describe, expect, it } from 'vitest'
import { createTraceDrawer } from '../../src/analysis/draw-traces.ts'
import {
  appendRows,
  appendSpan,
  createColumns,
  type SpanColumns,
  traceIdHex,
} from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { groupByTrace } from '../../src/trace/group.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { seeded } from '../bench/random.ts'

const FREQUENT = 900
const FREQUENT_SPANS = 100
const RARE = 40

/** Many large traces of one endpoint, and few small ones of another. Trace ids are multiples of an odd number. */
function twoEndpoints(): SpanColumns {
  const columns = createColumns(createDictionary())
  const keyOf = (kind: string, name: string) =>
    shapeKeyOf(shapeFieldsFrom(kind, name, { 'service.name': 'shop' }, {}))
  const step = keyOf('INTERNAL', 'step')
  for (let trace = 1; trace <= FREQUENT + RARE; trace++) {
    const isRare = trace > FREQUENT
    const root = keyOf('SERVER', isRare ? 'rare' : 'frequent')
    const traceId = (trace * 0x9e3779b1).toString(16)
    for (let span = 1; span <= (isRare ? 2 : FREQUENT_SPANS); span++) {
      appendSpan(columns, {
        traceId,
        spanId: span.toString(16),
        parentSpanId: span === 1 ? '' : '1',
        startNs: 1_000_000n,
        endNs: 2_000_000n,
        status: 0,
        shapeKey: span === 1 ? root : step,
      })
    }
  }
  return columns
}

function drawnOf(spans: SpanColumns) {
  const groups = groupByTrace(spans)
  const draw = createTraceDrawer()(spans, groups)
  // By rank: an order of their own.
  const ranked = (list: Uint32Array) => list.sort((a, b) => draw.rank[a]! - draw.rank[b]!)
  const [traces, forClocks] = [ranked(draw.traces), ranked(draw.forClocks)]
  const sizes = Array.from(traces, (trace) => groups.first[trace + 1]! - groups.first[trace]!)
  const idsOf = (list: Uint32Array) =>
    Array.from(list, (trace) => traceIdHex(spans, groups.rows[groups.first[trace]!]!))
  return { sizes, ids: idsOf(traces), forClocks: idsOf(forClocks) }
}

function shuffled(spans: SpanColumns, seed: number): SpanColumns {
  const random = seeded(seed)
  const rows = Array.from({ length: spans.count }, (_, row) => ({ row, key: random() }))
  rows.sort((a, b) => a.key - b.key)
  const columns = createColumns(spans.dictionary, spans.count)
  appendRows(
    columns,
    spans,
    rows.map(({ row }) => row),
  )
  return columns
}

describe('traces drawn from a large batch', () => {
  const spans = twoEndpoints()
  const drawn = drawnOf(spans)

  it('have all of a rare endpoint, beside most of a frequent one', () => {
    expect(drawn.sizes.filter((size) => size === 2)).toHaveLength(RARE)
    expect(drawn.sizes.filter((size) => size === FREQUENT_SPANS).length).toBeGreaterThan(500)
  })

  it('stay within the budget', () => {
    expect(drawn.sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(60_000)
    expect(drawn.ids).toEqual(expect.arrayContaining(drawn.forClocks))
  })

  it.each([1, 2, 3])('are the same in any order of rows (seed %i)', (seed) => {
    expect(drawnOf(shuffled(spans, seed))).toEqual(drawn)
  })
})
