import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { createDecodePool, type DecodePool } from '../../src/formats/decode-pool.ts'
import { describeProblem } from '../../src/formats/problem.ts'
import { readTraces } from '../../src/formats/read.ts'
import { createSpanTable, type SpanTable } from '../../src/formats/span-table.ts'
import { createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { dump, source } from './read-all.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/traces/${name}`, import.meta.url), 'utf8')

/** An empty table that hands work to threads from the second span on. */
function createTable() {
  const columns = createColumns(createDictionary())
  // Keeps the attributes of one span: all but the first two go to the threads.
  return { columns, table: createSpanTable(columns, 1) }
}

const pools: DecodePool[] = []
afterAll(() => Promise.all(pools.map((pool) => pool.close())))

async function read(text: string, parallel: boolean) {
  const { columns, table } = createTable()
  const problems: string[] = []
  const pool = parallel ? poolOf(table) : undefined
  await readTraces(source(text, 1000), table, {
    ...(pool === undefined ? {} : { pipes: pool }),
    onProblem: (problem) => problems.push(describeProblem(problem)),
  })
  return {
    dump: dump(columns),
    order: Array.from(columns.spanId.subarray(0, 2 * columns.count)),
    problems: problems.sort(),
  }
}

function poolOf(table: SpanTable): DecodePool {
  const pool = createDecodePool(table, 2)
  pools.push(pool)
  return pool
}

const spans = Array.from({ length: 400 }, (_, i) =>
  JSON.stringify({ traceID: 'a', spanID: String(i + 1), startTime: i, processID: `p${i % 3}` }),
)
const processes = '{"p0":{"serviceName":"a"},"p1":{"serviceName":"b"},"p2":{"serviceName":"c"}}'
const trace = (list: string[]) => `{"traceID":"a","spans":[${list.join()}],"processes":${processes}}`

test.each([
  ['OTLP', fixture('otlp-lines.jsonl').repeat(50)],
  ['Jaeger, processes last', `[${trace(spans)},${trace(spans.map((s) => s.replace('"a"', '"b"')))}]`],
  ['Zipkin', `[${Array(40).fill(fixture('zipkin.json')).join()}]`],
  [
    'spans that make no sense',
    trace(spans.map((s, i) => (i % 50 === 7 ? s.replace('"spanID"', '"spanId"') : s))),
  ],
  ['cut short before the processes', trace(spans).slice(0, -200)],
  ['a broken line', `${fixture('otlp-lines.jsonl')}{"resourceSpans":[{]\n${fixture('otlp-lines.jsonl')}`],
])('%s: threads give the same spans in the same order, and the same problems', async (_, text) => {
  const alone = await read(text, false)
  expect(await read(text, true)).toEqual(alone)
  expect(alone.dump.length > 0 || alone.problems.length > 0).toBe(true)
})
