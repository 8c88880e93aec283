import { expect, it } from 'vitest'
import { analyzeSpans, type TraceObserver } from '../../src/analysis/analyze.ts'
import { createCounterfactual } from '../../src/analysis/counterfactual.ts'
import { type CallIndex, createCallIndex } from '../../src/findings/calls.ts'
import { GROUPS_KEPT } from '../../src/findings/observations.ts'
import { createPopulation } from '../../src/findings/population.ts'
import { createScan, type Scan, scanRoot } from '../../src/findings/scan.ts'
import { limitsOf } from '../../src/findings/settings.ts'
import { appendSpan, createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'

const START = 1_800_000_000_000_000_000n
/** Few enough for a batch that is remembered. */
const SERVICES = 12_000

/** A request of each service, with a query of its own database. */
function batchOf(from: number, count: number): SpanColumns {
  const columns = createColumns(createDictionary())
  for (let i = from; i < from + count; i++) {
    const traceId = (i + 1).toString(16)
    const times = { startNs: START, endNs: START + 1_000_000n, status: 0 }
    const resource = { 'service.name': `service-${i}`, 'service.instance.id': `instance-${i}` }
    const query = { 'db.system.name': 'postgresql', 'db.namespace': `db-${i}`, 'db.query.text': 'SELECT 1' }
    const request = shapeKeyOf(shapeFieldsFrom('SERVER', 'GET /', resource, {}))
    const call = shapeKeyOf(shapeFieldsFrom('CLIENT', 'SELECT', resource, query))
    appendSpan(columns, { traceId, spanId: '1', parentSpanId: '', shapeKey: request, ...times })
    if (i % 2 === 0)
      appendSpan(columns, { traceId, spanId: '2', parentSpanId: '1', shapeKey: call, ...times })
  }
  return columns
}

/** What is remembered of operations, batch after batch. */
function remembering() {
  const population = createPopulation(limitsOf({}))
  const counterfactual = createCounterfactual()
  let index: CallIndex
  let scan: Scan
  const observer: TraceObserver = {
    begin(tree, rows) {
      index = createCallIndex(tree.spans.dictionary)
      scan = createScan(tree, index, counterfactual)
      population.begin(tree.spans, rows, index)
    },
    assembled(_tree, trace, { entries, orderFrom }, dependencies) {
      scan.dependencies = dependencies
      population.observeTrace(trace)
      for (let e = 0; e < entries.length; e++) {
        scanRoot(scan, orderFrom[e]!, orderFrom[e + 1]!)
        population.observe(scan, trace)
      }
    },
    sampled() {},
    finished() {
      population.close()
      population.end()
    },
  }
  return { population, add: (spans: SpanColumns) => analyzeSpans(spans, { observer }) }
}

it('operations are remembered from batch to batch, up to a number at which all are forgotten', () => {
  const { population, add } = remembering()
  add(batchOf(0, SERVICES))
  expect(population.servers).toHaveLength(SERVICES)
  add(batchOf(0, SERVICES))
  expect(population.servers).toHaveLength(SERVICES)
  expect(population.servers[7]!.startNs).toHaveLength(2)

  expect(2 * SERVICES).toBeGreaterThan(GROUPS_KEPT)
  add(batchOf(SERVICES, SERVICES))
  expect(population.servers).toHaveLength(0)
  expect(population.instances).toHaveLength(0)

  add(batchOf(5, 3))
  expect(population.servers.map(({ endpoint }) => endpoint.service)).toEqual([
    'service-5',
    'service-6',
    'service-7',
  ])
  expect([...population.servers[2]!.instance].map((n) => population.instances[n])).toEqual(['instance-7'])
})
